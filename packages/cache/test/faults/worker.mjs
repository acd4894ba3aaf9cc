// A process with caches over one store. The parent calls `verbs`, and says what the gated loads bring.
import KeyvPostgres from '@keyv/postgres'
import KeyvRedis from '@keyv/redis'
import { AsyncCache } from '@uno-async/cache'
import { Keyv as Keyv5 } from 'keyv'
import { Keyv as Keyv6 } from 'keyv6'

const [keyv, server, port] = process.argv.slice(2)
const adapter =
  server === 'Redis'
    ? new KeyvRedis({ url: `redis://127.0.0.1:${port}`, socket: { reconnectStrategy: () => 50 } })
    : new KeyvPostgres({ uri: `postgresql://postgres@127.0.0.1:${port}/postgres` })
const Keyv = { 'Keyv 5': Keyv5, 'Keyv 6': Keyv6 }[keyv]
const store = new Keyv({ store: adapter, namespace: keyv.replace(' ', '') })
for (const emitter of [adapter, store]) emitter.on('error', () => {})

const errors = []
const options = {
  store,
  ttl: 60_000,
  awaitStore: true,
  storeTimeout: 500,
  onError: (error, { phase }) => errors.push(`${phase}: ${error}`),
}

/** Remembers, and loads what the parent says when it says so. */
const gates = new Map()
const kept = new AsyncCache({
  ...options,
  load: (key, context) => {
    context.tags = ['t']
    process.send({ loading: key })
    return new Promise((resolve) => gates.set(key, resolve))
  },
})

/** Sees the store only. */
const fresh = () => new AsyncCache({ ...options, load: async () => 'loaded' })

let hammering
const verbs = {
  errors: () => errors.splice(0),
  get: (key) => kept.get(key),
  loaded: (key, value) => gates.get(key)(value),
  see: async (key) => {
    const { value, source } = await fresh().getEntry(key)
    return { value, isUndefined: value === undefined, source }
  },
  set: (key, value, tags = []) => fresh().set(key, value, { tags }),
  setUndefined: (key) => fresh().set(key, undefined),
  invalidate: (key) => fresh().invalidate(key),
  invalidateTag: (tag) => fresh().invalidateTags(tag),
  clear: () => fresh().clear(),
  /** Clients that ask for small numbers until `rest`, of a cache that keeps few of them itself. */
  hammer: (clients) => {
    const load = async (key) => ({ n: Number(key) })
    const cache = new AsyncCache({ ...options, maxSize: 50, load })
    const tally = { asked: 0, stored: 0, wrong: 0, failed: 0 }
    const client = async () => {
      while (hammering.running) {
        const n = Math.floor(Math.random() * 500)
        try {
          const { value, source } = await cache.getEntry(`${n}`)
          tally.asked++
          if (source === 'store') tally.stored++
          if (value.n !== n) tally.wrong++
        } catch {
          tally.failed++
        }
      }
    }
    hammering = { running: true, tally }
    hammering.done = Promise.all(Array.from({ length: clients }, client)).then(() => cache.close())
  },
  tally: () => hammering.tally,
  rest: async () => {
    hammering.running = false
    await hammering.done
    return hammering.tally
  },
}

process.on('message', async ({ id, verb, args }) => {
  try {
    process.send({ id, result: await verbs[verb](...args) })
  } catch (error) {
    process.send({ id, error: String(error) })
  }
})
process.on('disconnect', () => process.exit())
process.send({ loading: '' }) // ready

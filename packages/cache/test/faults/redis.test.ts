import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import KeyvRedis from '@keyv/redis'
import { AsyncCache } from '@uno-async/cache'
import { delay } from '@uno-async/core'
import { Keyv } from 'keyv'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const { CI } = process.env as { CI?: string }
const command = 'redis-server'
const isThere = (() => {
  try {
    return execFileSync(command, ['--version']).length > 0
  } catch {
    return false
  }
})()
if (!isThere && !CI) console.warn('No Redis here (Debian: redis-server): not tested against one')

const port = 55_000 + (process.pid % 1_000)
let server: ChildProcess | undefined

const start = async (): Promise<void> => {
  const args = ['--port', `${port}`, '--save', '', '--appendonly', 'no', '--bind', '127.0.0.1']
  server = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  for await (const line of server.stdout as AsyncIterable<Buffer>) {
    if (String(line).includes('Ready to accept connections')) return
  }
}
const stop = async (): Promise<void> => {
  if (!server || server.exitCode !== null || server.signalCode !== null) return
  const gone = once(server, 'exit')
  server.kill('SIGKILL')
  await gone
}

describe.skipIf(!isThere && !CI)('over Keyv and Redis', () => {
  const stores: Keyv[] = []
  const makeStore = (): Keyv => {
    const redis = new KeyvRedis({
      url: `redis://127.0.0.1:${port}`,
      socket: { reconnectStrategy: () => 50 },
    })
    const store = new Keyv({ store: redis, namespace: 'test' })
    store.on('error', () => {})
    redis.on('error', () => {})
    stores.push(store)
    return store
  }
  const makeCache = (errors: string[] = []) =>
    new AsyncCache<string, { n: number }>({
      store: makeStore(),
      ttl: 60_000,
      storeTimeout: 200,
      maxSize: 50,
      load: async (key) => ({ n: Number(key) }),
      onError: (_, { phase }) => errors.push(phase),
    })

  beforeAll(start)
  afterAll(async () => {
    for (const store of stores) await store.disconnect().catch(() => {})
    await stop()
  })

  it('two caches share values and invalidations', async () => {
    const [a, b] = [makeCache(), makeCache()]
    await a.set('1', { n: 100 }, { tags: ['t'] })
    expect(await b.getEntry('1')).toMatchObject({ value: { n: 100 }, source: 'store' })
    await b.invalidate('1')
    const c = makeCache()
    expect(await c.getEntry('1')).toMatchObject({ value: { n: 1 }, source: 'load' })
    await a.set('2', { n: 200 }, { tags: ['t'] })
    await delay(5)
    await b.invalidateTags('t')
    expect(await c.getEntry('2')).toMatchObject({ value: { n: 2 }, source: 'load' })
    await Promise.all([a.close(), b.close(), c.close()])
  })

  it('killed under load: no get fails; restarted: it is used again', async () => {
    const errors: string[] = []
    const cache = makeCache(errors)
    let asked = 0
    let running = true
    const client = async (): Promise<void> => {
      while (running) {
        const n = Math.floor(Math.random() * 500)
        expect(await cache.get(`${n}`)).toEqual({ n })
        asked++
      }
    }
    const clients = Promise.all(Array.from({ length: 50 }, client))
    await delay(500)
    await stop()
    const before = asked
    await delay(2_000)
    expect(asked).toBeGreaterThan(before)
    await start()
    await delay(1_000)
    running = false
    await clients
    await cache.close()
    const writer = makeCache()
    const reader = makeCache()
    await writer.set('7', { n: 700 })
    expect(await reader.getEntry('7')).toMatchObject({ value: { n: 700 }, source: 'store' })
    await Promise.all([writer.close(), reader.close()])
  })
})

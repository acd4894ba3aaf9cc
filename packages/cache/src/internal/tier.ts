import {
  badValue,
  CancellationTokenSource,
  checkFunction,
  type Milliseconds,
} from '@uno-async/core'
import type { SecondTier } from '../types.js'
import type { Memory } from './memory.js'
import type { Settings } from './settings.js'

/** How a value lies in the second tier: all of it survives JSON. */
export interface Envelope<V> {
  readonly uno: 1
  readonly value: V
  /** Points in time on Date.now()'s scale. */
  readonly asked: number
  readonly created: number
  /** null: for ever. */
  readonly ttl: Milliseconds | null
  readonly tags?: readonly string[] | undefined
}

type Phase = 'store-get' | 'store-set'

/** What is to be written to one key, or deleted. */
interface Write {
  op: () => unknown
  isSet: boolean
  done: Promise<unknown>
}

const MAX_SKEW = 10_000 // how far ahead another machine's clock may be
const MAX_DOUBTS = 10_000 // keys to remember one by one

/** The second tier, made harmless: in order for each key, in time, and never a rejection. */
export class Tier<K, V> {
  readonly #store: SecondTier
  readonly #keyOf: (key: K) => string
  readonly #timeout: Milliseconds
  readonly #memory: Memory<K, V>
  readonly #raw: boolean // a bare adapter of Keyv 6: takes strings and points in time
  readonly #last = new Map<string, Promise<unknown>>() // the last write of each key that is not done
  readonly #waiting = new Map<string, Write>() // those of them that have not begun: a newer one takes their place
  readonly #doubtful = new Map<string, number>() // by which write that failed: the store may have an older value
  #trustedFrom = -Infinity // created before, on Date.now()'s scale, it may be older than what failed to be written
  #writes = 0 // ever
  #clearing: Promise<unknown> | undefined = undefined // the last clear()

  constructor(
    { store, storeKey = defaultKey, storeTimeout }: Settings<K, V>,
    memory: Memory<K, V>,
  ) {
    for (const verb of ['get', 'set', 'delete'] as const)
      checkFunction(`store.${verb}`, store?.[verb])
    this.#store = store as SecondTier
    this.#keyOf = storeKey
    this.#timeout = storeTimeout
    this.#memory = memory
    this.#raw = !!(store as { capabilities?: { expires?: boolean } }).capabilities?.expires
  }

  /** @throws TypeError */
  idOf(key: K): string {
    const id: unknown = this.#keyOf(key)
    if (typeof id === 'string') return id
    throw badValue('storeKey', 'a function that gives a string', id, TypeError)
  }

  /** Reads after what is being written; rubbish and what tags have made void is undefined. */
  async read(key: K): Promise<Envelope<V> | undefined> {
    const id = this.idOf(key)
    const get = async (it: string): Promise<Envelope<V> | undefined> => {
      const found = await this.#store.get(it)
      return (typeof found === 'string' ? JSON.parse(found) : found) as Envelope<V> | undefined
    }
    return this.#after(this.#last.get(id) ?? this.#clearing, key, 'store-get', async () => {
      if (this.#doubtful.has(id)) return
      const found = await get(id)
      if (found === undefined || found === null) return
      const { uno, asked, created, ttl, tags = [] } = found
      const timed = [asked, created, ttl ?? 0].every(Number.isFinite) && asked <= created
      if (uno !== 1 || !timed || !(ttl === null || ttl >= 0) || !Array.isArray(tags)) {
        throw new TypeError('The second tier holds something that is not ours')
      }
      if (created > Date.now() + MAX_SKEW || created <= this.#trustedFrom) return
      const marks = await Promise.all(tags.map((tag) => get(tagKey(tag))))
      return marks.some((mark) => mark && mark.created >= asked) ? undefined : found
    }) as Promise<Envelope<V> | undefined>
  }

  write(key: K, envelope: Envelope<V>, keep: Milliseconds): Promise<unknown> {
    const id = this.idOf(key)
    return this.#queue(id, key, () => this.#set(id, envelope, keep), true)
  }

  delete(key: K, id: string = this.idOf(key)): Promise<unknown> {
    return this.#queue(id, key, () => this.#store.delete(id))
  }

  /** From now on whatever was asked for before and has this tag is void, in all processes. */
  void(tag: string): Promise<unknown> {
    const id = tagKey(tag)
    const now = Date.now()
    const mark = { uno: 1, value: null, asked: now, created: now, ttl: null } as const
    return this.#queue(id, undefined as K, () => this.#set(id, mark, Infinity))
  }

  clear(keys: Iterable<K>): Promise<unknown> {
    if (!this.#store.clear) return Promise.all([...keys].map((key) => this.delete(key)))
    const before = Promise.all([this.#clearing, ...this.#last.values()])
    this.#last.clear()
    this.#waiting.clear()
    this.#clearing = this.#after(before, undefined as K, 'store-set', async () => {
      await this.#store.clear?.()
      this.#doubtful.clear()
    })
    return this.#clearing
  }

  /** Keyv 5 and 6 do not reject: false is a failure. */
  async #set(id: string, envelope: Envelope<unknown>, keep: Milliseconds): Promise<void> {
    const ttl = keep === Infinity ? undefined : Math.ceil(keep)
    const stored = await (this.#raw
      ? this.#store.set(id, JSON.stringify(envelope), ttl && Date.now() + ttl)
      : this.#store.set(id, envelope, ttl))
    if (stored === false) throw new Error('The second tier has not stored it')
  }

  #queue(id: string, key: K, op: () => unknown, isSet = false): Promise<unknown> {
    const waiting = this.#waiting.get(id)
    if (waiting) {
      waiting.op = op
      waiting.isSet = isSet
      return waiting.done
    }
    const before = this.#last.get(id) ?? this.#clearing
    const write = { op, isSet } as Write
    this.#waiting.set(id, write)
    write.done = this.#after(before, key, 'store-set', async () => {
      if (this.#waiting.get(id) === write) this.#waiting.delete(id)
      const nth = ++this.#writes
      if (this.#doubtful.size >= MAX_DOUBTS) {
        // It is down for long: rather than to remember every key, take nothing that it has now.
        this.#doubtful.clear()
        this.#trustedFrom = Date.now() + MAX_SKEW
      }
      this.#doubtful.set(id, nth)
      await write.op()
      if (this.#doubtful.get(id) === nth) this.#doubtful.delete(id)
      // It had timed out, and something newer was written, which it may have overwritten. What waits comes after it.
      else if (write.isSet && !this.#waiting.has(id)) void this.#memory.track(this.delete(key, id))
    })
    const { done } = write
    this.#last.set(id, done)
    void done.then(() => {
      if (this.#last.get(id) === done) this.#last.delete(id)
    })
    return done
  }

  async #after(
    before: Promise<unknown> | undefined,
    key: K,
    phase: Phase,
    op: () => unknown,
  ): Promise<unknown> {
    if (before !== undefined) await before
    const timeout = this.#timeout
    const message = `${this.#memory.who}: ${phase.replace('-', ' ')} timed out after ${timeout} ms`
    const source = new CancellationTokenSource({ timeout, message, ref: true })
    try {
      return await source.token.race(Promise.resolve(op()))
    } catch (error) {
      this.#memory.report(error, key, phase)
      return undefined
    } finally {
      source.close()
    }
  }
}

const tagKey = (tag: string): string => `uno-async:tag:${tag}`

function defaultKey(key: unknown): string {
  const type = key === null ? 'null' : typeof key
  // As it is, but where that could be taken for something else.
  const prefixes = /^(string|number|bigint|boolean|null|undefined|uno-async):/
  if (type === 'string' && !prefixes.test(key as string)) return key as string
  if (prefixes.test(`${type}:`)) return `${type}:${key}`
  throw badValue('storeKey', 'given for keys that are not primitive', key, TypeError)
}

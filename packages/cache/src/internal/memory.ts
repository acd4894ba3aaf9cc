import { badValue, checkMilliseconds, type Milliseconds, report } from '@uno-async/core'
import type { AsyncCacheOptions, CacheErrorContext, EvictReason } from '../types.js'
import { Entry } from './entry.js'
import { Eviction } from './eviction.js'
import { Expiry } from './expiry.js'
import { Tier } from './tier.js'

/** What there is to say about a value besides itself. */
export interface Facts {
  readonly ttl: Milliseconds
  /** How old it is, default 0. */
  readonly age?: Milliseconds
  /** By the clock on the wall; only where there is a second tier. */
  readonly created?: number
  /** What its load took, default 0. */
  readonly took?: Milliseconds
  readonly tags?: readonly string[] | undefined
  /** The value is an error. */
  readonly failed?: boolean
}

/** The entries: bounded, expiring, found by tag; and whom to tell when they go. */
export class Memory<K, V> {
  readonly entries: Map<K, Entry<K, V>> = new Map()
  readonly work: Set<Promise<unknown>> = new Set() // in the background, for close() to wait for
  readonly tier: Tier<K, V> | undefined
  readonly who: string
  weight = 0
  evictions = 0
  readonly eviction: Eviction<K, V> | undefined // undefined: no bound
  readonly ahead: Milliseconds // who reads what is fresh for less than this must look closer
  readonly #options: AsyncCacheOptions<K, V>
  readonly #grace: Milliseconds // how long what is no longer fresh is kept
  readonly #maxSize: number
  readonly #maxWeight: number
  readonly #byTag = new Map<string, Set<Entry<K, V>>>()
  readonly #expiry = new Expiry(
    (entry) => this.drop(entry as Entry<K, V>, 'expired'),
    () => this.tell(),
  )
  #gone: [key: K, value: V, reason: EvictReason][] = [] // not yet told
  readonly #holds = new Map<V, number>() // how many entries have it, or had and are not told; for `disposeValues`
  #telling = false
  // Invariants, true whenever no code of a user is on the stack:
  //   I1  each entry is in `entries`, in the eviction's lists, under its tags, and in the expiry's heap if it expires
  //   I2  `weight` is the sum over `entries`; neither it nor their number is over its bound

  constructor(options: AsyncCacheOptions<K, V>) {
    const {
      name,
      maxSize = Infinity,
      maxWeight = Infinity,
      store,
      storeKey,
      storeTimeout = 1_000,
      refreshAhead = 0,
    } = options
    this.who = name === undefined ? 'AsyncCache' : `AsyncCache "${name}"`
    this.#options = options
    this.#maxSize = maxSize
    this.#maxWeight = maxWeight
    this.ahead = refreshAhead === 'probabilistic' ? Infinity : refreshAhead
    if (store !== undefined) {
      this.tier = new Tier(store, this.who, storeKey, storeTimeout, (...what) =>
        this.report(...what),
      )
    }
    this.#grace = Math.max(options.staleWhileRevalidate ?? 0, options.staleIfError ?? 0)
    if (maxSize < Infinity || maxWeight < Infinity) {
      this.eviction = new Eviction(options.eviction === 'lru')
    }
  }

  /** What is there and not yet gone; leaves everything as it is. */
  find(key: K): Entry<K, V> | undefined {
    const entry = this.entries.get(key)
    // The clock is not looked at for what never expires.
    return entry && (entry.forever || entry.keptUntil > performance.now()) ? entry : undefined
  }

  /** In place of what there was. All that can throw comes first. */
  keep(key: K, value: V, facts: Facts): void {
    const { ttl, age = 0, created = 0, took = 0, tags, failed = false } = facts
    const { weigh } = this.#options
    const weight = weigh && !failed ? checkWeight(weigh(value, key)) : 1
    const grace = failed ? 0 : this.#grace
    const { eviction } = this
    const known = this.entries.get(key)
    if (ttl + grace <= age || weight > this.#maxWeight) {
      if (known) this.drop(known, 'replaced')
      return
    }
    if (this.#options.disposeValues && !failed) {
      this.#holds.set(value, (this.#holds.get(value) ?? 0) + 1)
    }
    const entry = known ?? new Entry<K, V>(key)
    if (known) {
      this.#note(entry, 'replaced', value)
      this.#untag(entry)
      this.weight -= entry.weight
    }
    if (eviction && (entry.list === undefined || entry.weight !== weight)) {
      entry.unlink()
      // Fractions can leave a little weight behind when nobody is left.
      while (
        eviction.count &&
        (eviction.count >= this.#maxSize || this.weight + weight > this.#maxWeight)
      ) {
        const victim = eviction.evict()
        this.evictions++
        this.drop(victim, 'evicted')
      }
      eviction.add(entry)
    } else eviction?.hit(entry)
    if (!known) this.entries.set(key, entry)
    this.weight += weight
    entry.value = value
    entry.promise = undefined
    entry.forever = ttl === Infinity && !failed
    entry.failed = failed
    entry.since = performance.now() - age
    entry.ttl = ttl
    entry.grace = grace
    entry.created = created
    entry.took = took
    entry.failure = undefined
    entry.weight = weight
    entry.tags = tags
    if (tags) {
      for (const tag of tags) {
        const tagged = this.#byTag.get(tag)
        if (tagged) tagged.add(entry)
        else this.#byTag.set(tag, new Set([entry]))
      }
    }
    this.#expiry.place(entry as never)
  }

  /** Keeps a value here and in the second tier; undefined if there is none. All that can throw comes first. */
  put(
    key: K,
    value: V,
    { ttl: asked, tags }: { ttl?: Milliseconds | undefined; tags?: readonly string[] | undefined },
    took: Milliseconds,
    askedAt: number,
  ): Promise<unknown> | undefined {
    const ttl = ttlOf(this.#options, key, value, asked)
    const { tier } = this
    tier?.idOf(key)
    const created = tier ? Date.now() : 0
    this.keep(key, value, { ttl, created, took, tags })
    if (!tier) return
    const keep = ttl + this.#grace
    const store = (): Promise<unknown> =>
      tier.write(
        key,
        { uno: 1, value, asked: askedAt, created, ttl: ttl === Infinity ? null : ttl, tags },
        keep,
      )
    return this.track(keep > 0 ? store() : tier.delete(key))
  }

  drop(entry: Entry<K, V>, reason: EvictReason): void {
    this.entries.delete(entry.key)
    this.weight = this.entries.size ? this.weight - entry.weight : 0 // no residue of fractions
    entry.unlink()
    this.#expiry.remove(entry as never)
    this.#untag(entry)
    this.#note(entry, reason)
  }

  tagged(tag: string): Entry<K, V>[] {
    return [...(this.#byTag.get(tag) ?? [])]
  }

  empty(reason: EvictReason): void {
    for (const entry of this.entries.values()) this.drop(entry, reason)
    this.eviction?.forget()
  }

  /** Last, when all is in order: a hook may do as it likes, and what it does is told after this. */
  tell(): void {
    if (this.#telling || !this.#gone.length) return
    this.#telling = true
    const { onEvict, disposeValues } = this.#options
    for (const [key, value, reason] of this.#gone) {
      try {
        onEvict?.(key, value, reason)
      } catch (error) {
        this.report(error, key, 'evict')
      }
      if (disposeValues && this.#letGo(value)) this.discard(key, value)
    }
    this.#gone = []
    this.#telling = false
  }

  /** Disposes of it, unless an entry has it. */
  discard(key: K, value: V): void {
    if (this.#holds.has(value)) return
    const it = value as Partial<AsyncDisposable & Disposable> | null | undefined
    const dispose = async (): Promise<void> =>
      (it?.[Symbol.asyncDispose] ?? it?.[Symbol.dispose])?.call(it as never)
    void this.track(dispose().catch((error) => this.report(error, key, 'evict')))
  }

  /** Background work that never rejects. */
  track<R>(work: Promise<R>): Promise<R> {
    this.work.add(work)
    void work.then(() => this.work.delete(work))
    this.announce(work)
    return work
  }

  announce(work: Promise<unknown>): void {
    try {
      this.#options.waitUntil?.(work)
    } catch (error) {
      report(error)
    }
  }

  report(error: unknown, key: K, phase: CacheErrorContext<K>['phase']): void {
    try {
      this.#options.onError?.(error, { key, phase })
    } catch (thrown) {
      report(thrown)
    }
  }

  /** All is in order: tells who is to be told, and waits for the second tier. */
  async settle(work: Promise<unknown> | undefined): Promise<void> {
    const tracked = work && this.track(work)
    this.tell()
    await tracked
  }

  #untag(entry: Entry<K, V>): void {
    if (!entry.tags) return
    for (const tag of entry.tags) {
      const tagged = this.#byTag.get(tag)
      if (tagged?.delete(entry) && !tagged.size) this.#byTag.delete(tag)
    }
  }

  /** True if no entry has it any more. */
  #letGo(value: V): boolean {
    const left = (this.#holds.get(value) ?? 1) - 1
    if (left) this.#holds.set(value, left)
    else this.#holds.delete(value)
    return !left
  }

  #note({ key, value, failed }: Entry<K, V>, reason: EvictReason, next?: V): void {
    const { onEvict, disposeValues } = this.#options
    if (failed || !(onEvict || disposeValues)) return
    if (reason !== 'replaced' || !Object.is(value, next)) this.#gone.push([key, value, reason])
    else if (disposeValues) this.#letGo(value)
  }
}

function checkWeight(weight: unknown): number {
  if (typeof weight === 'number' && weight >= 0) return weight
  throw badValue('weigh', 'a function that gives a number >= 0', weight)
}

/** The `ttl` that is to hold for this value, shortened by jitter. */
function ttlOf<K, V>(
  { ttl = Infinity, ttlJitter = 0, random = Math.random }: AsyncCacheOptions<K, V>,
  key: K,
  value: V,
  asked: Milliseconds | undefined,
): Milliseconds {
  const full = asked ?? (typeof ttl === 'function' ? ttl(value, key) : ttl)
  checkMilliseconds('ttl', full)
  return ttlJitter && full < Infinity ? full * (1 - ttlJitter * random()) : full
}

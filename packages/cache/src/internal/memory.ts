import { badValue, checkMilliseconds, type Milliseconds, report } from '@uno-async/core'
import type { CacheErrorContext, EvictReason, GetOptions } from '../types.js'
import { Details, Entry } from './entry.js'
import { Eviction } from './eviction.js'
import { Expiry } from './expiry.js'
import type { Flight } from './flight.js'
import { unlink } from './list.js'
import type { Settings } from './settings.js'
import { Tier } from './tier.js'

/** The values: bounded, expiring, found by tag; and whom to tell when they go. */
export class Memory<K, V> {
  readonly entries: Map<K, Entry<K, V>> = new Map()
  readonly work: Set<Promise<unknown>> = new Set() // in the background, for close() to wait for
  readonly tier: Tier<K, V> | undefined
  readonly who: string
  size = 0
  weight = 0
  evictions = 0
  readonly eviction: Eviction<K, V> | undefined // undefined: no bound
  readonly #settings: Settings<K, V>
  readonly #ahead: Milliseconds // who reads what is fresh for less than this must look closer
  readonly #grace: Milliseconds // how long what is no longer fresh is kept
  readonly #byTag = new Map<string, Set<Entry<K, V>>>()
  readonly #expiry: Expiry<K, V> = new Expiry(this as Memory<K, V>)
  #gone: [key: K, value: V, reason: EvictReason][] = [] // not yet told
  readonly #holds = new Map<V, number>() // how many entries have it, or had and are not told; for `disposeValues`
  #telling = false
  // Invariants, true whenever no code of a user is on the stack:
  //   I1  each entry has a value or a current flight
  //   I2  each with a value is in the eviction's lists, under its tags, and in the expiry's heap if it expires
  //   I3  `size` and `weight` are the sums over those; neither is over its bound

  constructor(settings: Settings<K, V>) {
    const { name, maxSize, maxWeight, refreshAhead } = settings
    this.who = name === undefined ? 'AsyncCache' : `AsyncCache "${name}"`
    this.#settings = settings
    this.#ahead = refreshAhead === 'probabilistic' ? Infinity : refreshAhead
    this.tier = settings.store === undefined ? undefined : new Tier(settings, this as Memory<K, V>)
    this.#grace = Math.max(settings.staleWhileRevalidate, settings.staleIfError)
    this.eviction =
      maxSize < Infinity || maxWeight < Infinity
        ? new Eviction(settings.eviction === 'lru')
        : undefined
  }

  /** Has it a value that one may answer with, and nothing else to do? */
  isFresh(entry: Entry<K, V>): boolean {
    return lasts(entry, -this.#ahead)
  }

  /** Is it time to refresh what is still fresh? XFetch: the likelier the less is left and the longer loads take. */
  isDue({ details }: Entry<K, V>, left: Milliseconds): boolean {
    const { refreshAhead, random = Math.random } = this.#settings
    return refreshAhead === 'probabilistic'
      ? -(details?.took ?? 0) * Math.log(random()) >= left
      : left < refreshAhead
  }

  /** Has it a value, no error, that is not yet gone? */
  isKept(entry: Entry<K, V>): boolean {
    return lasts(entry, this.#grace)
  }

  /** The one of `key`, if it is kept; leaves everything as it is. */
  find(key: K): Entry<K, V> | undefined {
    const entry = this.entries.get(key)
    return entry !== undefined && this.isKept(entry) ? entry : undefined
  }

  /** A new one, for a value or a flight to come. */
  open(key: K): Entry<K, V> {
    const entry = new Entry<K, V>(key)
    this.entries.set(key, entry)
    return entry
  }

  /**
   * Keeps a value in place of what there was, `ttl` counted from `age` ago. All that can throw comes first. What a
   * flight brings is not kept if the flight is no longer current.
   */
  keep(
    key: K,
    value: V,
    ttl: Milliseconds,
    age: Milliseconds,
    details: Details | undefined,
    flight?: Flight<K, V>,
  ): void {
    const { weigh, maxWeight, disposeValues } = this.#settings
    const failed = details?.failed
    if (weigh && !failed) {
      details ??= new Details()
      details.weight = checkWeight(weigh(value, key))
    }
    if (flight && !flight.current) return
    let entry = flight ? flight.entry : this.entries.get(key)
    const known = entry?.held
    const weight = details ? details.weight : 1
    const grace = failed ? 0 : this.#grace
    if (ttl + grace <= age || weight > maxWeight || weight === Infinity) {
      if (entry && known) this.drop(entry, 'replaced')
      return
    }
    if (disposeValues && !failed) this.#holds.set(value, (this.#holds.get(value) ?? 0) + 1)
    entry ??= this.open(key)
    if (known) this.#release(entry, 'replaced', value)
    this.#seat(entry, weight)
    this.size++
    this.weight += weight
    const since = performance.now() - age
    const freshUntil = since + ttl
    entry.value = value
    entry.since = since
    entry.freshUntil = freshUntil === Infinity && !failed ? undefined : freshUntil
    entry.details = details
    if (details?.tags) {
      for (const tag of details.tags) {
        const tagged = this.#byTag.get(tag)
        if (tagged) tagged.add(entry)
        else this.#byTag.set(tag, new Set([entry]))
      }
    }
    this.#expiry.place(entry, freshUntil + grace)
  }

  /** Keeps a value here and in the second tier; undefined if there is none. All that can throw comes first. */
  put(
    key: K,
    value: V,
    { ttl: wanted, tags }: GetOptions,
    flight?: Flight<K, V>,
  ): Promise<unknown> | undefined {
    const ttl = this.#ttlOf(key, value, wanted)
    const { tier } = this
    tier?.idOf(key)
    const created = tier ? Date.now() : 0
    const asked = flight ? Math.min(flight.asked, created) : created // the clock may have been set back
    const took = flight?.since === undefined ? 0 : performance.now() - flight.since
    const details = tags || created || took ? new Details(tags, created, took) : undefined
    this.keep(key, value, ttl, 0, details, flight)
    if (!tier || flight?.current === false) return
    const keep = ttl + this.#grace
    const envelope = {
      uno: 1,
      value,
      asked,
      created,
      ttl: ttl === Infinity ? null : ttl,
      tags: details?.tags,
    } as const
    return this.track(keep > 0 ? tier.write(key, envelope, keep) : tier.delete(key))
  }

  drop(entry: Entry<K, V>, reason: EvictReason): void {
    this.#release(entry, reason)
    unlink(entry)
    this.#expiry.remove(entry)
    entry.value = undefined as V
    entry.freshUntil = -Infinity
    entry.details = undefined
    this.forget(entry)
  }

  /** An entry without a value and a flight is none. */
  forget(entry: Entry<K, V>): void {
    if (!entry.held && !entry.flight) this.entries.delete(entry.key)
  }

  tagged(tag: string): Entry<K, V>[] {
    return [...(this.#byTag.get(tag) ?? [])]
  }

  empty(reason: EvictReason): void {
    this.#expiry.clear()
    for (const entry of this.entries.values()) if (entry.held) this.drop(entry, reason)
    this.eviction?.forget()
  }

  /** Last, when all is in order: a hook may do as it likes, and what it does is told after this. */
  tell(): void {
    if (this.#telling || !this.#gone.length) return
    this.#telling = true
    const { onEvict, disposeValues } = this.#settings
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
      this.#settings.waitUntil?.(work)
    } catch (error) {
      report(error)
    }
  }

  report(error: unknown, key: K, phase: CacheErrorContext<K>['phase']): void {
    try {
      this.#settings.onError?.(error, { key, phase })
    } catch (thrown) {
      report(thrown)
    }
  }

  /** All is in order: tells who is to be told, and gives what the second tier is still to do. */
  settle(work: Promise<unknown> | undefined): Promise<unknown> | undefined {
    const tracked = work && this.track(work)
    this.tell()
    return tracked
  }

  /** The `ttl` that is to hold for this value, shortened by jitter. */
  #ttlOf(key: K, value: V, asked: Milliseconds | undefined): Milliseconds {
    const { ttl, ttlJitter, random = Math.random } = this.#settings
    const full = asked ?? (typeof ttl === 'function' ? ttl(value, key) : ttl)
    checkMilliseconds('ttl', full)
    return ttlJitter && full < Infinity ? full * (1 - ttlJitter * random()) : full
  }

  /** Makes room for it, and gives it its place in the order of eviction. */
  #seat(entry: Entry<K, V>, weight: number): void {
    const { eviction } = this
    if (!eviction) return
    if (entry.list && entry.weight === weight) return eviction.hit(entry)
    const { maxSize, maxWeight } = this.#settings
    unlink(entry)
    while (this.size && (this.size >= maxSize || this.weight + weight > maxWeight)) {
      const victim = eviction.evict()
      this.evictions++
      this.drop(victim, 'evicted')
    }
    eviction.add(entry)
  }

  /** The value leaves the entry. */
  #release(entry: Entry<K, V>, reason: EvictReason, next?: V): void {
    const { key, value, weight, details } = entry
    const { onEvict, disposeValues } = this.#settings
    this.size--
    this.weight = this.size ? this.weight - weight : 0 // no residue of fractions
    entry.promise = undefined
    for (const tag of details?.tags ?? []) {
      const tagged = this.#byTag.get(tag)
      if (tagged?.delete(entry) && !tagged.size) this.#byTag.delete(tag)
    }
    if (details?.failed || !(onEvict || disposeValues)) return
    if (reason !== 'replaced' || !Object.is(value, next)) this.#gone.push([key, value, reason])
    else if (disposeValues) this.#letGo(value)
  }

  /** True if no entry has it any more. */
  #letGo(value: V): boolean {
    const left = (this.#holds.get(value) ?? 1) - 1
    if (left) this.#holds.set(value, left)
    else this.#holds.delete(value)
    return !left
  }
}

/** Has it a value, no error, for so long after it was fresh? The clock is not looked at where it does not matter. */
function lasts<K, V>(entry: Entry<K, V>, longer: Milliseconds): boolean {
  const { freshUntil } = entry
  if (freshUntil === undefined) return true
  return entry.held && !entry.failed && freshUntil + longer > performance.now()
}

function checkWeight(weight: unknown): number {
  if (typeof weight === 'number' && weight >= 0) return weight
  throw badValue('weigh', 'a function that gives a number >= 0', weight)
}

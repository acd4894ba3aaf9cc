import { CancellationToken, checkOptions, type Milliseconds } from '@uno-async/core'
import { checkAsk, checkTags, listOf } from './internal/check.js'
import { Group } from './internal/group.js'
import { Loads } from './internal/loads.js'
import { Memory } from './internal/memory.js'
import { Settings } from './internal/settings.js'
import type {
  AskOptions,
  AsyncCacheOptions,
  CacheEntry,
  CacheStats,
  GetOptions,
  Loader,
} from './types.js'

/**
 * A cache for what is loaded asynchronously: one load per key however many ask.
 *
 * Every caller who waits has a promise of their own. One who cancels rejects alone, with their reason; when the last
 * one has left, the load is forgotten at once and its token cancelled. A load is kept only if no `set`,
 * `invalidate` or `clear` came in between. A value is fresh for `ttl`, then served while it is refreshed
 * (`staleWhileRevalidate`), then kept for the case that its load fails (`staleIfError`), then gone. Errors of
 * a loader are passed on as they are. A loader must not wait for its own key: that never ends.
 *
 * @example
 * ```ts
 * import { AsyncCache } from '@uno-async/cache'
 * const users = new AsyncCache({
 *   load: async (id: string) => ({ id, name: `user ${id}` }),
 *   ttl: 60_000,
 *   staleWhileRevalidate: 600_000,
 *   maxSize: 10_000,
 * })
 * const [a, b] = await Promise.all([users.get('7'), users.get('7')]) // one load
 * await users.close()
 * ```
 */
export class AsyncCache<K, V> implements AsyncDisposable {
  readonly #settings: Settings<K, V>
  readonly #memory: Memory<K, V>
  readonly #loads: Loads<K, V>
  // What a hit needs is at hand here, too: each look elsewhere shows.
  readonly #entries: Memory<K, V>['entries']
  readonly #eviction: Memory<K, V>['eviction']
  readonly #stats: Loads<K, V>['stats']
  #closing: Promise<void> | undefined = undefined

  /** @throws TypeError, RangeError */
  constructor(options?: AsyncCacheOptions<K, V>) {
    this.#settings = new Settings(options)
    this.#memory = new Memory(this.#settings)
    this.#loads = new Loads(this.#settings, this.#memory)
    this.#entries = this.#memory.entries
    this.#eviction = this.#memory.eviction
    this.#stats = this.#loads.stats
  }

  /** How many entries there are; errors that are being remembered count, loads in flight do not. */
  get size(): number {
    return this.#memory.size
  }

  /** What they weigh together. */
  get weight(): number {
    return this.#memory.weight
  }

  /** Counts, as plain data. */
  stats(): CacheStats {
    const { evictions, size, weight } = this.#memory
    return { ...this.#stats, evictions, size, weight, loading: this.#loads.count }
  }

  /**
   * The value of `key`: at hand, or loaded, by `load` or the cache's own. Cancelling rejects this call only.
   *
   * @param options - `signal`; `forceRefresh`: load even if there is a fresh value, default false; `ttl`, `tags`
   * @throws what the loader throws; ClosedError; what `throwIfCancelled` throws; TypeError, RangeError as rejections
   */
  get(key: K, load?: Loader<K, V>, options?: GetOptions): Promise<V>
  get(key: K, options?: AskOptions<K, V>): Promise<V>
  get(key: K, load?: Loader<K, V> | AskOptions<K, V>, options?: GetOptions): Promise<V> {
    if (options === undefined && (load === undefined || typeof load === 'function')) {
      const entry = this.#entries.get(key)
      if (entry !== undefined) {
        if (entry.freshUntil === undefined || this.#memory.isFresh(entry)) {
          this.#stats.hits++
          this.#eviction?.hit(entry)
          return entry.promise ?? entry.settled
        }
        const crowd = entry.held ? undefined : entry.flight?.crowd
        if (crowd !== undefined) {
          this.#stats.misses++
          return crowd.share() as Promise<V>
        }
      }
    }
    return this.#loads.ask(key, load, options, false, false) as Promise<V>
  }

  /** Like `get`, and tells how fresh the value is and where it comes from. */
  getEntry(key: K, options?: AskOptions<K, V>): Promise<CacheEntry<V>> {
    return this.#loads.ask(key, undefined, options, true, false) as Promise<CacheEntry<V>>
  }

  /**
   * The values of several keys, in their order; what is missing is loaded together if there is a `loadMany`.
   * One key that fails rejects with its error, several with an AggregateError in key order; the rest is kept.
   */
  async getMany(keys: Iterable<K>, options?: GetOptions): Promise<Map<K, V>> {
    const { signal } = checkOptions(options)
    const { loadMany } = this.#settings
    const group = loadMany && new Group(loadMany)
    const unique = [...new Set(listOf('keys', keys))]
    const asked = unique.map(
      (key) => this.#loads.ask(key, undefined, options, false, false, group) as Promise<V>,
    )
    group?.skip()
    const found = new Map<K, V>()
    const errors: unknown[] = []
    const settled = await Promise.allSettled(asked)
    settled.forEach((it, i) => {
      if (it.status === 'rejected') errors.push(it.reason)
      else found.set(unique[i] as K, it.value)
    })
    if (!errors.length) return found
    CancellationToken.from(signal).throwIfCancelled()
    if (this.#loads.closed) throw this.#loads.closedError()
    if (errors.length === 1) throw errors[0]
    throw new AggregateError(
      errors,
      `${this.#memory.who}: ${errors.length} keys could not be loaded`,
    )
  }

  /** The value at hand, fresh or not, else undefined. Changes nothing. */
  peek(key: K): V | undefined {
    return this.#memory.find(key)?.value
  }

  /** Is there a value at hand, fresh or not? Changes nothing. */
  has(key: K): boolean {
    return this.#memory.find(key) !== undefined
  }

  /**
   * Keeps `value`. Those who wait for a load of `key` get it too. Resolves when the second tier has it.
   *
   * @param options - `ttl`: milliseconds, default the cache's; `tags`
   * @throws ClosedError; TypeError, RangeError as rejections
   */
  async set(
    key: K,
    value: V,
    options?: { ttl?: Milliseconds | undefined; tags?: readonly string[] | undefined },
  ): Promise<void> {
    if (this.#loads.closed) throw this.#loads.closedError()
    const given = checkOptions(options)
    checkAsk(given)
    const stored = this.#memory.put(key, value, given)
    this.#loads.supersede(key, value)
    this.#memory.tell()
    await stored
  }

  /** Loads `key` anew, or joins the load in flight. Rejects if it fails; what is at hand stays. */
  refresh(key: K, options?: AskOptions<K, V>): Promise<V> {
    return this.#loads.ask(key, undefined, options, false, true) as Promise<V>
  }

  /**
   * Forgets `key`, in the second tier too. Those who wait for a load of it get what it brings, whoever asks
   * from now on a new one. Resolves when the second tier has forgotten it.
   */
  async invalidate(key: K): Promise<void> {
    const memory = this.#memory
    const deleted = memory.tier?.delete(key)
    const entry = memory.entries.get(key)
    if (entry?.held) memory.drop(entry, 'invalidated')
    this.#loads.invalidate(key)
    await memory.settle(deleted)
  }

  /** The same for all that has one of these tags, loads in flight included. */
  async invalidateTags(...tags: string[]): Promise<void> {
    checkTags(tags)
    const memory = this.#memory
    const work: unknown[] = []
    for (const tag of tags) {
      work.push(memory.tier?.void(tag))
      for (const entry of memory.tagged(tag)) {
        memory.drop(entry, 'invalidated')
        work.push(memory.tier?.delete(entry.key))
      }
    }
    this.#loads.voidTags(tags)
    await memory.settle(Promise.all(work))
  }

  /** Forgets everything, in the second tier too; where that has no `clear`, what is known here. */
  async clear(): Promise<void> {
    const memory = this.#memory
    const cleared = memory.tier?.clear(memory.entries.keys())
    memory.empty('cleared')
    this.#loads.invalidateAll()
    await memory.settle(cleared)
  }

  /**
   * Rejects all who wait, and all who come later, with a ClosedError; cancels loads; lets go of all values.
   * Resolves when the second tier has been told and values are disposed of. Idempotent, never rejects.
   */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      const { work } = this.#memory
      this.#closing = Promise.resolve().then(async () => {
        while (work.size) await Promise.all(work)
      })
      this.#loads.close()
      this.#memory.empty('closed')
      this.#memory.tell()
    }
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

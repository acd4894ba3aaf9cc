import type { Cancellation, CancellationToken, Milliseconds } from '@uno-async/core'

/** What a loader is told, and what it can say about its value: the last three are for it to set. */
export interface LoadContext<K, V> {
  readonly key: K
  /** Cancelled when nobody wants the value any more. */
  readonly token: CancellationToken
  /** The same as an AbortSignal. */
  readonly signal: AbortSignal
  /** Nobody waits: the value at hand is being refreshed. */
  readonly background: boolean
  /** The value at hand, if there is one. */
  readonly previous: { readonly value: V; readonly age: Milliseconds } | undefined
  /** Instead of the cache's `ttl`. */
  ttl?: Milliseconds | undefined
  /** What `invalidateTags` will know the value by. */
  tags?: readonly string[] | undefined
  /** True: this value is for those who wait, and not kept. */
  noStore?: boolean | undefined
}

/** Where a value comes from. */
export type Loader<K, V> = (key: K, context: LoadContext<K, V>) => V | PromiseLike<V>

/**
 * Results in the order of the items, or by item in a Map. An Error in it is the outcome of that item only.
 */
export type BatchResult<T, R> = readonly (R | Error)[] | ReadonlyMap<T, R | Error>

/** What a Keyv instance offers (v4 to v6), and most stores, a Map included: pass it in. */
export interface SecondTier {
  get(key: string): unknown
  set(key: string, value: unknown, ttl?: number): unknown
  delete(key: string): unknown
  clear?(): unknown
}

/** Why a value left. */
export type EvictReason = 'evicted' | 'expired' | 'replaced' | 'invalidated' | 'cleared' | 'closed'

/** What an error that nobody waited for was about; `key` is undefined where it was all of them. */
export interface CacheErrorContext<K> {
  readonly key: K
  readonly phase: 'load' | 'refresh' | 'store-get' | 'store-set' | 'evict'
}

/** How a cache behaves. */
export interface AsyncCacheOptions<K, V> {
  /** For messages. */
  name?: string | undefined
  /** Where values come from, unless the caller says. */
  load?: Loader<K, V> | undefined
  /** Loads several at once: all that `getMany` misses, or the one that `get` does. */
  loadMany?:
    | ((
        keys: readonly K[],
        context: { readonly token: CancellationToken },
      ) => BatchResult<K, V> | PromiseLike<BatchResult<K, V>>)
    | undefined
  /** How long a value is fresh, from when its load settled; default `Infinity`, 0 keeps nothing. */
  ttl?: Milliseconds | ((value: V, key: K) => Milliseconds) | undefined
  /** 0 to 1: shortens each `ttl` by up to this share, so that what came together does not go together; default 0. */
  ttlJitter?: number | undefined
  /** Refreshes in the background what is read with less than this left, or by XFetch, which looks at how long loads take; default off. */
  refreshAhead?: Milliseconds | 'probabilistic' | undefined
  /** How long after its `ttl` a value is still served while it is refreshed in the background; default 0. */
  staleWhileRevalidate?: Milliseconds | undefined
  /** How long after its `ttl` a value is served when its load fails; default 0. */
  staleIfError?: Milliseconds | undefined
  /** How long to leave the origin alone about a key whose refresh failed, while there is a value to serve; default 1 000. */
  refreshBackoff?: Milliseconds | undefined
  /** How long to answer with the error of a load that failed; default 0. */
  errorTtl?: Milliseconds | ((error: unknown, key: K) => Milliseconds) | undefined
  /** Ends a load with a TimeoutError, counted from when the loader is called; default `Infinity`. */
  loadTimeout?: Milliseconds | undefined
  /** Answers with the value that is kept, if one is, and lets the load go on; default `Infinity`. */
  softTimeout?: Milliseconds | undefined
  /** How many entries, default `Infinity`. Loads in flight are none. */
  maxSize?: number | undefined
  /** How much all entries may weigh, default `Infinity`. What is heavier than that alone is not kept. */
  maxWeight?: number | undefined
  /** What an entry weighs, 0 or more; default 1. */
  weigh?: ((value: V, key: K) => number) | undefined
  /** Who goes first; default `s3-fifo`, which scans do not wash out. */
  eviction?: 's3-fifo' | 'lru' | undefined
  /** Kept behind this one: asked before a load, told of what was loaded. A failing one is a miss. */
  store?: SecondTier | undefined
  /** The key there; default: strings as they are, other primitives with their type. */
  storeKey?: ((key: K) => string) | undefined
  /** How long to wait for it, default 1 000. */
  storeTimeout?: Milliseconds | undefined
  /** Loads wait until it has stored their value; default false. */
  awaitStore?: boolean | undefined
  /** Told of each value that left, when all is in order again: may call the cache. Not of one replaced by itself. */
  onEvict?: ((key: K, value: V, reason: EvictReason) => void) | undefined
  /** Calls `[Symbol.asyncDispose]` or `[Symbol.dispose]` of values that left, each once, when no entry has it any more, and of those nobody ever got; default false. */
  disposeValues?: boolean | undefined
  /** Told of errors that no caller gets. */
  onError?: ((error: unknown, about: CacheErrorContext<K>) => void) | undefined
  /** Told of background work, so that an edge runtime keeps it alive. Never rejects. */
  waitUntil?: ((work: Promise<unknown>) => void) | undefined
  /** In place of `Math.random`. */
  random?: (() => number) | undefined
}

/** How to ask. `ttl` and `tags` are those of the load that this call starts. */
export interface GetOptions {
  signal?: Cancellation | undefined
  /** Loads even if there is a fresh value; default false. */
  forceRefresh?: boolean | undefined
  ttl?: Milliseconds | undefined
  tags?: readonly string[] | undefined
}

/** {@link GetOptions}, and where the value comes from. */
export interface AskOptions<K, V> extends GetOptions {
  load?: Loader<K, V> | undefined
}

/** A value and how one came by it. */
export interface CacheEntry<V> {
  readonly value: V
  /** `error-stale`: kept beyond its time, since the load failed or takes too long. */
  readonly state: 'fresh' | 'stale' | 'error-stale'
  readonly age: Milliseconds
  readonly source: 'memory' | 'store' | 'load'
  /** What the last refresh of the value failed with, if it failed, be the value fresh or not. */
  readonly error?: unknown
}

/** Counts since the beginning, and what there is now. */
export interface CacheStats {
  /** Answered with a fresh value. */
  readonly hits: number
  /** Answered with one that no longer was. */
  readonly stale: number
  /** Had to wait. */
  readonly misses: number
  readonly loads: number
  /** Loads that failed, those that nobody waited for included. */
  readonly failures: number
  readonly evictions: number
  readonly size: number
  readonly weight: number
  /** Loads in flight. */
  readonly loading: number
}

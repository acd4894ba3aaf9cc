/**
 * Caches and batches asynchronous results, one flight a key.
 *
 * @packageDocumentation
 */

export { AsyncBatcher, type AsyncBatcherOptions } from './batcher.js'
export { AsyncCache } from './cache.js'
export { cached } from './cached.js'
export type {
  AskOptions,
  AsyncCacheOptions,
  BatchResult,
  CacheEntry,
  CacheErrorContext,
  CacheStats,
  EvictReason,
  GetOptions,
  LoadContext,
  Loader,
  SecondTier,
} from './types.js'

import type { Milliseconds } from '@uno-async/core'
import type { QueueOptions } from './options.js'

/** How much may go when. */
export interface RateLimiterOptions extends QueueOptions {
  /** So many per `interval`: a number above 0, for a sliding window an integer. */
  limit: number
  /** Milliseconds, default 1000. */
  interval?: Milliseconds | undefined
  /** How many may go at once after a pause; default: `limit`, at least 1. Not for a sliding window, where it is `limit`. */
  burst?: number | undefined
  /**
   * `token-bucket` (default) refills evenly; `sliding-window` never lets more than `limit` go in any interval, and
   * remembers each that went: for calls rather than for bytes.
   */
  algorithm?: 'token-bucket' | 'sliding-window' | undefined
  /** Shared with other processes. */
  store?: RateLimitStore | undefined
  /** Under which the store counts, default `name`. */
  key?: string | undefined
  /** Milliseconds until a store that does not answer has failed, default 1000; it is then left alone for as long. */
  storeTimeout?: Milliseconds | undefined
  /** When the store fails: `memory` (default) goes on alone, `reject` refuses. */
  storeFailure?: 'memory' | 'reject' | undefined
  /** Gets what the store failed with: its error, a TimeoutError, or a TypeError for an answer that is none. */
  onStoreError?: ((error: unknown) => void) | undefined
}

/** May it go? */
export interface RateDecision {
  readonly allowed: boolean
  /** How much may go now, after this. */
  readonly remaining: number
  /** Milliseconds until it is worth another try, the line included; 0 if it was allowed, `Infinity` if never. */
  readonly retryAfter: Milliseconds
}

/**
 * What rate-limiter-flexible offers (Redis, Valkey, Postgres, …): pass its instance. It refuses by rejecting
 * with such a result, not with an Error.
 */
export interface RateLimitStore {
  consume(
    key: string,
    points?: number,
  ): Promise<{ readonly remainingPoints: number; readonly msBeforeNext: number }>
}

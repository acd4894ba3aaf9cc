/**
 * Locks, semaphores, events, limiters and timeouts that can be cancelled.
 *
 * @packageDocumentation
 */

export { AsyncEvent } from './async-event.js'
export { AsyncLock } from './async-lock.js'
export { AsyncSemaphore } from './async-semaphore.js'
export { DeadlockError } from './deadlock-error.js'
export { KeyedLock } from './keyed-lock.js'
export { Limiter } from './limiter.js'
export type { LockBackend, RemoteLease } from './lock-backend.js'
export type { QueueOptions } from './options.js'
export { RateLimiter } from './rate-limiter.js'
export type { RateDecision, RateLimiterOptions, RateLimitStore } from './rate-limiter-options.js'
export type { TimeoutOptions } from './timeout.js'
export { timeout } from './timeout.js'
export type { TimeoutScope } from './timeout-scope.js'
export { timeoutScope } from './timeout-scope.js'

/**
 * Cancellation, timeouts, retry and limits around any async function, as wrapper or decorator.
 *
 * @packageDocumentation
 */

export { attemptsOf, RetryError } from './attempts.js'
export type { CancellableOptions, MakeCancellable } from './cancellable.js'
export { cancellable } from './cancellable.js'
export { compose } from './compose.js'
export type { ConcurrentLimitedOptions } from './concurrent-limited.js'
export { concurrentLimited } from './concurrent-limited.js'
export type { Backoff } from './internal/backoff.js'
export type { LimiterLike, LimiterScope } from './limiter.js'
export type { RateLimitedOptions } from './rate-limited.js'
export { rateLimited } from './rate-limited.js'
export type { ErrorClass, RetryAttempt, RetryOptions } from './retry.js'
export { retry } from './retry.js'
export { retryAfter } from './retry-after.js'
export type { RetryBudget, RetryBudgetOptions } from './retry-budget.js'
export { retryBudget } from './retry-budget.js'
export type { TimeoutHandlerOptions } from './timeout-handler.js'
export { timeoutHandler } from './timeout-handler.js'
export type { AsyncDecorator, CancellationMode, CommonOptions } from './types.js'
export { withToken } from './with-token.js'

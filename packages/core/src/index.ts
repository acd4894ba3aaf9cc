/**
 * Cancellation tokens and errors: what a token is, what an error is, how to wait, and which token is in
 * force. Everything else of the family stands on it.
 *
 * @packageDocumentation
 */

export {
  badValue,
  checkFunction,
  checkInteger,
  checkMilliseconds,
  checkOptions,
} from './check.js'
export type {
  AcquireOptions,
  Cancellation,
  Lease,
  Milliseconds,
  Registration,
  Snapshot,
  WaitOptions,
} from './contracts.js'
export { delay } from './delay.js'
export {
  CancelledError,
  ClosedError,
  isCancelled,
  isTimeout,
  QueueFullError,
  RateLimitError,
  TimeoutError,
  UnoAsyncError,
} from './errors.js'
export type { Frame, Values } from './internal/context.js'
export { currentFrame, runIn, valueIn, withValue } from './internal/context.js'
export { report } from './internal/report.js'
export { shield } from './shield.js'
export type { CancellationTokenSourceOptions } from './token.js'
export { CancellationToken, CancellationTokenSource } from './token.js'
export { AsyncVariable, captureContext, enableAsyncContext } from './variable.js'
export type { QueueWaitOptions, Waiting } from './wait-queue.js'
export { WaitQueue } from './wait-queue.js'

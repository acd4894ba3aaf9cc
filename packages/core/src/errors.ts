import type { Milliseconds } from './contracts.js'

const BRAND = Symbol.for('@uno-async/error')

/**
 * What all errors of the family are: an Error with a literal `name` and a `code`.
 *
 * `instanceof` goes by brand and name, so it holds between two installed copies of this package; a
 * subclass without a `name` of its own is matched by its prototype, like any class.
 */
export class UnoAsyncError extends Error {
  static override [Symbol.hasInstance](value: unknown): boolean {
    const { prototype } = this
    if (!Object.hasOwn(prototype, 'name') || !(value as Branded)?.[BRAND]) {
      return super[Symbol.hasInstance](value)
    }
    // From its class on: what a user has assigned to it does not count.
    for (let each = value; (each = Object.getPrototypeOf(each)); ) {
      if (Object.hasOwn(each, 'name') && (each as Error).name === prototype.name) return true
    }
    return false
  }

  /** Tells errors apart, whatever copy or realm they come from. */
  readonly code: string = 'ERR_UNO_ASYNC'

  constructor(message?: string, options?: { cause?: unknown }) {
    super(message, options)
    Object.defineProperties(this, {
      [BRAND]: { value: true },
      // As of any error, so that a subclass can assign it.
      name: { value: this.name, configurable: true, writable: true },
    })
  }

  override get name(): string {
    return 'UnoAsyncError'
  }
}

interface Branded {
  readonly [BRAND]?: boolean
}

/**
 * Somebody asked for this to stop: to be obeyed, not reported. `code` is `ABORT_ERR`, `name` `AbortError`.
 *
 * @example
 * ```ts
 * import { CancellationTokenSource, CancelledError } from '@uno-async/core'
 * const source = new CancellationTokenSource()
 * source.cancel('enough')
 * source.token.error instanceof CancelledError // true: its cause is 'enough'
 * ```
 */
export class CancelledError extends UnoAsyncError {
  override readonly code: 'ABORT_ERR' = 'ABORT_ERR'

  constructor(message = 'The operation was cancelled', options?: { cause?: unknown }) {
    super(message, options)
  }

  override get name(): string {
    return 'AbortError'
  }
}

/**
 * It took too long: to be reported. Not a CancelledError. `code` is `ETIMEDOUT`.
 *
 * @example
 * ```ts
 * import { CancellationToken, delay, TimeoutError } from '@uno-async/core'
 * const signal = CancellationToken.timeout(5)
 * await delay(60_000, { signal }).catch((error) => error instanceof TimeoutError) // true
 * ```
 */
export class TimeoutError extends UnoAsyncError {
  override readonly code: 'ETIMEDOUT' = 'ETIMEDOUT'
  /** How long was waited, in milliseconds; NaN if the thrower did not say. */
  readonly timeout: Milliseconds
  /** What took too long. */
  declare readonly operation?: string

  constructor(
    message?: string,
    options: {
      cause?: unknown
      timeout?: Milliseconds | undefined
      operation?: string | undefined
    } = {},
  ) {
    const { timeout, operation } = options
    const what = operation === undefined ? 'Timed out' : `"${operation}" timed out`
    // What is left until a deadline has more digits than anybody wants to read.
    const after = timeout === undefined ? '' : ` after ${+Number(timeout).toFixed(3)} ms`
    super(message ?? what + after, options)
    this.timeout = timeout ?? NaN
    if (operation !== undefined) this.operation = operation
  }

  override get name(): string {
    return 'TimeoutError'
  }
}

/**
 * It was closed while you waited, or before you came. `code` is `ERR_CLOSED`.
 *
 * @example
 * ```ts
 * import { ClosedError } from '@uno-async/core'
 * new ClosedError('the shop is closed').code // 'ERR_CLOSED'
 * ```
 */
export class ClosedError extends UnoAsyncError {
  override readonly code: 'ERR_CLOSED' = 'ERR_CLOSED'

  override get name(): string {
    return 'ClosedError'
  }
}

/**
 * As many wait as may wait: come back later. `code` is `ERR_QUEUE_FULL`.
 *
 * @example
 * ```ts
 * import { QueueFullError } from '@uno-async/core'
 * new QueueFullError('100 are waiting').code // 'ERR_QUEUE_FULL'
 * ```
 */
export class QueueFullError extends UnoAsyncError {
  override readonly code: 'ERR_QUEUE_FULL' = 'ERR_QUEUE_FULL'

  override get name(): string {
    return 'QueueFullError'
  }
}

/**
 * Too many in too short a time. `code` is `ERR_RATE_LIMITED`.
 *
 * @example
 * ```ts
 * import { RateLimitError } from '@uno-async/core'
 * new RateLimitError('slow down', { retryAfter: 500 }).retryAfter // 500
 * ```
 */
export class RateLimitError extends UnoAsyncError {
  override readonly code: 'ERR_RATE_LIMITED' = 'ERR_RATE_LIMITED'
  /** When it is worth another try, in milliseconds from now. */
  readonly retryAfter: Milliseconds

  constructor(
    message?: string,
    options: { cause?: unknown; retryAfter?: Milliseconds | undefined } = {},
  ) {
    super(message, options)
    this.retryAfter = options.retryAfter ?? 0
  }

  override get name(): string {
    return 'RateLimitError'
  }
}

/**
 * Is this a cancellation: ours of any copy, a DOMException `AbortError`, or Node's `ABORT_ERR`?
 *
 * @example
 * ```ts
 * import { CancelledError, isCancelled } from '@uno-async/core'
 * isCancelled(new CancelledError()) // true
 * isCancelled(AbortSignal.abort().reason) // true
 * ```
 */
export function isCancelled(error: unknown): boolean {
  return isCalled(error, CancelledError, 'AbortError', 'ABORT_ERR')
}

/**
 * Is this a timeout: ours of any copy, a DOMException `TimeoutError`, or an error with code `ETIMEDOUT`?
 *
 * @example
 * ```ts
 * import { isTimeout, TimeoutError } from '@uno-async/core'
 * isTimeout(new TimeoutError()) // true
 * isTimeout(new Error('Timed out')) // false
 * ```
 */
export function isTimeout(error: unknown): boolean {
  return isCalled(error, TimeoutError, 'TimeoutError', 'ETIMEDOUT')
}

function isCalled(error: unknown, kind: { prototype: Error }, name: string, code: string): boolean {
  try {
    const e = error as { name?: unknown; code?: unknown } | null | undefined
    return error instanceof (kind as ErrorConstructor) || e?.name === name || e?.code === code
  } catch {
    return false // it does not let itself be looked at
  }
}

import {
  type Cancellation,
  CancellationToken,
  CancellationTokenSource,
  checkMilliseconds,
  checkOptions,
  type Milliseconds,
} from '@uno-async/core'
import { checkString } from './options.js'

/** A block whose time is bounded. */
export interface TimeoutScope extends Disposable {
  /** Cancelled when the time is up, or by the `signal` that was given. */
  readonly token: CancellationToken
  /** The same as a native AbortSignal. */
  readonly signal: AbortSignal
  /** Is the time of this scope up? False if `signal` came first. */
  readonly expired: boolean
  /** Milliseconds until the token's deadline, be it its own or that of `signal`. */
  readonly remaining: Milliseconds
  /** Replaces the deadline by one so many milliseconds from now. @throws TypeError, RangeError */
  reschedule(after: Milliseconds): void
  /** The outcome of `promise`, or a rejection when the time is up. */
  race<T>(promise: PromiseLike<T>): Promise<T>
  /** The block is done: frees the timer, cancels nothing. */
  close(): void
}

/**
 * Bounds the time of a block: hand on its `token`.
 *
 * @param after - milliseconds; `Infinity` for none
 * @param message - of the TimeoutError
 * @param options - `signal`: cancels the token, too; default none, the current token is not looked at
 * @throws TypeError, RangeError
 * @example
 * ```ts
 * import { delay } from '@uno-async/core'
 * import { timeoutScope } from '@uno-async/sync'
 * using limit = timeoutScope(5_000, 'updating resource 7')
 * await delay(5, { signal: limit.token })
 * limit.expired // false
 * ```
 */
export function timeoutScope(
  after: Milliseconds,
  message?: string,
  options?: { signal?: Cancellation | undefined },
): TimeoutScope {
  if (message !== undefined) checkString('message', message)
  checkMilliseconds('after', after)
  return new Scope(after, message, CancellationToken.from(checkOptions(options).signal))
}

class Scope implements TimeoutScope {
  readonly #source: CancellationTokenSource
  readonly #outer: CancellationToken

  constructor(timeout: Milliseconds, message: string | undefined, signal: CancellationToken) {
    this.#outer = signal
    this.#source = new CancellationTokenSource({ signal, timeout, message, ref: true })
  }

  get token(): CancellationToken {
    return this.#source.token
  }

  get signal(): AbortSignal {
    return this.token.signal
  }

  get expired(): boolean {
    return this.token.cancelled && this.token.reason !== this.#outer.reason
  }

  get remaining(): Milliseconds {
    return this.token.remaining
  }

  reschedule(after: Milliseconds): void {
    this.#source.cancelAfter(after)
  }

  race<T>(promise: PromiseLike<T>): Promise<T> {
    return this.token.race(promise)
  }

  close(): void {
    this.#source.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

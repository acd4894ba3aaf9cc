const KNOWN = new WeakMap<object, readonly unknown[]>()

/**
 * Gives the errors of every attempt that {@link retry} made before it gave up with `error`, in order, this one last.
 * Of any other error: that one alone.
 *
 * @example
 * ```ts
 * import { attemptsOf, retry } from '@uno-async/decorators'
 *
 * let calls = 0
 * const failing = retry({ baseDelay: 1 })(async () => {
 *   throw new Error(`number ${++calls}`)
 * })
 * await failing().catch((error) => attemptsOf(error)) // Error: number 1, number 2, number 3
 * ```
 */
export function attemptsOf(error: unknown): readonly unknown[] {
  return KNOWN.get(error as object) ?? [error]
}

/** Remembers them. */
export function remember<E>(error: E, attempts: readonly unknown[]): E {
  if (Object(error) === error) KNOWN.set(error as object, attempts)
  return error
}

/**
 * What {@link retry} rejects with, given `aggregate: true`: `errors` has that of every attempt, `cause` is the last.
 *
 * @example
 * ```ts
 * import { RetryError, retry } from '@uno-async/decorators'
 * const failing = retry({ aggregate: true, baseDelay: 1 })(async () => Promise.reject(new Error('down')))
 * await failing().catch((error) => error instanceof RetryError && error.errors.length) // 3
 * ```
 */
export class RetryError extends AggregateError {
  readonly code: 'ERR_RETRY_EXHAUSTED' = 'ERR_RETRY_EXHAUSTED'

  override get name(): string {
    return 'RetryError'
  }
}

import { checkFunction, checkMilliseconds, checkOptions } from './check.js'
import type { Milliseconds } from './contracts.js'
import { CancellationToken, CancellationTokenSource } from './token.js'

/**
 * Runs fn under a token that outer cancellation cannot reach: for clean-up. `timeout` bounds it.
 * Gives what fn gives, with a `timeout` a promise that follows it where that is a thenable; the outer token is still
 * cancelled afterwards.
 *
 * @param options - `timeout`: milliseconds until fn's token is cancelled with a TimeoutError, default `Infinity`
 * @throws RangeError, TypeError
 * @example
 * ```ts
 * import { delay, shield } from '@uno-async/core'
 * await shield((token) => delay(5, { signal: token }), { timeout: 1_000 })
 * ```
 */
export function shield<R>(
  fn: (token: CancellationToken) => R,
  options?: { timeout?: Milliseconds | undefined },
): R {
  checkFunction('fn', fn)
  const { timeout = Infinity } = checkOptions(options)
  if (checkMilliseconds('timeout', timeout) === Infinity) {
    const { none } = CancellationToken
    return none.run(() => fn(none))
  }
  const source = new CancellationTokenSource({ timeout, ref: true }) // somebody waits for the clean-up
  const close = (): void => source.close()
  try {
    const result = source.token.run(() => fn(source.token))
    if (typeof (result as { then?: unknown } | null | undefined)?.then !== 'function') {
      close()
      return result
    }
    // Not the thenable itself: one that starts when it is awaited would start for the caller a second time.
    const promise: Promise<unknown> = result instanceof Promise ? result : Promise.resolve(result)
    // One that follows it: else our own handler would count as somebody's who looks after its error.
    return promise.finally(close) as R
  } catch (error) {
    close()
    throw error
  }
}

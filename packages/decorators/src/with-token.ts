import { CancellationToken, checkFunction } from '@uno-async/core'

/**
 * Gives a function its token as first argument: `CancellationToken.current`, which a decorator around it sets.
 *
 * @example
 * ```ts
 * import { timeoutHandler, withToken } from '@uno-async/decorators'
 * import { delay } from '@uno-async/core'
 *
 * const pause = timeoutHandler(1_000)(
 *   withToken(async (token, duration: number) => delay(duration, { signal: token })),
 * )
 * await pause(5)
 * ```
 */
export function withToken<A extends unknown[], R>(
  fn: (token: CancellationToken, ...args: A) => Promise<R>,
): (...args: A) => Promise<R> {
  checkFunction('fn', fn)
  const given = function (this: unknown, ...args: A): Promise<R> {
    try {
      return fn.call(this, CancellationToken.current, ...args)
    } catch (error) {
      return Promise.reject(error)
    }
  }
  Object.defineProperties(given, {
    name: { value: fn.name, configurable: true },
    length: { value: Math.max(0, fn.length - 1), configurable: true },
  })
  return given
}

import { checkChoice, checkCommon, raced } from './internal/call.js'
import { decorator } from './internal/decorate.js'
import type { AsyncDecorator, CancellationMode, CommonOptions } from './types.js'

/** How {@link cancellable} cancels. */
export interface CancellableOptions extends CommonOptions {
  /** Default `race`. */
  mode?: CancellationMode | undefined
}

/** {@link cancellable} with options, or with none. */
export interface MakeCancellable {
  // Two signatures, since `options?` would take the `undefined` that a field decorator is called with.
  (): AsyncDecorator
  (options: CancellableOptions): AsyncDecorator
}

/**
 * Makes calls end when they are cancelled: by `signal`, by the current token, by the argument at `signalArgument`.
 *
 * Cancelled before the call, the function is not called. Cancelled meanwhile, its `CancellationToken.current`
 * (read before the first `await`) tells it to stop, and the call rejects with `token.error`: at once, or with
 * `mode: 'cooperative'` not before the function settles, whose outcome it then is.
 *
 * @param options - none: it can be used bare, as `@cancellable` and `cancellable(fn)`
 * @throws TypeError, RangeError
 * @example
 * ```ts
 * import { cancellable } from '@uno-async/decorators'
 * import { CancellationToken, delay, isCancelled } from '@uno-async/core'
 *
 * const work = cancellable(async () => delay(60_000, { signal: CancellationToken.current }))
 * await CancellationToken.timeout(5).run(work).catch(console.log) // TimeoutError: Timed out after 5 ms
 * ```
 */
export const cancellable: AsyncDecorator & MakeCancellable = ((
  ...form: [CancellableOptions | undefined, unknown?, unknown?]
) => {
  const [first, context] = form
  const bare = typeof first === 'function' || context !== undefined
  const options: CancellableOptions = checkCommon(bare || first === undefined ? {} : first)
  const { mode = 'race' } = options
  const races = checkChoice('mode', ['race', 'cooperative'], mode) === 'race'
  const made = decorator(options, () => (call) => {
    const { token } = call
    return races && token.canBeCancelled
      ? raced(token, () => call.invoke(token))
      : call.invoke(token)
  })
  return bare ? (made as (...form: unknown[]) => unknown)(...form) : made
}) as never

import {
  badValue,
  type CancellationToken,
  CancellationTokenSource,
  checkFunction,
  checkMilliseconds,
  isCancelled,
  type Milliseconds,
  runIn,
  type TimeoutError,
} from '@uno-async/core'
import { type Call, checkChoice, checkCommon, raced, tellLater } from './internal/call.js'
import { decorator } from './internal/decorate.js'
import type { AsyncDecorator, CancellationMode, CommonOptions } from './types.js'

/** How {@link timeoutHandler} times out. */
export interface TimeoutHandlerOptions extends CommonOptions {
  /** For one call; `Infinity` for none. */
  timeout: Milliseconds | ((args: readonly unknown[]) => Milliseconds)
  /** Of the TimeoutError; default: who timed out after how long. */
  message?: string | undefined
  /** Default `race`. */
  mode?: CancellationMode | undefined
  /** With `mode: 'cooperative'`: how long to wait for the function to obey, default `Infinity`. */
  grace?: Milliseconds | undefined
  /** Gives the result instead of the TimeoutError. Its current token is what governs the call, and is obeyed as `mode` says. */
  fallback?: ((error: TimeoutError, args: readonly unknown[]) => unknown) | undefined
  /** Told what became of a function that was not waited for. What it throws is reported, see `reportError`. */
  onLate?: ((outcome: PromiseSettledResult<unknown>) => void) | undefined
}

/**
 * Limits how long a call takes: beyond `timeout` the function's token is cancelled with a TimeoutError, and the call
 * rejects with it. The function sees the deadline: `CancellationToken.current.deadline`.
 *
 * A caller's own cancel is never reported as a timeout. With `mode: 'cooperative'` the call waits for the function, at
 * most for `grace`: a value it still gives is returned, and so is an error that has nothing to do with the cancelling.
 * After a success the function's token is closed, not cancelled. The timer keeps the process alive.
 *
 * @param options - milliseconds, or options
 * @throws TimeoutError with code `ETIMEDOUT`, as rejections; TypeError, RangeError
 * @example
 * ```ts
 * import { timeoutHandler } from '@uno-async/decorators'
 * import { CancellationToken, delay } from '@uno-async/core'
 *
 * const load = timeoutHandler(20)(async function load() {
 *   await delay(60_000, { signal: CancellationToken.current })
 * })
 * await load().catch(console.log) // TimeoutError: "load" timed out after 20 ms
 * ```
 */
export function timeoutHandler(options: Milliseconds | TimeoutHandlerOptions): AsyncDecorator {
  const all = checkCommon(typeof options === 'number' ? { timeout: options } : options)
  const { timeout, message, mode = 'race', grace = Infinity, fallback, onLate } = all
  if (typeof timeout !== 'function') checkMilliseconds('timeout', timeout)
  checkChoice('mode', ['race', 'cooperative'], mode)
  checkMilliseconds('grace', grace)
  if (message !== undefined && typeof message !== 'string') {
    throw badValue('message', 'a string', message, TypeError)
  }
  for (const [name, hook] of Object.entries({ fallback, onLate })) {
    if (hook !== undefined) checkFunction(name, hook)
  }

  /** The outcome of what was cancelled, if it comes within `grace`. */
  async function patient(token: CancellationToken, promise: Promise<unknown>): Promise<unknown> {
    const source = new CancellationTokenSource({ timeout: grace, ref: true })
    try {
      return await raced(source.token, () => promise, onLate)
    } catch (error) {
      throw obeys(error, source.token, token) ? token.error : error
    } finally {
      source.close()
    }
  }

  async function limited(call: Call, after: Milliseconds): Promise<unknown> {
    const { name, token: outer } = call
    const source = new CancellationTokenSource({
      signal: outer,
      timeout: after,
      name,
      message,
      ref: true,
    })
    const { token } = source
    let promise: Promise<unknown> | undefined
    let left = false
    try {
      // The function that gave it may have cancelled the call.
      if (!after || typeof timeout === 'function') token.throwIfCancelled()
      const started = (promise = call.invoke(token))
      // `raced`, without what it costs to leave: closing the source does that.
      return await new Promise((resolve, reject) => {
        token.onCancelled(() => {
          left = true
          reject(token.error)
        })
        started.then(resolve, reject)
      })
    } catch (thrown) {
      let error = thrown
      if (promise && left && error === token.error) {
        if (mode === 'cooperative') {
          try {
            return await patient(token, promise)
          } catch (late) {
            error = late
          }
        } else if (onLate) tellLater(promise, onLate)
      }
      if (fallback && error === token.error && error !== outer.error) {
        const frame = { token: outer, values: call.frame?.values }
        const given = async () => runIn(frame, () => fallback(error as TimeoutError, call.args))
        return await (mode === 'race' ? raced(outer, given) : given())
      }
      throw error
    } finally {
      source.close()
    }
  }

  return decorator(all, () => (call) => {
    const after =
      typeof timeout === 'function' ? checkMilliseconds('timeout', timeout(call.args)) : timeout
    return after === Infinity && !call.token.canBeCancelled
      ? call.invoke(call.token)
      : limited(call, after)
  })
}

/** Is this error the cancellation? One that throws when it is looked at is not. */
function obeys(error: unknown, ...tokens: CancellationToken[]): boolean {
  try {
    return isCancelled(error) || tokens.some((token) => token.owns(error))
  } catch {
    return false
  }
}

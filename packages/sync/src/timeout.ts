import {
  badValue,
  type Cancellation,
  CancellationToken,
  CancellationTokenSource,
  checkFunction,
  checkMilliseconds,
  checkOptions,
  type Milliseconds,
  report,
} from '@uno-async/core'
import { closing, isThenable } from './internal/run.js'
import { checkString } from './options.js'

/** How to bound the time of a function. */
export interface TimeoutOptions {
  /** The message of the TimeoutError. */
  message?: string | undefined
  /** Cancels fn's token, too; what then rejects is its reason, not a TimeoutError. Default: the current token. */
  signal?: Cancellation | undefined
  /** `race` (default) rejects when the time is up; `cooperative` only cancels the token, and waits for fn. */
  mode?: 'race' | 'cooperative' | undefined
  /** Gets what fn came to after the race was lost. What it throws is reported (`reportError`). */
  onLate?: ((outcome: PromiseSettledResult<unknown>) => void) | undefined
}

/**
 * Calls fn with a token that is cancelled after `after`, and rejects with TimeoutError(message) then.
 *
 * A result of the same tick wins. After a success the token is closed, not cancelled, so that a Response can
 * still be read. The rejection of a fn that lost is handled. The token is `current` in fn's synchronous part.
 *
 * @param after - milliseconds; `Infinity`: only `signal` ends it
 * @throws TimeoutError; what `signal` was cancelled with; what fn throws; TypeError, RangeError
 * @example
 * ```ts
 * import { delay } from '@uno-async/core'
 * import { timeout } from '@uno-async/sync'
 * await timeout(1_000, 'loading took too long', (token) => delay(5, { signal: token }))
 * ```
 */
export function timeout<R>(
  after: Milliseconds,
  fn: (token: CancellationToken) => R | PromiseLike<R>,
  options?: TimeoutOptions,
): Promise<Awaited<R>>
export function timeout<R>(
  after: Milliseconds,
  message: string,
  fn: (token: CancellationToken) => R | PromiseLike<R>,
  options?: TimeoutOptions,
): Promise<Awaited<R>>
export function timeout<R>(after: Milliseconds, ...rest: readonly unknown[]): Promise<Awaited<R>> {
  return new Promise((resolve, reject) => {
    const first = typeof rest[0] === 'string' ? rest[0] : undefined
    const [fn, options] = (first === undefined ? rest : rest.slice(1)) as [
      (token: CancellationToken) => R,
      TimeoutOptions?,
    ]
    const { message = first, mode = 'race', onLate } = checkOptions(options)
    const signal = options?.signal ?? CancellationToken.current // fn's replaces it
    checkMilliseconds('after', after)
    checkFunction('fn', fn)
    if (message !== undefined) checkString('message', message)
    if (mode !== 'race' && mode !== 'cooperative') {
      throw badValue('mode', "'race' or 'cooperative'", mode)
    }
    if (onLate !== undefined) checkFunction('onLate', onLate)
    CancellationToken.from(signal).throwIfCancelled()
    const source = new CancellationTokenSource({ signal, timeout: after, message, ref: true })
    const { token } = source
    const result = closing(source, fn)
    if (mode !== 'race' || !isThenable(result)) return resolve(result as Awaited<R>)
    let late = false
    token.onCancelled(() => {
      void endOfTick().then(() => {
        late = true
        reject(token.error)
      })
    })
    const tell = (outcome: PromiseSettledResult<unknown>): void => {
      try {
        if (late) onLate?.(outcome)
      } catch (error) {
        report(error)
      }
    }
    result.then(
      (value) => {
        resolve(value as Awaited<R>)
        tell({ status: 'fulfilled', value })
      },
      (reason) => {
        reject(reason)
        tell({ status: 'rejected', reason })
      },
    )
  })
}

/** When a result that came in this tick has passed through the promises it has to. */
async function endOfTick(): Promise<void> {
  for (let i = 0; i < 10; i++) await undefined
}

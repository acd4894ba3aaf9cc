import {
  badValue,
  type Cancellation,
  CancellationToken,
  CancellationTokenSource,
  checkInteger,
  currentFrame,
  type Frame,
  type Registration,
  report,
} from '@uno-async/core'
import type { CommonOptions } from '../types.js'

// biome-ignore lint/suspicious/noExplicitAny: whatever is decorated
export type Fn = (this: any, ...args: any[]) => PromiseLike<unknown>

/** One call of a decorated function: what was called, with what, and what can cancel it. */
export class Call {
  readonly fn: Fn
  readonly self: unknown
  readonly args: readonly unknown[]
  readonly name: string | undefined
  readonly index: number | undefined
  readonly frame: Frame | undefined // in force where it was called
  readonly here: CancellationToken // the current token there
  readonly token: CancellationToken // what governs this call
  readonly source: CancellationTokenSource | undefined // of that, to be closed after the call

  constructor(
    fn: Fn,
    self: unknown,
    args: readonly unknown[],
    name: string | undefined,
    { signal, signalArgument: index }: CommonOptions,
  ) {
    const frame = currentFrame()
    const here = frame?.token ?? CancellationToken.none
    this.fn = fn
    this.self = self
    this.args = args
    this.name = name
    this.index = index
    this.frame = frame
    this.here = here
    if (signal === undefined && index === undefined) this.token = here
    else {
      const option = typeof signal === 'function' ? signal(self, args) : signal
      const argument = index === undefined ? index : carried(args[index])
      const [token, source] = joined(option, here, argument)
      this.token = token
      this.source = source
    }
  }

  /** Calls the function with `token` as its own. To be called where `here` is current. Never throws. */
  invoke(token: CancellationToken): Promise<unknown> {
    try {
      const { args, index } = this
      const carries = index !== undefined && (token.canBeCancelled || isNothing(args[index]))
      const given = carries ? carrying(args, index, token) : args
      const result = token === this.here ? this.#apply(given) : this.#under(token, given)
      if (result instanceof Promise) return result
      const { then, [Symbol.asyncIterator]: iterates } = Object(result)
      if (iterates && typeof then !== 'function') {
        throw new TypeError(`${nameOf(this.name)} returned an async iterator, not a promise`)
      }
      return Promise.resolve(result)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #apply(args: readonly unknown[]): unknown {
    return this.fn.apply(this.self, args as unknown[])
  }

  // Apart, so that calls without a token of their own make no room for what this closes over.
  #under(token: CancellationToken, args: readonly unknown[]): unknown {
    return token.run(() => this.#apply(args))
  }
}

/**
 * A token that any of these cancels, and where it is a new one its source. That is to be closed, since a function may have
 * read the token's native `signal`: what `any` derives would hang on those that live longer from then on.
 */
export function joined(
  ...given: (Cancellation | undefined)[]
): [CancellationToken, CancellationTokenSource?] {
  const tokens = given.map(CancellationToken.from)
  const any = CancellationToken.any(...tokens)
  if (!any.canBeCancelled || tokens.includes(any)) return [any]
  const source = new CancellationTokenSource({ signal: any })
  return [source.token, source]
}

export const nameOf = (name: string | undefined): string => (name ? `"${name}"` : 'The function')

const isCancellation = (value: unknown): value is Cancellation =>
  CancellationToken.is(value) || typeof (value as AbortSignal | null)?.aborted === 'boolean'

const isNothing = (value: unknown): boolean => value === undefined || value === null

const carried = (value: unknown): Cancellation | undefined =>
  Object(value) === value && !isCancellation(value)
    ? (value as { signal?: Cancellation }).signal
    : (value as Cancellation | undefined)

function carrying(
  args: readonly unknown[],
  index: number,
  token: CancellationToken,
): readonly unknown[] {
  const given = args[index]
  const like = (old: unknown): Cancellation => (CancellationToken.is(old) ? token : token.signal)
  const copy = [...args]
  copy[index] = isCancellation(given)
    ? like(given)
    : Object.setPrototypeOf(
        { ...(given as object), signal: like(carried(given)) },
        Object.getPrototypeOf(Object(given)),
      )
  return copy
}

/**
 * What `start` gives, or a rejection as soon as `token` is cancelled, until `start` says that it is no longer
 * to be left. The outcome of what was left is handled, and told to `onLate`.
 */
export async function raced<T>(
  token: CancellationToken,
  start: (stay: () => void) => Promise<T>,
  onLate?: LateHook,
): Promise<T> {
  let entry: Registration | undefined
  let stays = false
  let left = false
  const stay = (): void => {
    stays = true
    entry?.dispose()
  }
  const promise = start(stay)
  try {
    return await new Promise<T>((resolve, reject) => {
      if (!stays) {
        entry = token.onCancelled(() => {
          left = true
          reject(token.error)
        })
      }
      // Its own `resolve`, not a function that calls it: there async stack traces would end.
      promise.then(resolve, reject)
    })
  } catch (error) {
    if (left && onLate && error === token.error) tellLater(promise, onLate)
    throw error
  } finally {
    stay()
  }
}

/** Told what became of something that nobody waits for any more. */
export type LateHook = (outcome: PromiseSettledResult<unknown>) => unknown

export function tellLater(promise: Promise<unknown>, hook: LateHook): void {
  promise
    .then(
      (value) => hook({ status: 'fulfilled', value }),
      (reason) => hook({ status: 'rejected', reason }),
    )
    .catch(report)
}

/** Gives the options back if they are fit for a Call. */
export function checkCommon<O extends CommonOptions>(options: O): O {
  // A function is none: somebody who writes `retry(fn)` would get a decorator for it.
  if (!options || typeof options !== 'object' || Array.isArray(options))
    throw badValue('options', 'an object', options, TypeError)
  const { name, signal, signalArgument } = options
  if (name !== undefined && typeof name !== 'string')
    throw badValue('name', 'a string', name, TypeError)
  if (typeof signal !== 'function') CancellationToken.from(signal)
  if (signalArgument !== undefined) checkInteger('signalArgument', signalArgument, 0)
  return options
}

/** Gives `value` back if it is one of `choices`. */
export function checkChoice<T>(option: string, choices: readonly T[], value: T): T {
  if (choices.includes(value)) return value
  throw badValue(option, choices.map((it) => `'${it}'`).join(' or '), value, TypeError)
}

import {
  badValue,
  CancellationToken,
  CancellationTokenSource,
  checkFunction,
  checkInteger,
  checkMilliseconds,
  delay,
  type Milliseconds,
  report,
  runIn,
} from '@uno-async/core'
import { RetryError, remember } from './attempts.js'
import { type Backoff, backoffOf } from './internal/backoff.js'
import { type Call, checkCommon, joined, nameOf, raced } from './internal/call.js'
import { decorator } from './internal/decorate.js'
import { discard } from './internal/discard.js'
import { retryAfter } from './retry-after.js'
import type { RetryBudget } from './retry-budget.js'
import type { AsyncDecorator, CommonOptions } from './types.js'

/** Recognises errors, with `instanceof`. */
// biome-ignore lint/suspicious/noExplicitAny: parameters are contravariant
export type ErrorClass = new (...args: any) => unknown

/** How {@link retry} tries again. */
export interface RetryOptions extends CommonOptions {
  /** How often the function is called at most, the first time included; default 3, `Infinity` for no limit. */
  maxAttempts?: number | undefined
  /** The first pause, before jitter; default 100. */
  baseDelay?: Milliseconds | undefined
  /** The longest pause, default 10 000. A longer one asked for by `delay` or a server ends the retrying. */
  maxDelay?: Milliseconds | undefined
  /** By how much exponential pauses grow, default 2. */
  factor?: number | undefined
  /** Default `full-jitter`: between 0 and what `exponential` has. */
  backoff?: Backoff | undefined
  /** Gives the pause; undefined leaves it as it is in `attempt.delay`. */
  delay?:
    | ((attempt: RetryAttempt) => Milliseconds | undefined | Promise<Milliseconds | undefined>)
    | undefined
  /** Only these errors are worth another attempt; default: all. */
  retryOn?: ErrorClass | readonly ErrorClass[] | undefined
  /** Is this error worth another attempt? Asked only while there is one left. */
  shouldRetry?: ((attempt: RetryAttempt) => boolean | Promise<boolean>) | undefined
  /** Is this result worth another attempt? The last one is returned as it is. */
  shouldRetryResult?: ((value: unknown, attempt: RetryAttempt) => boolean) | undefined
  /** Told before each pause, which begins when it is done. */
  onRetry?: ((attempt: RetryAttempt) => void | Promise<void>) | undefined
  /** For all attempts together: beyond it the call rejects with a TimeoutError; default `Infinity`. */
  timeout?: Milliseconds | undefined
  /**
   * For each: beyond it the attempt's token is cancelled, and it has failed with a TimeoutError; default `Infinity`. A function
   * that ignores its token may then still run when the next attempt begins.
   */
  attemptTimeout?: Milliseconds | undefined
  /** Asked before each retry; refused, the call rejects with the last error. */
  budget?: RetryBudget | undefined
  /** Reject with a {@link RetryError} that has all errors, instead of the last one as it is; default false. */
  aggregate?: boolean | undefined
  /** Default `Math.random`. */
  random?: (() => number) | undefined
}

/** An attempt that has just ended, as the hooks see it. */
export interface RetryAttempt {
  /** Counted from 1. */
  readonly attempt: number
  readonly error?: unknown
  readonly result?: unknown
  /** The pause before the next one. */
  readonly delay: Milliseconds
  /** Since the call. */
  readonly elapsed: Milliseconds
  /** Until the deadline: of `timeout`, or of what governs the call. `Infinity` if there is none. */
  readonly remaining: Milliseconds
  /** What governs the call. */
  readonly token: CancellationToken
  readonly args: readonly unknown[]
}

/** What happened: a result, or an error. */
type Outcome = { readonly result: unknown } | { readonly error: unknown }

/**
 * Calls the function again when it fails, after a pause.
 *
 * - The last error is rethrown as it is; {@link attemptsOf} has the others. A refused result that is not tried again
 *   is returned.
 * - Cancelled before the call, the function is not called; during a pause, the call rejects at once; during an attempt,
 *   the attempt is told by its token and waited for: its success is returned, after its failure there is no other attempt. The
 *   rejection is `token.error`.
 * - A pause that would cross the deadline (of `timeout`, or of the token that governs the call) is not begun: the call rejects
 *   with the last error.
 * - Where {@link retryAfter} finds something in the error or the refused result, that is the pause.
 * - The hooks are awaited; what they throw rejects the call, with the attempt's error as its cause. Cancelled meanwhile,
 *   the call rejects at once.
 * - A result that is not returned is disposed, if it can be; the body of a Response is cancelled.
 *
 * @param options - see {@link RetryOptions}
 * @throws TypeError, RangeError
 * @example
 * ```ts
 * import { retry } from '@uno-async/decorators'
 *
 * let calls = 0
 * const flaky = retry({ maxAttempts: 5, baseDelay: 1 })(async () => {
 *   if (++calls < 3) throw new Error('not yet')
 *   return calls
 * })
 * await flaky() // 3
 * ```
 */
export function retry(options: RetryOptions = {}): AsyncDecorator {
  const {
    maxAttempts = 3,
    maxDelay = 10_000,
    timeout = Infinity,
    attemptTimeout = Infinity,
    retryOn,
    shouldRetry,
    shouldRetryResult,
    onRetry,
    delay: delayOf,
    budget,
    aggregate,
  } = checkCommon(options)
  const pauseAfter = backoffOf(options)
  if (maxAttempts !== Infinity) checkInteger('maxAttempts', maxAttempts, 1)
  checkMilliseconds('timeout', timeout)
  checkMilliseconds('attemptTimeout', attemptTimeout)
  const classes = [retryOn === undefined ? [] : retryOn].flat()
  for (const it of classes) {
    // A predicate, say, would recognise nothing.
    if (isA({}, it) === undefined) {
      throw badValue('retryOn', 'a class of errors or several', it, TypeError)
    }
  }
  const hooks = { delay: delayOf, shouldRetry, shouldRetryResult, onRetry }
  let timed = false // whether somebody wants to know
  for (const [name, hook] of Object.entries(hooks)) {
    if (hook !== undefined) timed = !!checkFunction(name, hook)
  }
  if (aggregate !== undefined && typeof aggregate !== 'boolean') {
    throw badValue('aggregate', 'true or false', aggregate, TypeError)
  }
  if (budget !== undefined) {
    const { deposit, withdraw } = Object(budget) as Partial<RetryBudget>
    if (typeof deposit !== 'function' || typeof withdraw !== 'function') {
      throw badValue('budget', 'a RetryBudget', budget, TypeError)
    }
  }

  /** All attempts; `first` is under way if there is nothing to prepare for it. */
  async function attempts(
    call: Call,
    since: number,
    first?: Promise<unknown>,
    total?: CancellationToken,
    token = call.token, // that of the call, or the total
  ): Promise<unknown> {
    const errors: unknown[] = []
    let pause: Milliseconds | undefined

    const attempt = async (): Promise<unknown> => {
      const each = attemptTimeout < Infinity ? limit(call, attemptTimeout) : undefined
      const limits = CancellationToken.any(total, each?.token)
      const [own, source] = joined(token, each?.token)
      try {
        own.throwIfCancelled()
        const promise = runIn(call.frame, () => call.invoke(own))
        return await (limits.canBeCancelled ? raced(limits, () => promise, discardLate) : promise)
      } finally {
        source?.close()
        each?.close()
      }
    }

    /** The pause before the next attempt, undefined if there shall be none. */
    const next = async (attempt: number, outcome: Outcome): Promise<Milliseconds | undefined> => {
      if (attempt >= maxAttempts) return undefined
      const failed = 'error' in outcome
      const asked = retryAfter(failed ? outcome.error : outcome.result)
      const ended = {
        attempt,
        ...outcome,
        delay: asked ?? pauseAfter(attempt, pause),
        elapsed: performance.now() - since,
        remaining: token.remaining,
        token,
        args: call.args,
      }
      if (failed) {
        if (retryOn && !classes.some((it) => isA(outcome.error, it))) return undefined
        if (shouldRetry && !(await answer(shouldRetry(ended)))) return undefined
      } else if (!(await answer(shouldRetryResult?.(outcome.result, ended)))) return undefined
      const delay = checkMilliseconds('delay', (await answer(delayOf?.(ended))) ?? ended.delay)
      if (delay > maxDelay || delay >= token.remaining) return undefined
      if (budget && !budget.withdraw()) return undefined
      await answer(onRetry?.({ ...ended, delay }))
      // It may have taken its time.
      return delay < token.remaining ? delay : undefined
    }

    /** What a hook answers, or a rejection as soon as the call is cancelled. */
    const answer = <T>(given: T | PromiseLike<T>): Promise<T> => token.race(given as PromiseLike<T>)

    /** What a cancelled call rejects with. */
    const cancelled = (error: unknown): unknown => {
      const reason = token.error
      // That of the caller is not ours alone: others are cancelled by it too.
      if (reason !== total?.error) return reason
      if (reason !== error) errors.push(reason)
      return remember(reason, errors)
    }

    for (let number = 1; ; number++) {
      let outcome: Outcome
      try {
        if (pause !== undefined) await delay(pause, { signal: token })
        const result = await (first ?? attempt())
        if (!shouldRetryResult || token.cancelled) return result
        outcome = { result }
      } catch (error) {
        errors.push(error)
        if (token.cancelled) throw cancelled(error)
        outcome = { error }
      }
      first = undefined
      let kept = 'result' in outcome
      try {
        pause = await next(number, outcome)
        if ('result' in outcome && pause !== undefined) {
          kept = false
          await answer(discard(outcome.result))
        }
      } catch (error) {
        if (kept && 'result' in outcome) discard(outcome.result).catch(report)
        if (token.cancelled && error === token.error) throw cancelled(undefined)
        throw 'error' in outcome ? causedBy(error, outcome.error) : error
      }
      if (pause === undefined) {
        if ('result' in outcome) return outcome.result
        const { error } = outcome
        if (!aggregate) throw remember(error, errors)
        const message = `${nameOf(call.name)} failed, the last time in attempt ${number}`
        throw remember(new RetryError(errors, message, { cause: error }), errors)
      }
    }
  }

  async function timedAttempts(call: Call, since: number): Promise<unknown> {
    const total = limit(call, timeout)
    const [token, source] = joined(call.token, total.token)
    try {
      return await attempts(call, since, undefined, total.token, token)
    } finally {
      source?.close()
      total.close()
    }
  }

  return decorator(options, () => (call) => {
    budget?.deposit()
    const since = timed ? performance.now() : 0
    if (timeout < Infinity) return timedAttempts(call, since)
    if (attemptTimeout < Infinity || shouldRetryResult) return attempts(call, since)
    // Nothing but the call itself and a reaction, as long as it succeeds.
    const first = call.invoke(call.token)
    return first.then(undefined, () => attempts(call, since, first))
  })
}

const limit = ({ name }: Call, timeout: Milliseconds): CancellationTokenSource =>
  new CancellationTokenSource({ timeout, name, ref: true })

const discardLate = (outcome: PromiseSettledResult<unknown>): unknown =>
  outcome.status === 'fulfilled' && discard(outcome.value)

/** `instanceof`; undefined for what throws when it is looked at, and where `type` is no class. */
function isA(error: unknown, type: ErrorClass): boolean | undefined {
  try {
    return error instanceof type
  } catch {
    return undefined
  }
}

function causedBy(error: unknown, cause: unknown): unknown {
  try {
    if (Object(error) === error && !('cause' in (error as Error)) && error !== cause) {
      Reflect.defineProperty(error as Error, 'cause', {
        value: cause,
        writable: true,
        configurable: true,
      })
    }
  } catch {} // a proxy may refuse to be looked at
  return error
}

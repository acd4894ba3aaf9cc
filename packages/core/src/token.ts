import { badValue, checkFunction, checkMilliseconds, checkOptions, checkType } from './check.js'
import type { Cancellation, Milliseconds, Registration } from './contracts.js'
import { currentFrame, runIn } from './internal/context.js'
import {
  attach,
  begin,
  type Cause,
  call,
  causeOf,
  detach,
  dispatch,
  Entry,
  errorOf,
  following,
  hook,
  Limit,
  lineage,
  listening,
  NONE,
  rearm,
  reasonOf,
} from './internal/graph.js'
import { type Link, linked, unlink } from './internal/link.js'

// The number is that of the layout of the internal fields, which copies of this package share.
const BRAND = Symbol.for('@uno-async/CancellationToken.1')
const adapters = new WeakMap<AbortSignal, CancellationToken>()
let never: CancellationToken | undefined

/**
 * Tells those who hold it whether to stop. Made by a {@link CancellationTokenSource}, or derived from
 * others by `from`, `any` and `timeout`; a token itself cannot cancel anything.
 *
 * @example
 * ```ts
 * import { CancellationTokenSource } from '@uno-async/core'
 * const source = new CancellationTokenSource({ timeout: 5_000 })
 * const registration = source.token.onCancelled((reason) => console.log('stopped:', reason))
 * source.cancel('no longer needed') // logs it; true
 * registration.dispose()
 * ```
 */
export class CancellationToken {
  /** What can cancel it. @internal */
  parents: readonly CancellationToken[]
  /** Can be cancelled by itself, not only by its parents. @internal */
  open: boolean
  /** @internal */
  foreign: AbortSignal | undefined
  /** Stops listening to `foreign`. @internal */
  ignore: (() => void) | undefined = undefined
  /** Set: cancelled. @internal */
  cause: Cause | undefined = undefined
  /** @internal */
  limit: Limit | undefined = undefined
  /** Whom to tell: it is the list of its entries. @internal */
  next: Link = this
  /** @internal */
  prev: Link = this
  /** Its own entries with its parents, chained by `also`, while somebody listens. @internal */
  links: Entry | undefined = undefined
  /** @internal */
  controller: AbortController | undefined = undefined
  /** @internal */
  name: string | undefined = undefined

  /** Use a CancellationTokenSource, or `from`, `any`, `cancelled`, `timeout`, `none`. @internal */
  constructor(parents: readonly CancellationToken[] = NONE, open = false, foreign?: AbortSignal) {
    this.parents = parents
    this.open = open
    this.foreign = foreign
    // Of parents cancelled before this was made, the first in the list gives the reason.
    if (parents.length > 1) for (const parent of parents) this.cause ??= causeOf(parent)
  }

  /** Can never be cancelled. */
  static get none(): CancellationToken {
    return (never ??= new CancellationToken())
  }

  /** The token in force here, `none` if there is none. Read it before the first `await`. */
  static get current(): CancellationToken {
    return currentFrame()?.token ?? CancellationToken.none
  }

  /** The token of an AbortSignal; a token is given back as it is, nothing becomes `none`. @throws TypeError */
  static from(source: Cancellation | null | undefined): CancellationToken {
    if (source === null || source === undefined) return CancellationToken.none
    if (CancellationToken.is(source)) return source
    if (typeof source.aborted !== 'boolean' || typeof source.addEventListener !== 'function') {
      throw badValue('signal', 'an AbortSignal or a CancellationToken', source, TypeError)
    }
    let token = adapters.get(source)
    if (!token) {
      token = new CancellationToken(NONE, true, source)
      adapters.set(source, token)
    }
    return token
  }

  /** Cancelled when any of these is; links straight to their sources, however deep. @throws TypeError */
  static any(...sources: (Cancellation | null | undefined)[]): CancellationToken {
    const tokens = [...new Set(sources.map(CancellationToken.from))].filter(
      (token) => token.canBeCancelled,
    )
    if (tokens.length < 2) return tokens[0] ?? CancellationToken.none
    return new CancellationToken(behindAll(tokens))
  }

  /** A token that was born cancelled. */
  static cancelled(reason?: unknown): CancellationToken {
    return begin(new CancellationToken(), reason).origin
  }

  /**
   * Cancelled with a TimeoutError after so many milliseconds, or by `options.signal`. Costs no timer
   * while nobody listens, and never keeps the process alive.
   */
  static timeout(
    after: Milliseconds,
    options?: { signal?: Cancellation | undefined; message?: string | undefined },
  ): CancellationToken {
    const { signal, message } = checkOptions(options)
    checkMilliseconds('after', after)
    const from = CancellationToken.from(signal)
    return new CancellationTokenSource({ signal: from, timeout: after, message }).token
  }

  /** Is this a token, of this or another copy of this package? */
  static is(value: unknown): value is CancellationToken {
    try {
      return (value as CancellationToken | null | undefined)?.brand === BRAND
    } catch {
      return false // it does not let itself be looked at
    }
  }

  /** @internal */
  get brand(): symbol {
    return BRAND
  }

  /** Also true as soon as the deadline has passed, even if no timer could fire yet. */
  get cancelled(): boolean {
    return !!causeOf(this)
  }

  /** False if nothing can cancel this any more; true once it is cancelled. */
  get canBeCancelled(): boolean {
    for (const { open, cause } of lineage(this)) if (open || cause) return true
    return false
  }

  /** Why it was cancelled, as it was given; a CancelledError if nothing was; undefined while it is not. */
  get reason(): unknown {
    const cause = causeOf(this)
    return cause && reasonOf(cause)
  }

  /** What `throwIfCancelled` throws and every wait rejects with: the same object each time; undefined while not cancelled. */
  get error(): unknown {
    const cause = causeOf(this)
    return cause && errorOf(cause)
  }

  /** The earliest deadline of this and its parents, on the performance.now() scale; `Infinity` if none. */
  get deadline(): number {
    let deadline = Infinity
    for (const { cause, limit } of lineage(this)) {
      // One that is cancelled no longer knows its parents, but still what cancelled it.
      for (const each of [limit, cause?.origin.limit]) {
        if (each) deadline = Math.min(deadline, each.at)
      }
    }
    return deadline
  }

  /** Milliseconds until the deadline: `max(0, deadline - now)`. */
  get remaining(): Milliseconds {
    return Math.max(0, this.deadline - performance.now())
  }

  /** A native AbortSignal that follows this token: made on first read, the same object ever after. */
  get signal(): AbortSignal {
    const { foreign } = this
    if (foreign instanceof AbortSignal) return foreign
    if (!this.controller) {
      const cause = causeOf(this)
      if (!cause && !listening(this)) attach(this)
      this.controller = new AbortController()
      adapters.set(this.controller.signal, this)
      if (cause) this.controller.abort(reasonOf(cause))
    }
    return this.controller.signal
  }

  /** Throws `reason` itself if it is an Error, else a CancelledError caused by it: the same object each time. */
  throwIfCancelled(): void {
    const cause = causeOf(this)
    if (cause) throw errorOf(cause)
  }

  /**
   * Calls back once, when this is cancelled: first registered first; at once, synchronously, if it
   * already is. `state` is handed on, so that a hot path needs no closure. What the callback throws is
   * reported (`reportError`), stops nobody and reaches nobody. Registering twice calls twice.
   */
  onCancelled<S = undefined>(
    callback: (reason: unknown, state: S) => void,
    state?: S,
  ): Registration {
    checkFunction('callback', callback)
    const entry = new Entry(this, callback, state)
    const cause = causeOf(this)
    if (cause) call(entry, reasonOf(cause))
    else if (this.open || this.parents.length) hook(entry)
    return entry
  }

  /**
   * The outcome of `promise`, or a rejection as soon as this is cancelled, whichever comes first. Leaves
   * no listener behind, and the rejection of a promise that lost is handled.
   */
  race<T>(promise: PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      let entry: Registration | undefined
      Promise.resolve(promise).then(
        (value) => {
          entry?.dispose()
          resolve(value)
        },
        (error) => {
          entry?.dispose()
          reject(error)
        },
      )
      // Last: a signal that lets nobody listen makes it throw.
      entry = this.onCancelled(() => reject(this.error))
    })
  }

  /** Is `error` what this token was cancelled with, or caused by it? Tells my timeout from the caller's. */
  owns(error: unknown): boolean {
    const cause = causeOf(this)
    const seen = new Set<unknown>()
    try {
      for (let e = error; cause && !seen.has(e); e = (e as Error | null)?.cause) {
        if (Object.is(e, reasonOf(cause)) || (e && e === cause.error)) return true
        seen.add(e)
      }
    } catch {} // it does not let itself be looked at
    return false
  }

  /** For logs: what hangs together in circles is left out. */
  toJSON(): { cancelled: boolean } {
    return { cancelled: this.cancelled }
  }

  /** Makes this token `current` while fn runs (its synchronous part, or all of it with async context enabled). */
  run<R>(fn: () => R): R {
    return runIn({ token: this, values: currentFrame()?.values }, fn)
  }
}

/** What to link to: the sources behind what was derived. */
function behind(token: CancellationToken): readonly CancellationToken[] {
  return token.open || causeOf(token) ? [token] : token.parents
}

function behindAll(tokens: readonly CancellationToken[]): readonly CancellationToken[] {
  return [...new Set(tokens.flatMap(behind))]
}

/** How to make a source. */
export interface CancellationTokenSourceOptions {
  /** Cancelled when any of these is. */
  signal?: Cancellation | readonly Cancellation[] | undefined
  /** Cancels with a TimeoutError after so many milliseconds. */
  timeout?: Milliseconds | undefined
  /** The same, as a point on the performance.now() scale; one that has passed cancels at once. */
  deadline?: number | undefined
  /** For messages. */
  name?: string | undefined
  /** The message of the TimeoutError, instead of one made of `name` and the time. */
  message?: string | undefined
  /** Whether its timer, while somebody listens, keeps the process alive; default false. */
  ref?: boolean | undefined
}

/**
 * Cancels its token. Whoever makes one closes it when the work is done (`using` does): that frees its
 * links and its timer, and is not a cancel.
 *
 * @example
 * ```ts
 * import { CancellationTokenSource } from '@uno-async/core'
 * using source = new CancellationTokenSource({ signal: AbortSignal.timeout(60_000), timeout: 1_000 })
 * source.token.throwIfCancelled()
 * ```
 */
export class CancellationTokenSource implements Disposable {
  readonly token: CancellationToken
  /** @internal */
  readonly options: CancellationTokenSourceOptions

  /** @throws TypeError, RangeError */
  constructor(options?: CancellationTokenSourceOptions) {
    this.options = checkOptions(options)
    const { signal, timeout = Infinity, deadline = Infinity, name, message, ref } = this.options
    checkType('name', name, 'string')
    checkType('message', message, 'string')
    checkType('ref', ref, 'boolean')
    if (typeof deadline !== 'number' || Number.isNaN(deadline)) {
      throw badValue('deadline', 'a point on the performance.now() scale', deadline)
    }
    checkMilliseconds('timeout', timeout)
    const parents = Array.isArray(signal)
      ? behindAll(signal.map(CancellationToken.from))
      : behind(CancellationToken.from(signal as Cancellation | undefined))
    this.token = new CancellationToken(parents, true)
    this.token.name = name
    if (timeout < Infinity || deadline < Infinity) {
      const now = performance.now()
      const after = Math.min(timeout, Math.max(0, deadline - now))
      const at = Math.min(now + timeout, deadline)
      this.token.limit = new Limit(this.token, at, after, this.options)
    }
  }

  /** True only for the call that did it; never throws. `reason` is kept as given, a CancelledError if there is none. */
  cancel(reason?: unknown): boolean {
    const { token } = this
    if (!token.open || causeOf(token)) return false
    begin(token, reason)
    dispatch(token)
    return true
  }

  /** Replaces the deadline by one so many milliseconds from now; `Infinity` clears it. */
  cancelAfter(after: Milliseconds): void {
    checkMilliseconds('after', after)
    const { token } = this
    if (!token.open || causeOf(token)) return
    token.limit?.clear()
    const at = performance.now() + after
    token.limit = at < Infinity ? new Limit(token, at, after, this.options) : undefined
    rearm(following(token))
  }

  /** This source will never cancel any more, nor pass on its parents' cancelling: frees links and timers. NOT a cancel. */
  close(): void {
    const { token } = this
    // Cancelled, even if it was not told yet, it stays so, and all shall hear of it. But a deadline that
    // passed and nobody has seen does not count: what arrived in time must not be cancelled now.
    let timed = false
    for (const { cause, foreign, limit } of lineage(token)) {
      if (cause || limit?.cause || foreign?.aborted) return dispatch(token)
      timed ||= limit !== undefined
    }
    const tokens = timed ? following(token) : NONE // they lose a deadline
    detach(token)
    while (linked(token)) unlink(token.next)
    token.open = false
    token.parents = NONE
    token.limit = undefined
    rearm(tokens)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

import type { Milliseconds, Registration } from '../contracts.js'
import { CancelledError, TimeoutError } from '../errors.js'
import type { CancellationToken, CancellationTokenSourceOptions } from '../token.js'
import { Alarm } from './alarm.js'
import { append, type Link, linked, unlink } from './link.js'
import { report } from './report.js'

// How it hangs together
//
// `parents` lead from a token to what can cancel it, and are always there. The way back exists only while
// somebody listens: `attach` puts an entry among the hooks of each parent, `detach` takes it out.
// So an idle token costs its parents nothing, and `cancelled` looks (`causeOf`) instead of being told.
//
// Tokens are plain data, so that two copies of this package can work on each other's. Nothing recurses.

export const NONE: readonly never[] = []
let order = 0

/** Why and when a token was cancelled; shared by all that was cancelled through it. */
export class Cause {
  readonly origin: CancellationToken
  readonly at: number
  readonly order: number // decides between causes of the same moment
  reason: unknown // undefined: the default, made on first read
  error: unknown = undefined // what is thrown where the reason is no Error

  constructor(origin: CancellationToken, at: number, order: number, reason?: unknown) {
    this.origin = origin
    this.at = at
    this.order = order
    this.reason = reason
  }
}

/** A token's own deadline. */
export class Limit extends Alarm {
  readonly token: CancellationToken
  readonly after: Milliseconds
  readonly options: CancellationTokenSourceOptions
  cause: Cause | undefined = undefined // once it has passed

  constructor(
    token: CancellationToken,
    at: number,
    after: Milliseconds,
    options: CancellationTokenSourceOptions,
  ) {
    super(at)
    this.token = token
    this.after = after
    this.options = options
  }

  ring(): void {
    const { token } = this
    // The clock may stand still where timers are driven by hand.
    if (!causeOf(token)) token.cause = pass(this)
    dispatch(token)
  }
}

// Order 0: who cancels in the moment of a deadline comes after it.
const pass = (limit: Limit): Cause => (limit.cause ??= new Cause(limit.token, limit.at, 0))

/** A hook of a token: a callback of somebody, or without one a token that hangs on it. */
export class Entry implements Link, Registration {
  next: Link = this
  prev: Link = this
  readonly owner: CancellationToken
  readonly callback: ((reason: unknown, state: never) => void) | undefined
  readonly state: unknown
  also: Entry | undefined = undefined // of a link: the next one of the same token

  constructor(owner: CancellationToken, callback: Entry['callback'], state: unknown) {
    this.owner = owner
    this.callback = callback
    this.state = state
  }

  dispose(): void {
    if (!linked(this)) return
    unlink(this)
    if (!listening(this.owner)) detach(this.owner)
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

export const listening = (token: CancellationToken): boolean =>
  linked(token) || token.controller !== undefined

/** A token and all it depends on, each once. A cancelled one depends on nothing any more. */
export function lineage(token: CancellationToken): Iterable<CancellationToken> {
  const line = [token]
  for (const { cause, parents } of line) {
    if (cause) break
    if (parents.length > 1) return ancestors(line)
    if (parents[0]) line.push(parents[0])
  }
  return line
}

function ancestors(line: CancellationToken[]): Set<CancellationToken> {
  const all = new Set(line)
  for (const { cause, parents } of all) if (!cause) for (const each of parents) all.add(each)
  return all
}

/** A token and all that hangs on it and listens, each once and after all that it derives from. */
export function following(token: CancellationToken): Iterable<CancellationToken> {
  if (!childrenOf(token).length) return [token]
  const all = new Set([token])
  const done = new Set<CancellationToken>()
  for (const item of all) {
    done.add(item)
    for (const child of childrenOf(item)) {
      if (done.has(child)) all.delete(child) // there is a longer way to it
      all.add(child)
    }
  }
  return all
}

function childrenOf(token: CancellationToken): readonly CancellationToken[] {
  let found: CancellationToken[] | undefined
  for (let link = token.next; link !== token; link = link.next) {
    const { callback, state } = link as Entry
    if (!callback) (found ??= []).push(state as CancellationToken)
  }
  return found ?? NONE
}

/** What cancelled this token first, if anything did; remembered, so that it never changes. */
export function causeOf(token: CancellationToken): Cause | undefined {
  if (token.cause) return token.cause
  let first: Cause | undefined
  let limit: Limit | undefined // the earliest of all, so that one look at the clock will do
  let rest: Iterator<CancellationToken> | undefined // once there are several parents; a line needs no list
  for (let each: CancellationToken | undefined = token; each; ) {
    const { foreign, parents }: CancellationToken = each
    const cause: Cause | undefined =
      each.cause ?? (foreign?.aborted ? begin(each, foreign.reason) : undefined)
    if (cause) {
      if (!first || (cause.at - first.at || cause.order - first.order) < 0) first = cause
    } else {
      if (each.limit && !(limit && limit.at <= each.limit.at)) limit = each.limit
      if (!rest && parents.length > 1) {
        rest = ancestors([each]).values()
        rest.next() // that is this one
      }
    }
    each = rest ? rest.next().value : cause ? undefined : parents[0]
  }
  if (limit && !(first && first.at < limit.at) && limit.at <= performance.now()) {
    first = pass(limit) // a moment's deadline comes before who cancelled in it
  }
  token.cause = first
  return first
}

/** Cancels a token by itself; telling the others is `dispatch`. */
export function begin(token: CancellationToken, reason: unknown): Cause {
  return (token.cause = new Cause(token, performance.now(), ++order, reason))
}

export function reasonOf(cause: Cause): unknown {
  if (cause.reason === undefined) {
    const { limit, name } = cause.origin
    cause.reason =
      cause === limit?.cause
        ? new TimeoutError(limit.options.message, { timeout: limit.after, operation: name })
        : new CancelledError(name ? `"${name}" was cancelled` : undefined)
  }
  return cause.reason
}

/** What a wait under a cancelled token rejects with: its reason, or where that is no Error, one caused by it. */
export function errorOf(cause: Cause): unknown {
  const reason = reasonOf(cause)
  try {
    // An Error of another realm is no instance of ours.
    if (
      reason instanceof Error ||
      /t (Error|DOMException)]/.test(Object.prototype.toString.call(reason))
    ) {
      return reason
    }
  } catch {
    // a revoked Proxy does not let itself be looked at
  }
  return (cause.error ??= new CancelledError(undefined, { cause: reason }))
}

/** Puts an entry among the hooks of its owner. */
export function hook(entry: Entry): void {
  const { owner } = entry
  if (!listening(owner)) attach(owner)
  append(owner, entry)
}

/** Somebody begins to listen: hooks the token, and what that wakes in turn, to what can cancel it. */
export function attach(token: CancellationToken): void {
  let more: CancellationToken[] | undefined
  try {
    for (let each: CancellationToken | undefined = token; each; each = more?.pop()) {
      if (each.limit || each.foreign) arm(each)
      for (const parent of each.parents) {
        if (!listening(parent)) (more ??= []).push(parent)
        const link = new Entry(parent, undefined, each)
        append(parent, link)
        link.also = each.links
        each.links = link
      }
    }
  } catch (error) {
    detach(token) // a foreign signal that lets nobody listen
    throw error
  }
}

/** Nobody listens any more: the reverse of attach. */
export function detach(token: CancellationToken): void {
  let more: CancellationToken[] | undefined
  for (let each: CancellationToken | undefined = token; each; each = more?.pop()) {
    each.limit?.clear()
    each.ignore?.()
    each.ignore = undefined
    for (let link = each.links; link; link = link.also) {
      unlink(link)
      if (!listening(link.owner)) (more ??= []).push(link.owner)
    }
    each.links = undefined
  }
}

/** A deadline has changed: whoever hangs on it may now need an alarm of its own, or no longer. */
export function rearm(tokens: Iterable<CancellationToken>): void {
  for (const token of tokens) if (listening(token)) arm(token)
}

/**
 * Listens to what can cancel this token by itself, unless a parent's deadline comes first and brings it along:
 * whose alarm may not keep the process alive, though, where this one's has to.
 */
function arm(token: CancellationToken): void {
  const { foreign, limit } = token
  if (foreign) {
    const fire = (): void => dispatch(token)
    foreign.addEventListener('abort', fire)
    token.ignore = () => foreign.removeEventListener('abort', fire)
  } else if (limit) {
    const { ref } = limit.options
    limit.clear()
    if (ref || token.parents.every(({ deadline }) => limit.at < deadline)) limit.set(!!ref)
  }
}

/** Tells everybody that `root` is cancelled. First all are marked, so that nobody ever sees half of it. */
export function dispatch(root: CancellationToken): void {
  const tokens = following(root)
  if (!causeOf(root)) return
  for (const token of tokens) causeOf(token)
  for (const token of tokens) {
    detach(token)
    token.parents = NONE
  }
  for (const { controller, cause } of tokens) controller?.abort(reasonOf(cause as never))
  for (const token of tokens) {
    while (linked(token)) {
      const entry = token.next as Entry
      unlink(entry) // first, so that it is not called again; a later one can still be disposed
      call(entry, reasonOf(token.cause as never))
    }
  }
}

export function call({ callback, state }: Entry, reason: unknown): void {
  try {
    callback?.(reason, state as never)
  } catch (error) {
    report(error)
  }
}

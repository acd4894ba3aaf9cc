import type { Milliseconds, Registration } from '../contracts.js'
import { CancelledError, TimeoutError } from '../errors.js'
import type { CancellationToken } from '../token.js'
import { Alarm } from './alarm.js'
import { Link } from './link.js'
import { report } from './report.js'

// How it hangs together
//
// `parents` lead from a token to what can cancel it, and are always there. The way back exists only while
// somebody listens: `hook` and `attach` put an entry among the hooks of each parent, `detach` takes it out.
// So an idle token costs its parents nothing, and `cancelled` looks (`causeOf`) instead of being told.
//
// Tokens are plain data, so that two copies of this package can work on each other's. Nothing recurses.

export const NONE: readonly never[] = []
let order = 0

/** Why and when a token was cancelled; shared by all that was cancelled through it. */
export class Cause {
  readonly origin: CancellationToken
  readonly at: number
  readonly order: number = ++order // decides between causes of the same moment
  reason: unknown // undefined: the default, made on first read
  error: unknown = undefined // what is thrown where the reason is no Error

  constructor(origin: CancellationToken, at: number, reason: unknown) {
    this.origin = origin
    this.at = at
    this.reason = reason
  }
}

/** A token's own deadline. */
export class Limit extends Alarm {
  readonly token: CancellationToken
  readonly after: Milliseconds
  readonly message: string | undefined
  cause: Cause | undefined = undefined // once it has passed

  constructor(token: CancellationToken, at: number, after: Milliseconds, message?: string) {
    super(at)
    this.token = token
    this.after = after
    this.message = message
  }

  ring(): void {
    const { token } = this
    // The clock may stand still where timers are driven by hand.
    if (!causeOf(token)) token.cause = pass(this)
    dispatch(token)
  }
}

const pass = (limit: Limit): Cause => (limit.cause ??= new Cause(limit.token, limit.at, undefined))

/** A hook of a token: a callback of somebody, or without one a token that hangs on it. */
export class Entry extends Link implements Registration {
  readonly owner: CancellationToken
  readonly callback: ((reason: unknown, state: never) => void) | undefined
  readonly state: unknown

  constructor(owner: CancellationToken, callback: Entry['callback'], state: unknown) {
    super()
    this.owner = owner
    this.callback = callback
    this.state = state
  }

  dispose(): void {
    if (!this.linked) return
    this.unlink()
    if (!listening(this.owner)) detach(this.owner)
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

export const listening = ({ hooks, controller }: CancellationToken): boolean =>
  !!(hooks?.linked || controller)

/** A token and all it depends on, each once. A cancelled one depends on nothing any more. */
export function lineage(token: CancellationToken): Iterable<CancellationToken> {
  const line = [token]
  for (const { cause, parents } of line) {
    if (cause) break
    if (parents.length > 1) return closure(line, (each) => (each.cause ? [] : each.parents))
    if (parents[0]) line.push(parents[0])
  }
  return line
}

/** A token and all that hangs on it and listens. */
export function following(token: CancellationToken): Set<CancellationToken> {
  return closure([token], ({ hooks }) => {
    const found: CancellationToken[] = []
    for (let link = hooks?.next; link && link !== hooks; link = link.next) {
      const { callback, state } = link as Entry
      if (!callback) found.push(state as CancellationToken)
    }
    return found
  })
}

function closure<T>(start: Iterable<T>, next: (item: T) => Iterable<T>): Set<T> {
  const all = new Set(start)
  for (const item of all) for (const each of next(item)) all.add(each)
  return all
}

/** What cancelled this token first, if anything did; remembered, so that it never changes. */
export function causeOf(token: CancellationToken): Cause | undefined {
  let { cause } = token
  if (cause) return cause
  if (!token.parents.length) cause = ownCause(token)
  else
    for (const each of lineage(token)) {
      const own = ownCause(each)
      if (own && (!cause || (own.at - cause.at || own.order - cause.order) < 0)) cause = own
    }
  token.cause = cause
  return cause
}

function ownCause(token: CancellationToken): Cause | undefined {
  const { cause, foreign, limit } = token
  if (cause) return cause
  // Not remembered by the token: a parent may have been cancelled before this deadline.
  if (limit) return limit.at <= performance.now() ? pass(limit) : undefined
  return foreign?.aborted ? begin(token, foreign.reason) : undefined
}

/** Cancels a token by itself; telling the others is `dispatch`. */
export function begin(token: CancellationToken, reason: unknown): Cause {
  return (token.cause = new Cause(token, performance.now(), reason))
}

export function reasonOf(cause: Cause): unknown {
  if (cause.reason === undefined) {
    const { limit, name } = cause.origin
    cause.reason =
      cause === limit?.cause
        ? new TimeoutError(limit.message, { timeout: limit.after, operation: name })
        : new CancelledError(name && `"${name}" was cancelled`)
  }
  return cause.reason
}

/** What a wait under a cancelled token rejects with: its reason, or where that is no Error, one caused by it. */
export function errorOf(cause: Cause): unknown {
  const reason = reasonOf(cause)
  // An Error of another realm is no instance of ours.
  if (reason instanceof Error || Object.prototype.toString.call(reason) === '[object Error]') {
    return reason
  }
  return (cause.error ??= new CancelledError(undefined, { cause: reason }))
}

/** Puts an entry among the hooks of its owner. */
export function hook(entry: Entry): void {
  const entries = [entry]
  for (const each of entries) {
    const { owner } = each
    if (!listening(owner)) entries.push(...attach(owner))
    owner.hooks ??= new Link()
    owner.hooks.append(each)
  }
}

/** Somebody begins to listen to this token: what to hook to what can cancel it. */
export function attach(token: CancellationToken): readonly Entry[] {
  arm(token)
  const { parents } = token
  if (parents.length) token.links = parents.map((parent) => new Entry(parent, undefined, token))
  return token.links
}

/** Nobody listens any more: the reverse of attach. */
export function detach(token: CancellationToken): void {
  const tokens = [token]
  for (const each of tokens) {
    each.limit?.clear()
    each.ignore?.()
    each.ignore = undefined
    for (const link of each.links) {
      link.unlink()
      if (!listening(link.owner)) tokens.push(link.owner)
    }
    each.links = NONE
  }
}

/** Listens to what can cancel this token by itself, unless a parent's deadline comes first and brings it along. */
export function arm(token: CancellationToken): void {
  const { foreign, limit } = token
  if (foreign) {
    const fire = (): void => dispatch(token)
    foreign.addEventListener('abort', fire)
    token.ignore = () => foreign.removeEventListener('abort', fire)
  } else if (limit) {
    limit.clear()
    if (token.parents.every(({ deadline }) => limit.at < deadline)) limit.set(false)
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
  for (const { hooks, cause } of tokens) {
    while (hooks?.linked) {
      const entry = hooks.next as Entry
      entry.unlink() // first, so that it is not called again; a later one can still be disposed
      call(entry, reasonOf(cause as never))
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

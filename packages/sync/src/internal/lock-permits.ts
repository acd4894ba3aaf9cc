import { AsyncVariable, badValue, type Lease, type Snapshot } from '@uno-async/core'
import { DeadlockError } from '../deadlock-error.js'
import { type Hold, holdOf } from './hold.js'
import { Permits, type Request } from './permits.js'

// The innermost hold of this flow; the others are its parents.
const flow = /*#__PURE__*/ new AsyncVariable<Hold | undefined>({ name: '@uno-async/sync' })

/** What this flow holds, innermost first. Forgets what was released. */
export function holding(): Hold | undefined {
  const innermost = stillHeld(flow.get())
  for (let hold = innermost; hold; hold = hold.parent) hold.parent = stillHeld(hold.parent)
  return innermost
}

function stillHeld(hold: Hold | undefined): Hold | undefined {
  while (hold && !hold.held) hold = hold.parent
  return hold
}

/** Runs fn in a flow that holds `lease`, too; where it stands for several, these, the last innermost. */
export function runHolding<R>(
  lease: Lease & { readonly local?: readonly Lease[] },
  fn: () => R,
): R {
  let innermost = holding()
  for (const each of lease.local ?? [lease]) {
    const hold = holdOf(each)
    if (!hold) continue
    hold.parent = innermost
    innermost = hold
  }
  return flow.run(innermost, fn)
}

/** A single permit that knows the flow which holds it. */
export class LockPermits extends Permits {
  reentrant = false
  outer: Hold | undefined = undefined // this is the line of those who re-enter that hold

  override enter(options?: Request): Lease | Promise<Lease> {
    const held = options?.held
    const mine = this.outer ? undefined : held === undefined ? this.mine() : this.own(held)
    return mine ? nest(mine).enter(options) : super.enter(options)
  }

  override tryEnter(options?: { label?: string | undefined }): Lease | undefined {
    const mine = this.reentrant ? this.mine() : undefined
    return mine ? nest(mine).tryEnter(options) : super.tryEnter(options)
  }

  override idle(): void {
    const { outer } = this
    if (outer) outer.permits.settle(outer)
    else super.idle()
  }

  override get waiting(): number {
    return super.waiting + (this.first?.inner?.waiting ?? 0)
  }

  override inspect(): Snapshot {
    const snapshot = super.inspect()
    const inner = this.first?.inner?.inspect().waiters
    return inner?.length ? { ...snapshot, waiters: [...inner, ...snapshot.waiters] } : snapshot
  }

  override describe(hold: Hold, now: number): Snapshot['holders'][number] {
    let depth = 0
    for (let each: Hold | undefined = hold; each; each = each.inner?.first) depth++
    return { ...super.describe(hold, now), depth }
  }

  /** The innermost hold of this flow on this lock, to enter once more. @throws DeadlockError where that is not allowed */
  mine(): Hold | undefined {
    if (!this.first) return undefined
    const innermost = holding()
    let mine = innermost
    while (mine && rootOf(mine) !== this) mine = mine.parent
    if (!mine || this.reentrant) return mine
    const cycle = [this.title]
    for (let hold = innermost; hold && hold !== mine; hold = hold.parent) {
      cycle.unshift(hold.permits.title)
    }
    throw new DeadlockError(undefined, { cycle: [this.title, ...cycle] })
  }

  /** The hold behind a lease given as `held`; undefined if it is held no more. */
  own(held: Lease): Hold | undefined {
    const hold = holdOf(held)
    if (hold && rootOf(hold) === this) return hold.held ? hold : undefined
    throw badValue('held', `a lease of ${this.title}`, held, TypeError)
  }
}

function nest(hold: Hold): LockPermits {
  const { kind, name, maxWaiting } = hold.permits
  const inner = (hold.inner ??= new LockPermits(kind, 1, { name, maxWaiting })) as LockPermits
  inner.outer = hold
  return inner
}

/** What this is a hold on, however deep it re-entered. */
export function rootOf(hold: Hold): Permits {
  let { permits } = hold
  for (let outer = (permits as LockPermits).outer; outer; outer = (permits as LockPermits).outer) {
    permits = outer.permits
  }
  return permits
}

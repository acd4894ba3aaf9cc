import {
  type AcquireOptions,
  badValue,
  CancellationToken,
  checkInteger,
  checkMilliseconds,
  checkOptions,
  type Lease,
  type Milliseconds,
  QueueFullError,
  type Snapshot,
  type TimeoutError,
  type WaitOptions,
  WaitQueue,
} from '@uno-async/core'
import { checkCount, checkString, type QueueOptions } from '../options.js'
import { turnNow } from './clock.js'
import { Hold } from './hold.js'
import { type Closed, closedError, span, timeoutError, titleOf } from './messages.js'
import { nothing } from './nothing.js'
import { observer } from './observer.js'

/** What all of the family ask for. */
export interface Request extends AcquireOptions {
  weight?: number | undefined
  held?: Lease | undefined
  /** Makes the error, where it is not about this wait alone. */
  onTimeout?: ((timeout: Milliseconds, hold: Hold) => unknown) | undefined
}

/** Permits that are lent out, first come, first served: what locks, semaphores and limiters are made of. */
export class Permits {
  readonly kind: string
  readonly name: string
  readonly maxWaiting: number
  capacity: number
  paused = false // nobody gets any
  held = 0 // the weights of all holders
  first: Hold | undefined = undefined
  last: Hold | undefined = undefined
  queue: WaitQueue<Lease, Hold> | undefined = undefined // made for the first who waits
  idlers: WaitQueue | undefined = undefined
  closed: Closed | undefined = undefined
  // Invariants, true whenever no method of ours is on the stack:
  //   I1  `held` is the sum of the weights from `first` to `last`
  //   I2  who is next in the line wants more than is available, unless all are paused
  //   I3  a hold is among the holders from its grant until it and all that re-entered it are released

  constructor(kind: string, capacity: number, options?: QueueOptions) {
    const { name = '', maxWaiting = Infinity } = checkOptions(options)
    this.kind = kind
    this.capacity = capacity
    this.name = checkString('name', name)
    this.maxWaiting = checkCount('maxWaiting', maxWaiting)
  }

  get available(): number {
    return this.capacity - this.held
  }

  get waiting(): number {
    return this.queue?.size ?? 0
  }

  get busy(): boolean {
    return !!(this.held || this.queue?.size)
  }

  get title(): string {
    return titleOf(this.kind, this.name)
  }

  /** A lease at once, or else a place in the line. */
  enter(options?: Request): Lease | Promise<Lease> {
    const {
      weight,
      label,
      signal,
      timeout = Infinity,
      priority = 0,
      onTimeout = late,
    } = checkOptions(options)
    checkMilliseconds('timeout', timeout)
    if (typeof priority !== 'number' || Number.isNaN(priority)) {
      throw badValue('priority', 'a number', priority)
    }
    const hold = this.request(weight, label)
    if (signal !== undefined) CancellationToken.from(signal).throwIfCancelled()
    if (this.closed) throw closedError(this.title, this.closed)
    if (this.fits(hold.weight, priority)) return this.grant(hold, performance.now())
    if (!timeout) throw onTimeout(timeout, hold)
    if (this.waiting >= this.maxWaiting) {
      throw new QueueFullError(`${this.title} is full: ${this.state()}`)
    }
    hold.priority = priority
    const queue = (this.queue ??= new WaitQueue(line))
    const { size } = queue
    const waiting = queue.wait({ signal, timeout, priority, tag: hold, onTimeout })
    if (queue.size > size) observer?.waiting(hold) // else it was cancelled on the way in
    return waiting
  }

  tryEnter(options?: Pick<Request, 'weight' | 'label'>): Lease | undefined {
    const { weight, label } = checkOptions(options)
    const hold = this.request(weight, label)
    return this.closed || !this.fits(hold.weight, 0) ? undefined : this.grant(hold, turnNow())
  }

  request(weight: number | undefined, label: string | undefined): Hold {
    if (weight !== undefined) {
      checkInteger('weight', weight, 1)
      // Of nothing everybody waits.
      if (this.capacity && weight > this.capacity) {
        throw badValue('weight', `at most ${this.capacity}`, weight)
      }
    }
    if (label !== undefined) checkString('label', label)
    return new Hold(this, weight ?? 1, label)
  }

  has(weight: number): boolean {
    return !this.paused && weight <= this.available
  }

  /** Is there enough, and nobody ahead? */
  fits(weight: number, priority: number): boolean {
    const { queue } = this
    // Who is cancelled, but was not told yet, is in nobody's way.
    if (queue?.size && (this.has(weight) || this.waiting >= this.maxWaiting)) this.pump()
    if (!this.has(weight)) return false
    const head = queue?.size ? queue.head : undefined
    return !head || priority > head.priority
  }

  grant(hold: Hold, now: number): Lease {
    hold.held = true
    hold.since = now
    this.held += hold.weight
    const { last } = this
    if (last) {
      hold.prev = last
      last.next = hold
    } else this.first = hold
    this.last = hold
    return observer ? observer.granted(hold) : hold
  }

  /** Gives back what is held no more, once. */
  settle(hold: Hold): void {
    const { prev, next } = hold
    if (hold.held || hold.inner?.busy || !(prev || this.first === hold)) return
    if (prev) prev.next = next
    else this.first = next
    if (next) next.prev = prev
    else this.last = prev
    hold.prev = hold.next = undefined
    this.held -= hold.weight
    observer?.released(hold)
    this.pump()
  }

  /** Hands over what is free, in order. */
  pump(): void {
    while (this.queue?.offer(give)) {}
    if (!this.busy) this.idle()
  }

  /** Nobody holds or waits. */
  idle(): void {
    this.idlers?.wakeAll()
  }

  async whenIdle(options?: WaitOptions): Promise<void> {
    if (!this.busy) return nothing(options)
    const onTimeout = (timeout: Milliseconds) => late(timeout, { permits: this })
    return (this.idlers ??= new WaitQueue()).wait({ ...checkOptions(options), onTimeout })
  }

  close(reason: unknown): void {
    const closed = (this.closed ??= { reason })
    this.rejectAll(() => closedError(this.title, closed))
  }

  rejectAll(error: () => unknown): number {
    const rejected = this.queue?.rejectAll((hold: Hold) => {
      observer?.left(hold)
      return error()
    })
    this.pump()
    return rejected ?? 0
  }

  inspect(): Snapshot {
    const now = performance.now()
    const holders: Snapshot['holders'][number][] = []
    for (let hold = this.first; hold; hold = hold.next) holders.push(this.describe(hold, now))
    return {
      name: this.name,
      capacity: this.capacity,
      available: this.available,
      closed: !!this.closed,
      holders,
      waiters: [...(this.queue ?? [])].map(({ tag, age, priority }) => ({
        ...identify(tag),
        waitedFor: age,
        priority,
      })),
    }
  }

  describe(hold: Hold, now: number): Snapshot['holders'][number] {
    return { ...identify(hold), heldFor: now - hold.since }
  }

  /** For messages: who holds, how many wait. */
  state(): string {
    const { first } = this
    const held =
      first &&
      `${first === this.last ? 'held' : `${this.held} permits held, the longest`} for ${span(
        performance.now() - first.since,
      )}${first.label === undefined ? '' : ` by "${first.label}"`}, `
    return `${held ?? ''}${this.waiting} waiting`
  }
}

/** What they get who waited too long. */
export const late = (timeout: Milliseconds, { permits }: Pick<Hold, 'permits'>): TimeoutError =>
  timeoutError(permits.title, timeout, permits.state())

// What the line calls: functions of the hold, so that none is made for each lock or wait.
const give = (hold: Hold): Lease | undefined => {
  const { permits, weight } = hold
  return permits.has(weight) ? permits.grant(hold, performance.now()) : undefined
}
const line = {
  onLeave: (hold: Hold): void => {
    observer?.left(hold)
    hold.permits.pump()
  },
}

const identify = ({ id, label, weight }: Hold): { id: number; label?: string; weight: number } =>
  label === undefined ? { id, weight } : { id, label, weight }

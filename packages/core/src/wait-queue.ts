import { badValue, checkFunction, checkMilliseconds, checkOptions } from './check.js'
import type { Milliseconds, Registration, WaitOptions } from './contracts.js'
import { TimeoutError } from './errors.js'
import { Alarm } from './internal/alarm.js'
import { append, type Link, linked, unlink } from './internal/link.js'
import { report } from './internal/report.js'
import { CancellationToken } from './token.js'

/** How to wait in a {@link WaitQueue}. */
export interface QueueWaitOptions<Tag = undefined> extends WaitOptions {
  /** Who is this: given back by `head`, iteration, `offer` and the hooks. */
  tag?: Tag
  /** Higher goes first, first come first served within one; default 0. */
  priority?: number | undefined
  /** Makes the error of a wait that took too long; default a TimeoutError. */
  onTimeout?: ((timeout: Milliseconds, tag: Tag) => unknown) | undefined
}

/** One who waits, as iteration tells it. */
export interface Waiting<Tag = undefined> {
  readonly tag: Tag
  /** How long it has waited, in milliseconds. */
  readonly age: Milliseconds
  readonly priority: number
}

class Lane implements Link {
  next: Link = this
  prev: Link = this
  readonly priority: number

  constructor(priority: number) {
    this.priority = priority
  }
}

class Waiter<T, Tag> implements Link {
  next: Link = this
  prev: Link = this
  readonly queue: WaitQueue<T, Tag>
  readonly options: QueueWaitOptions<Tag>
  readonly token: CancellationToken | undefined // undefined: cannot be cancelled
  readonly resolve: (value: T) => void
  readonly reject: (error: unknown) => void
  readonly since: number = performance.now()
  registration: Registration | undefined = undefined
  alarm: Patience | undefined = undefined

  constructor(
    queue: WaitQueue<T, Tag>,
    options: QueueWaitOptions<Tag>,
    token: CancellationToken | undefined,
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ) {
    this.queue = queue
    this.options = options
    this.token = token
    this.resolve = resolve
    this.reject = reject
  }
}

class Patience extends Alarm {
  readonly waiter: Waiter<never, never>

  constructor(waiter: Waiter<never, never>, at: number) {
    super(at)
    this.waiter = waiter
  }

  ring(): void {
    const { waiter } = this
    waiter.queue.evict(waiter, timeoutOf(waiter.options))
  }
}

/**
 * First-in-first-out line of cancellable waiters: what every lock, pool and limiter waits on. Whoever
 * holds what they wait for hands it over with `wake` or `offer`.
 *
 * Each waiter has exactly one outcome, fixed synchronously: granted, cancelled, timed out or rejected;
 * cancelling a granted one changes nothing. One whose signal is cancelled is never granted, even if it
 * was not told yet. Joining, leaving and waking are O(1), and leave no timer, listener or reference.
 *
 * @example
 * ```ts
 * import { WaitQueue } from '@uno-async/core'
 * const queue = new WaitQueue<string>()
 * const waiting = queue.wait({ timeout: 1_000 })
 * queue.wake('your turn') // true
 * await waiting // 'your turn'
 * ```
 */
export class WaitQueue<T = void, Tag = undefined> {
  readonly #onLeave: ((tag: Tag) => void) | undefined
  #lanes: Lane[] = [] // one for each priority in use, highest last
  #size = 0
  // Invariants:
  //   I1  #size is the number of waiters in all lanes
  //   I2  a waiter has a registration and an alarm only while it is in a lane

  /** @param options - `onLeave`: told who left by cancellation or timeout, so that a blocked line can move on; what it throws is reported (`reportError`) */
  constructor(options?: { onLeave?: ((tag: Tag) => void) | undefined }) {
    const { onLeave } = checkOptions(options)
    if (onLeave !== undefined) checkFunction('onLeave', onLeave)
    this.#onLeave = onLeave
  }

  /** How many wait. */
  get size(): number {
    return this.#size
  }

  /** The tag of who is next, undefined if nobody waits. */
  get head(): Tag | undefined {
    for (const waiter of this.#waiters()) {
      if (!waiter.token?.cancelled) return waiter.options.tag
    }
    return undefined
  }

  /** Who waits, in the order in which they will be woken. */
  [Symbol.iterator](): IterableIterator<Waiting<Tag>> {
    const now = performance.now()
    // All at once: whoever looks may make them leave.
    return Array.from(this.#waiters(), ({ options, since }) => ({
      tag: options.tag as Tag,
      age: now - since,
      priority: options.priority ?? 0,
    })).values()
  }

  /**
   * Joins the line. Resolves with what is handed over; rejects when cancelled, timed out or rejected.
   * Already cancelled, or `timeout: 0`: rejects without joining.
   */
  wait(given?: QueueWaitOptions<Tag>): Promise<T> {
    return new Promise((resolve, reject) => {
      const options = checkOptions(given)
      const { signal, timeout = Infinity, priority = 0, onTimeout } = options
      checkMilliseconds('timeout', timeout)
      if (typeof priority !== 'number' || Number.isNaN(priority)) {
        throw badValue('priority', 'a number', priority)
      }
      if (onTimeout !== undefined) checkFunction('onTimeout', onTimeout)
      const token = signal === undefined ? undefined : CancellationToken.from(signal)
      token?.throwIfCancelled()
      if (timeout === 0) throw timeoutOf(options)
      const waiter = new Waiter(this, options, token, resolve, reject)
      append(this.#lane(priority), waiter)
      this.#size++
      try {
        waiter.registration = token?.onCancelled(evictCancelled, waiter)
      } catch (error) {
        this.#remove(waiter) // of a signal that lets nobody listen
        throw error
      }
      if (timeout !== Infinity && linked(waiter)) {
        waiter.alarm = new Patience(waiter as never, waiter.since + timeout)
        waiter.alarm.set(true)
      }
    })
  }

  /** Hands `value` to who is next; false if nobody took it. */
  wake(value: T): boolean {
    return this.#grant(undefined, value)
  }

  /**
   * Asks `make` what to give to who is next, and hands it over; undefined leaves them waiting. True if
   * somebody was woken. `make` must not touch the queue.
   */
  offer(make: (tag: Tag) => T | undefined): boolean {
    return this.#grant(make, undefined)
  }

  /** Hands `value` to everybody who waits; how many took it. */
  wakeAll(value: T): number {
    let woken = 0
    while (this.#grant(undefined, value)) woken++
    return woken
  }

  /**
   * Rejects everybody who waits with `reason`, or with what it makes for each if it is a function; how many. Who is
   * cancelled by then rejects with that.
   */
  rejectAll(reason: unknown): number {
    const rejected = this.#size
    for (let waiter = this.#first(); waiter; waiter = this.#first()) {
      this.#remove(waiter)
      const { options, token } = waiter
      const error = typeof reason === 'function' ? caught(() => reason(options.tag)) : reason
      // Who was cancelled before this, and was not told yet, stays so.
      waiter.reject(token?.cancelled ? token.error : error)
    }
    return rejected
  }

  /** @internal */
  evict(waiter: Waiter<T, Tag>, error: unknown): void {
    if (!this.#remove(waiter)) return
    waiter.reject(error)
    this.#tell(waiter)
  }

  #grant(make: ((tag: Tag) => T | undefined) | undefined, value: T | undefined): boolean {
    let dead: Waiter<T, Tag>[] | undefined
    let waiter = this.#first()
    for (; waiter?.token?.cancelled; waiter = this.#first()) {
      this.#remove(waiter)
      waiter.reject(waiter.token.error)
      ;(dead ??= []).push(waiter)
    }
    try {
      const given = waiter && make ? make(waiter.options.tag as Tag) : value
      const granted = waiter !== undefined && (!make || given !== undefined) && this.#remove(waiter)
      if (granted) waiter?.resolve(given as T)
      return granted
    } finally {
      // Last, since the owner may come back with another offer.
      dead?.forEach(this.#tell, this)
    }
  }

  #tell({ options }: Waiter<T, Tag>): void {
    try {
      this.#onLeave?.(options.tag as Tag)
    } catch (error) {
      report(error) // whoever wakes has nothing to do with it
    }
  }

  #remove(waiter: Waiter<T, Tag>): boolean {
    if (!linked(waiter)) return false
    unlink(waiter)
    this.#size--
    waiter.registration?.dispose()
    waiter.alarm?.clear()
    return true
  }

  #first(): Waiter<T, Tag> | undefined {
    const lanes = this.#lanes
    let lane = lanes.at(-1)
    for (; lane && !linked(lane); lane = lanes.at(-1)) lanes.pop()
    return lane?.next as Waiter<T, Tag> | undefined
  }

  #lane(priority: number): Lane {
    const lanes = this.#lanes
    let low = 0
    for (let high = lanes.length; low < high; ) {
      const middle = (low + high) >> 1
      if ((lanes[middle] as Lane).priority < priority) low = middle + 1
      else high = middle
    }
    let lane = lanes[low]
    if (lane?.priority !== priority) {
      lanes.splice(low, 0, (lane = new Lane(priority)))
      // Those of priorities that nobody uses any more must not pile up.
      if (lanes.length > 2 * this.#size + 9)
        this.#lanes = lanes.filter((it) => it === lane || linked(it))
    }
    return lane
  }

  *#waiters(): Iterable<Waiter<T, Tag>> {
    const lanes = this.#lanes
    for (let i = lanes.length; i--; ) {
      const lane = lanes[i] as Lane
      for (let link = lane.next; link !== lane; link = link.next) {
        yield link as Waiter<T, Tag>
      }
    }
  }
}

function evictCancelled<T, Tag>(_reason: unknown, waiter: Waiter<T, Tag>): void {
  waiter.queue.evict(waiter, (waiter.token as CancellationToken).error)
}

function timeoutOf<Tag>({ onTimeout, timeout, tag }: QueueWaitOptions<Tag>): unknown {
  return onTimeout
    ? caught(() => onTimeout(timeout as number, tag as Tag))
    : new TimeoutError(undefined, { timeout })
}

/** What makes an error is rejected with what it throws, if it does. */
function caught(make: () => unknown): unknown {
  try {
    return make()
  } catch (error) {
    return error
  }
}

import {
  type AcquireOptions,
  badValue,
  CancellationToken,
  ClosedError,
  checkMilliseconds,
  checkOptions,
  type Milliseconds,
  QueueFullError,
  TimeoutError,
  UnoAsyncError,
  type WaitOptions,
  WaitQueue,
} from '@uno-async/core'
import type { DestroyReason, PoolCloseResult, PoolEvent, PoolStats } from '../types.js'
import { call } from './call.js'
import { Creator } from './creator.js'
import { Examiner } from './examiner.js'
import { Idle } from './idle.js'
import { Leaks } from './leaks.js'
import { limit } from './limit.js'
import { checkString, DESTROY_TIMEOUT, defined, MAX_BACKOFF, type Settings } from './options.js'
import { Slot, SlotLease, timeoutError } from './slot.js'

/** The workings of a pool. */
export class Engine<T> {
  readonly options: Settings<T>
  readonly who: string
  readonly queue: WaitQueue<SlotLease<T>, SlotLease<T>>
  isDead: ((resource: T) => boolean) | undefined = undefined // known without asking
  closed = false
  borrowed = 0
  readonly #slots = new Set<Slot<T>>() // all whose resource is not gone for good
  readonly #idle: Idle<T>
  readonly #creator: Creator<T>
  readonly #examiner: Examiner<T>
  readonly #leaks: Leaks<T>
  #dying = 0 // slots being destroyed
  #created = 0
  #destroyed = 0
  #closing: Promise<PoolCloseResult> | undefined = undefined
  readonly #readiness = new WaitQueue() // ready()
  readonly #emptied = new WaitQueue() // close()
  readonly #errors: unknown[] = [] // for close()
  // Invariants, true whenever no code of a user is on the stack:
  //   I1  #total <= max, but after a resize()
  //   I2  a slot is idle, or borrowed, or something is being done with it
  //   I3  who waits has a validation, a create or a retry on its way, or all there may be is in use

  constructor(options: Settings<T>) {
    const { name, min } = options
    this.options = options
    this.who = name === undefined ? 'AsyncResourcePool' : `AsyncResourcePool "${name}"`
    this.queue = new WaitQueue({ onLeave: () => this.checkEmpty() })
    this.#creator = new Creator(this)
    this.#examiner = new Examiner(this)
    this.#idle = new Idle(this)
    this.#leaks = new Leaks(this)
    // Not at once: `create` may refer to the variable that the pool is about to be kept in.
    if (min) void Promise.resolve().then(() => this.pump())
  }

  get held(): Slot<T>[] {
    return [...this.#slots].filter(({ holder }) => holder)
  }

  get #total(): number {
    return this.#slots.size + this.#creator.creating + this.#creator.overran
  }

  /** Does anybody wait? Then what they wait for keeps the process alive. */
  get isAwaited(): boolean {
    return this.closed || this.queue.size + this.#readiness.size > 0
  }

  get #living(): number {
    return this.#slots.size - this.#dying
  }

  /** May one go only because it is idle? */
  get isSpare(): boolean {
    return this.#living > this.options.min
  }

  stats(): PoolStats {
    const { borrowed, options } = this
    const { min, max } = options
    const { creating, failed } = this.#creator
    const idle = this.#idle.slots.length
    return {
      total: this.#total,
      idle,
      borrowed,
      creating,
      busy: this.#slots.size - idle - borrowed,
      waiting: this.queue.size,
      min,
      max,
      created: this.#created,
      destroyed: this.#destroyed,
      failed,
    }
  }

  /** A lease, if that takes no waiting. */
  take(label: string | undefined): SlotLease<T> | undefined {
    checkString('label', label)
    while (!this.queue.size && !this.closed) {
      const slot = this.#idle.next
      if (!slot) return
      const now = performance.now()
      const dead = now >= slot.diesAt || this.isDead?.(slot.resource)
      if (!dead && this.#isUntrusted(slot, now)) return
      this.#idle.remove(slot)
      if (!dead) return this.#lend(slot, new SlotLease(this, label), now)
      this.offer(slot) // to nobody: it is in the way of the others
    }
  }

  acquire(options: AcquireOptions | undefined): Promise<SlotLease<T>> {
    try {
      const {
        signal,
        timeout = this.options.acquireTimeout,
        priority = 0,
        label,
      } = checkOptions(options)
      if (signal !== undefined) CancellationToken.from(signal).throwIfCancelled()
      checkMilliseconds('timeout', timeout)
      // At once, not only when somebody has to wait.
      if (typeof priority !== 'number' || Number.isNaN(priority)) {
        throw badValue('priority', 'a number', priority)
      }
      if (this.closed) throw this.#closedError()
      const lease = this.take(label)
      if (lease) return Promise.resolve(lease)
      const { max, maxWaiting } = this.options
      const room = Math.max(0, max - this.borrowed - this.#creator.overran)
      // Those do not count for whom there is room.
      if (timeout && this.queue.size - room >= maxWaiting) {
        throw new QueueFullError(`${this.who}: ${maxWaiting} are waiting already`)
      }
      const tag = new SlotLease(this, label)
      const waiting = this.queue.wait({
        tag,
        signal,
        timeout,
        priority,
        onTimeout: this.#onTimeout,
      })
      this.pump()
      return waiting
    } catch (error) {
      return Promise.reject(error)
    }
  }

  readonly #onTimeout = (timeout: Milliseconds): unknown =>
    timeoutError(this.who, timeout, this.stats(), this.held, this.#creator.lastError)

  async ready(options: WaitOptions | undefined): Promise<void> {
    const { signal, timeout = Infinity } = checkOptions(options)
    CancellationToken.from(signal).throwIfCancelled()
    checkMilliseconds('timeout', timeout)
    if (this.closed) throw this.#closedError()
    if (this.#isReady) return
    const waiting = this.#readiness.wait({
      signal,
      timeout,
      onTimeout: () =>
        new TimeoutError(
          `${this.who} is not ready: ${this.#living} of ${this.options.min}`,
          defined({ timeout, cause: this.#creator.lastError }),
        ),
    })
    this.#creator.gaveUp = false
    this.pump()
    return waiting
  }

  /** Does all there is to do: hands over, validates, creates. */
  pump(): void {
    const { queue } = this
    for (
      let slot = this.#idle.next;
      slot && queue.size > this.#examiner.validating;
      slot = this.#idle.next
    ) {
      this.#idle.remove(slot)
      if (!this.#whyNot(slot) && this.#isUntrusted(slot, performance.now())) {
        void this.#examiner.examine(slot, 'validate')
      } else this.offer(slot)
    }
    // Looks anew each time: `create` may come back here.
    while (this.#total < this.options.max && this.#isWanted && this.#creator.begin()) {}
    if (this.#isReady) this.#readiness.wakeAll()
  }

  /** A create belongs to nobody: as many as are wanted, less those on their way. */
  get #isWanted(): boolean {
    const { creating, gaveUp } = this.#creator
    return (
      this.queue.size > creating + this.#examiner.validating ||
      (this.#living + creating < this.options.min && !this.closed && !gaveUp)
    )
  }

  /** Lets go of idle ones that must not be lent any more. */
  trim(): void {
    for (const slot of [...this.#idle.slots]) {
      const reason = this.#whyNot(slot)
      if (reason && this.#idle.remove(slot)) void this.destroy(slot, reason)
    }
    this.#idle.arm() // there may be fewer to keep
  }

  giveBack(slot: Slot<T>, destroy: DestroyReason | undefined): void {
    this.#unlend(slot)
    if (destroy) void this.destroy(slot, destroy)
    else if (this.options.reset && !this.#whyNot(slot)) void this.#examiner.examine(slot, 'reset')
    else this.offer(slot)
  }

  close(timeout: Milliseconds, drain: boolean): Promise<PoolCloseResult> {
    if (!this.#closing) {
      this.closed = true
      let begin!: () => void
      // There before it begins: what that destroys may close the pool, too.
      this.#closing = new Promise((resolve) => {
        begin = () => resolve(this.#close(timeout, drain))
      })
      begin()
    }
    return this.#closing
  }

  get #isReady(): boolean {
    return this.#living >= this.options.min
  }

  get #isSurplus(): boolean {
    const { creating, overran } = this.#creator
    return this.#living + creating + overran > this.options.max
  }

  #isUntrusted({ idleSince }: Slot<T>, now: number): boolean {
    const { validate, validateAfterIdle } = this.options
    return validate !== undefined && now - idleSince >= validateAfterIdle
  }

  #lend(slot: Slot<T>, lease: SlotLease<T>, now: number): SlotLease<T> {
    if (!slot.uses++) this.#creator.proved()
    this.borrowed++
    lease.grant(slot, now)
    this.#leaks.watch(slot, lease.stack)
    return lease
  }

  #unlend(slot: Slot<T>): void {
    this.borrowed--
    slot.holder = 0
    slot.alarm?.dispose()
  }

  /** To who is next, or to the idle ones. */
  offer(slot: Slot<T>): void {
    const { queue } = this
    const { maxIdle, min } = this.options
    let reason = this.#whyNot(slot)
    if (!reason) {
      if (queue.size && queue.offer((lease) => this.#lend(slot, lease, performance.now()))) return
      if (this.closed) reason = 'closed'
      else if (this.#idle.slots.length < Math.max(maxIdle, min)) return this.#idle.add(slot)
    }
    void this.destroy(slot, reason ?? 'idle')
  }

  /** Why it must not be lent again, if so. */
  #whyNot(slot: Slot<T>): DestroyReason | undefined {
    if (slot.broken || this.isDead?.(slot.resource)) return 'broken'
    if (this.closed && !this.queue.size) return 'closed'
    if (slot.uses >= this.options.maxUses) return 'uses'
    // The clock is not looked at for what does not age.
    if (slot.diesAt < Infinity && performance.now() >= slot.diesAt) return 'lifetime'
    return this.#isSurplus ? 'surplus' : undefined
  }

  landed(resource: T, late: boolean, attempt: number): void {
    const { maxLifetime, lifetimeJitter, onBroken } = this.options
    const lifetime = maxLifetime * (1 - lifetimeJitter * Math.random())
    const slot = new Slot(resource, performance.now(), lifetime)
    this.#slots.add(slot)
    this.#created++
    if (late) return void this.destroy(slot, 'late')
    this.#leaks.register(slot)
    this.emit({ type: 'created' })
    let cause: unknown
    // Who dies before anybody could have it is no better than a create that fails.
    const fail = (): void =>
      this.#creator.fail(new UnoAsyncError(`${this.who}: a new one died`, { cause }), attempt)
    call(onBroken, resource, (reason?: unknown) => {
      const isNews = !slot.broken
      slot.broken = true
      cause = reason
      if (this.#idle.remove(slot) || this.#examiner.leave(slot, reason)) {
        if (!slot.uses && performance.now() - slot.idleSince < MAX_BACKOFF) fail()
        void this.destroy(slot, 'broken')
      }
      if (isNews && reason !== undefined) this.emit({ type: 'broken', error: reason })
    })
    const why = this.#whyNot(slot)
    if (why === 'broken' || why === 'lifetime') fail()
    this.offer(slot)
  }

  /** Nobody is to wait for a create that was given up. */
  gaveUp(reason: unknown): void {
    // Wrapped: what was thrown may be a function.
    this.queue.rejectAll(() => reason)
    this.#readiness.rejectAll(() => reason)
  }

  /** Its place is free when that has settled, or takes too long. */
  async destroy(slot: Slot<T>, reason: DestroyReason): Promise<void> {
    const { destroy, destroyTimeout } = this.options
    this.#leaks.unregister(slot)
    slot.broken = true // that it ends now is no news
    this.#destroyed++
    this.#dying++
    try {
      const work = CancellationToken.none.run(() => destroy(slot.resource, reason))
      const { token } = limit(this.who, 'destroy', destroyTimeout, { ref: this.isAwaited })
      await token.race(Promise.resolve(work))
      this.emit({ type: 'destroyed', reason })
    } catch (error) {
      if (this.closed) this.#errors.push(error)
      this.emit({ type: 'destroy-failed', reason, error })
    }
    this.#dying--
    this.#slots.delete(slot)
    this.checkEmpty()
    this.pump()
  }

  async #close(timeout: Milliseconds, drain: boolean): Promise<PoolCloseResult> {
    const turnAway = (): void => {
      this.queue.rejectAll(() => this.#closedError())
      this.checkEmpty()
    }
    this.#readiness.rejectAll(() => this.#closedError())
    const emptied = timeout ? this.#emptied.wait({ timeout }) : Promise.reject()
    if (drain) this.checkEmpty()
    else turnAway()
    let forced: Slot<T>[] = []
    try {
      await emptied
    } catch {
      turnAway()
      forced = this.held
      for (const slot of forced) this.#unlend(slot)
      const { slots } = this.#examiner
      const left = slots.filter((slot) => this.#examiner.leave(slot, this.#closedError()))
      const all = [...forced, ...left]
      const destroyed = Promise.all(all.map((slot) => this.destroy(slot, 'closed')))
      // This is to settle, whatever does not.
      const endless = this.options.destroyTimeout === Infinity
      const patience = limit(this.who, 'close', endless ? DESTROY_TIMEOUT : Infinity, { ref: true })
      await patience.token.race(destroyed).catch(() => {})
      patience.close()
      const dying = this.#dying
      if (dying) {
        const message = `${this.who}: ${dying} still being destroyed after ${timeout} ms`
        this.#errors.push(new TimeoutError(message, { timeout }))
      }
    }
    return { forced: forced.length, errors: [...this.#errors] }
  }

  /** Closed, and nobody waits any more: lets go of what is left, and tells close() when all is gone. */
  checkEmpty(): void {
    if (!this.closed || this.queue.size) return
    this.#creator.stop(this.#closedError())
    this.trim()
    if (!this.#total) this.#emptied.wakeAll()
  }

  #closedError(): ClosedError {
    return new ClosedError(`${this.who} is closed`)
  }

  emit(event: PoolEvent): void {
    call(this.options.onEvent, event)
  }
}

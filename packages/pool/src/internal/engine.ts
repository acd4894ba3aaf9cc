import {
  type AcquireOptions,
  CancellationToken,
  ClosedError,
  checkMilliseconds,
  type Milliseconds,
  QueueFullError,
  report,
  TimeoutError,
  UnoAsyncError,
  type WaitOptions,
  WaitQueue,
} from '@uno-async/core'
import type { DestroyReason, PoolCloseResult, PoolEvent, PoolLease, PoolStats } from '../types.js'
import { type Client, Creator } from './creator.js'
import { examine } from './examine.js'
import { Idle } from './idle.js'
import { Leaks } from './leaks.js'
import { limit } from './limit.js'
import { checkObject, MAX_BACKOFF, type Settings } from './options.js'
import { type Asker, type Owner, Slot, SlotLease, timeoutError } from './slot.js'

/** The workings of a pool. */
export class Engine<T> implements Owner<T>, Client<T> {
  readonly options: Settings<T>
  readonly who: string
  readonly queue: WaitQueue<PoolLease<T>, Asker & { readonly id: number }>
  readonly #readiness = new WaitQueue()
  readonly #slots = new Set<Slot<T>>() // all whose resource is not gone for good
  readonly #idle: Idle<T>
  readonly #creator: Creator<T>
  readonly #leaks: Leaks<T>
  closed = false
  isDead: ((resource: T) => boolean) | undefined = undefined // known without asking
  #checking = 0 // slots being validated for somebody who waits
  #dying = 0 // slots being destroyed
  #ids = 0
  #created = 0
  #destroyed = 0
  #closing: Promise<PoolCloseResult> | undefined = undefined
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
    this.#creator = new Creator(options, this)
    this.#idle = new Idle(
      options,
      () => this.#living > options.min,
      (slot, reason) => void this.#destroy(slot, reason),
    )
    this.#leaks = new Leaks(
      options,
      this.who,
      (leak) => this.#call(options.onLeak, leak),
      (slot) => {
        // What it lent may still be in use: nobody else may get it.
        this.#unlend(slot)
        void this.#destroy(slot, 'leaked')
      },
    )
    // Not at once: `create` may refer to the variable that the pool is about to be kept in.
    if (min) void Promise.resolve().then(() => this.pump())
  }

  get held(): Slot<T>[] {
    return [...this.#slots].filter(({ holder }) => holder)
  }

  get #total(): number {
    return this.#slots.size + this.#creator.creating + this.#creator.overran
  }

  get #room(): number {
    return Math.max(0, this.options.max - this.held.length - this.#creator.overran)
  }

  get #living(): number {
    return this.#slots.size - this.#dying
  }

  stats(): PoolStats {
    const { min, max } = this.options
    const { creating, failed } = this.#creator
    const idle = this.#idle.slots.length
    const borrowed = this.held.length
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
  take(label: string | undefined): PoolLease<T> | undefined {
    const slot = this.#idle.next
    if (!slot || this.queue.size || this.closed) return
    const now = performance.now()
    if (now >= slot.diesAt || this.isDead?.(slot.resource) || this.#isUntrusted(slot, now)) return
    this.#idle.remove(slot)
    return this.#lend(slot, { label, stack: this.#leaks.trace() }, now)
  }

  acquire(options: AcquireOptions = {}): Promise<PoolLease<T>> {
    try {
      checkObject('options', options)
      const { signal, timeout = this.options.acquireTimeout, priority, label } = options
      if (signal !== undefined) CancellationToken.from(signal).throwIfCancelled()
      checkMilliseconds('timeout', timeout)
      if (this.closed) throw this.#closedError()
      const lease = this.take(label)
      if (lease) return Promise.resolve(lease)
      const { maxWaiting } = this.options
      // Those do not count for whom there is room.
      if (timeout && maxWaiting < Infinity && this.queue.size - this.#room >= maxWaiting) {
        throw new QueueFullError(`${this.who}: ${maxWaiting} are waiting already`)
      }
      const tag = { id: ++this.#ids, label, stack: this.#leaks.trace() }
      const { queue } = this
      const waiting = queue.wait({ tag, signal, timeout, priority, onTimeout: this.#onTimeout })
      this.pump()
      return waiting
    } catch (error) {
      return Promise.reject(error)
    }
  }

  readonly #onTimeout = (timeout: Milliseconds): unknown =>
    timeoutError(this.who, timeout, this.stats(), this.held, this.#creator.lastError)

  async ready(options: WaitOptions = {}): Promise<void> {
    checkObject('options', options)
    const { signal, timeout = Infinity } = options
    CancellationToken.from(signal).throwIfCancelled()
    checkMilliseconds('timeout', timeout)
    if (this.closed) throw this.#closedError()
    if (this.#isReady) return
    const waiting = this.#readiness.wait({
      signal,
      timeout,
      onTimeout: () =>
        new TimeoutError(`${this.who} is not ready: ${this.#living} of ${this.options.min}`, {
          timeout,
          cause: this.#creator.lastError,
        }),
    })
    this.#creator.gaveUp = false
    this.pump()
    return waiting
  }

  /** Does all there is to do: hands over, validates, creates. */
  pump(): void {
    const { queue } = this
    const { min, max } = this.options
    for (let slot = this.#idle.next; slot && queue.size > this.#checking; slot = this.#idle.next) {
      this.#idle.remove(slot)
      const now = performance.now()
      if (!this.#whyNot(slot) && this.#isUntrusted(slot, now)) void this.#check(slot)
      else this.#offer(slot)
    }
    // A create belongs to nobody: as many as are wanted, less those on their way.
    const wanted = Math.max(
      queue.size - this.#creator.creating - this.#checking,
      this.closed || this.#creator.gaveUp ? 0 : min - this.#total,
    )
    this.#creator.create(Math.min(wanted, max - this.#total))
  }

  /** Destroys idle slots that are too many. */
  trim(): void {
    for (let [slot] = this.#idle.slots; slot && this.#isSurplus; [slot] = this.#idle.slots) {
      this.#drop(slot, 'surplus')
    }
  }

  giveBack(slot: Slot<T>, destroy: boolean): void {
    this.#unlend(slot)
    const reason = destroy ? 'released' : this.#whyNot(slot)
    if (reason) void this.#destroy(slot, reason)
    else if (this.options.reset) void this.#reset(slot)
    else this.#handOn(slot)
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

  #lend(slot: Slot<T>, { label, stack }: Asker, now: number): PoolLease<T> {
    if (!slot.uses++) this.#creator.proved()
    slot.holder = ++this.#ids
    slot.label = label
    slot.stack = stack
    slot.since = now
    this.#leaks.watch(slot)
    return new SlotLease(this, slot)
  }

  #unlend(slot: Slot<T>): void {
    slot.holder = 0
    slot.alarm?.dispose()
  }

  /** To who is next, or to the idle ones. */
  #offer(slot: Slot<T>): void {
    const reason = this.#whyNot(slot)
    if (reason) void this.#destroy(slot, reason)
    else this.#handOn(slot)
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

  #handOn(slot: Slot<T>): void {
    const { queue } = this
    if (queue.size && queue.offer((asker) => this.#lend(slot, asker, performance.now()))) return
    const { maxIdle, min } = this.options
    if (this.closed) return void this.#destroy(slot, 'closed')
    if (this.#idle.slots.length >= Math.max(maxIdle, min)) return void this.#destroy(slot, 'idle')
    this.#idle.add(slot)
  }

  #drop(slot: Slot<T>, reason: DestroyReason): void {
    if (this.#idle.remove(slot)) void this.#destroy(slot, reason)
  }

  landed(resource: T, late: boolean, attempt: number): void {
    const { maxLifetime, lifetimeJitter, onBroken } = this.options
    const lifetime =
      maxLifetime < Infinity ? maxLifetime * (1 - lifetimeJitter * Math.random()) : Infinity
    const slot = new Slot(resource, performance.now(), lifetime)
    this.#slots.add(slot)
    this.#created++
    if (late) return void this.#destroy(slot, 'late')
    this.#leaks.register(slot)
    this.emit({ type: 'created' })
    let cause: unknown
    // Who dies before anybody could have it is no better than a create that fails.
    const fail = (): void =>
      this.#creator.fail(new UnoAsyncError(`${this.who}: a new one died`, { cause }), attempt)
    this.#call(onBroken, resource, (reason?: unknown) => {
      slot.broken = true
      cause = reason
      if (!this.#idle.remove(slot)) return
      if (!slot.uses && performance.now() - slot.idleSince < MAX_BACKOFF) fail()
      void this.#destroy(slot, 'broken')
    })
    const why = this.#whyNot(slot)
    if (why === 'broken' || why === 'lifetime') fail()
    this.#offer(slot)
    this.#checkReady()
  }

  /** Nobody is to wait for a create that was given up. */
  gaveUp(reason: unknown): void {
    this.queue.rejectAll(reason)
    this.#readiness.rejectAll(reason)
  }

  async #check(slot: Slot<T>): Promise<void> {
    this.#checking++
    const valid = await examine(this, this.options.validate as never, slot, 'validate')
    this.#checking--
    if (valid) this.#offer(slot)
    else void this.#destroy(slot, 'invalid')
    this.pump()
  }

  async #reset(slot: Slot<T>): Promise<void> {
    const { reset } = this.options
    const run = async (...args: [T, CancellationToken]): Promise<true> => {
      await reset?.(...args)
      return true
    }
    const done = await examine(this, run, slot, 'reset')
    if (done) this.#offer(slot)
    else void this.#destroy(slot, 'reset')
    this.pump()
  }

  /** Its place is free when that has settled, or takes too long. */
  async #destroy(slot: Slot<T>, reason: DestroyReason): Promise<void> {
    const { destroy, destroyTimeout } = this.options
    this.#leaks.unregister(slot)
    this.#destroyed++
    this.#dying++
    try {
      const work = CancellationToken.none.run(() => destroy(slot.resource, reason))
      await limit(this.who, 'destroy', destroyTimeout).token.race(Promise.resolve(work))
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
      await Promise.all(forced.map((slot) => this.#destroy(slot, 'closed')))
      const left = this.#dying
      if (left) {
        const message = `${this.who}: ${left} still being destroyed after ${timeout} ms`
        this.#errors.push(new TimeoutError(message, { timeout }))
      }
    }
    return { forced: forced.length, errors: [...this.#errors] }
  }

  /** Closed, and nobody waits any more: lets go of what is left, and tells close() when all is gone. */
  checkEmpty(): void {
    if (!this.closed || this.queue.size) return
    this.#creator.stop(this.#closedError())
    for (let [slot] = this.#idle.slots; slot; [slot] = this.#idle.slots) this.#drop(slot, 'closed')
    if (!this.#total) this.#emptied.wakeAll()
  }

  #checkReady(): void {
    if (this.#isReady) this.#readiness.wakeAll()
  }

  #closedError(): ClosedError {
    return new ClosedError(`${this.who} is closed`)
  }

  emit(event: PoolEvent): void {
    this.#call(this.options.onEvent, event)
  }

  /** What a hook throws is never ours. */
  #call<A extends unknown[]>(hook: ((...args: A) => unknown) | undefined, ...args: A): void {
    try {
      hook?.(...args)
    } catch (error) {
      report(error)
    }
  }
}

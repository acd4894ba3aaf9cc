import {
  type AcquireOptions,
  badValue,
  type Cancellation,
  CancellationToken,
  CancellationTokenSource,
  checkFunction,
  checkInteger,
  checkMilliseconds,
  checkOptions,
  type Lease,
  type Milliseconds,
  QueueFullError,
  RateLimitError,
  type Snapshot,
  WaitQueue,
} from '@uno-async/core'
import { type Closed, closedError, span, timeoutError, titleOf } from './internal/messages.js'
import { Bucket, type Rate, Window } from './internal/rate.js'
import { due, RateRequest, refusal } from './internal/rate-request.js'
import { acquire, run } from './internal/run.js'
import { Store, type StoreDecision } from './internal/store.js'
import { checkCount, checkString } from './options.js'
import type { RateDecision, RateLimiterOptions } from './rate-limiter-options.js'

/**
 * Lets so much through in a time, first come, first served.
 *
 * State is a number (for a sliding window the times of the last `limit`), refilled when looked at: nothing
 * ticks while idle. All who wait share one timer. What they cost is taken when they go, so leaving the line
 * costs nothing. The clock may jump: back gives nothing, ahead at most `burst`.
 *
 * @example
 * ```ts
 * import { RateLimiter } from '@uno-async/sync'
 * const limiter = new RateLimiter({ limit: 10, interval: 1_000, burst: 2 })
 * limiter.tryAcquire() // { allowed: true, remaining: 1, retryAfter: 0 }
 * await limiter.run(() => 'sent', { timeout: 5_000 })
 * ```
 */
export class RateLimiter implements Disposable {
  /** As given; '' by default. */
  readonly name: string
  readonly #title: string
  readonly #rate: Rate
  readonly #store: Store | undefined
  readonly #maxWaiting: number
  readonly #queue: WaitQueue<Lease | Promise<Lease>, RateRequest>
  readonly #queued = new Map<number, number>() // what those who wait cost, by priority
  readonly #door = { enter: (o?: AcquireOptions) => this.#enter(o) }
  #paused = 0 // nobody goes before
  #next = 0 // nor does whoever wants as much as the store refused
  #refused = 0 // how much that was
  #asking = false
  #timer: CancellationTokenSource | undefined
  #alarm = Infinity // when the timer wakes the line
  #last = 0 // the clock when last read
  #skew = 0 // how far it went back, or timers ahead of it
  #closed: Closed | undefined

  /** @throws TypeError, RangeError */
  constructor(options: RateLimiterOptions) {
    const given = checkOptions(options)
    const { name = '', algorithm = 'token-bucket', maxWaiting = Infinity } = given
    this.name = checkString('name', name)
    this.#title = titleOf('RateLimiter', this.name)
    this.#maxWaiting = checkCount('maxWaiting', maxWaiting)
    if (algorithm !== 'token-bucket' && algorithm !== 'sliding-window') {
      throw badValue('algorithm', "'token-bucket' or 'sliding-window'", algorithm, TypeError)
    }
    this.#rate = algorithm === 'token-bucket' ? new Bucket() : new Window()
    this.#rate.update(given, this.#clock())
    const store = new Store(options, this.#title) // looks at the options in any case
    this.#store = options.store === undefined ? undefined : store
    this.#queue = new WaitQueue({
      onLeave: (request) => {
        this.#leave(request)
        this.#pump()
      },
    })
  }

  /** How much may go at once, now. With a store: as far as this process knows. */
  get available(): number {
    const now = this.#clock()
    return this.#closed || now < this.#paused ? 0 : this.#rate.available(now)
  }

  /** How many wait. */
  get waiting(): number {
    return this.#queue.size
  }

  /** Takes `cost` if it may go now and nobody waits; never waits. @throws TypeError with a store: use `check` then; RangeError */
  tryAcquire(options?: { cost?: number | undefined }): RateDecision {
    if (this.#store) throw new TypeError('A RateLimiter with a store has to ask it: use check()')
    return this.#decide(this.#cost(checkOptions(options).cost))
  }

  /** Takes `cost` if it may go now and nobody waits: asks the store, if there is one. */
  async check(options?: {
    cost?: number | undefined
    signal?: Cancellation | undefined
  }): Promise<RateDecision> {
    const { cost: wanted, signal } = checkOptions(options)
    const cost = this.#cost(wanted)
    const token = CancellationToken.from(signal)
    token.throwIfCancelled()
    if (!this.#store || this.#closed) return this.#decide(cost)
    const now = this.#clock()
    const next = this.#turn(this.#queue.head ?? { cost: 0 })
    if (this.waiting || next > now) return refusal(Math.max(1, next - now))
    const { allowed, remaining, retryAfter } = await token.race(this.#ask(this.#store, cost))
    return { allowed, remaining, retryAfter }
  }

  /**
   * Waits its turn. Fails at once where the turn is later than the deadline. Releasing the lease gives nothing back.
   *
   * @param options - `cost`: default 1; `signal`, `timeout`, `priority`, `label`
   * @throws RateLimitError with an exact `retryAfter`, the line included (for a sliding window with costs of different size a lower bound); what the signal was cancelled with, TimeoutError, QueueFullError, ClosedError; TypeError, RangeError (also for a cost above burst)
   */
  acquire(options?: AcquireOptions & { cost?: number | undefined }): Promise<Lease> {
    return acquire(this.#door, options)
  }

  /** Runs task when it is its turn, in the context of who called. */
  run<R>(
    task: (token: CancellationToken) => R | PromiseLike<R>,
    options?: AcquireOptions & { cost?: number | undefined },
  ): Promise<Awaited<R>> {
    const enter = (o?: AcquireOptions): Lease | Promise<Lease> => {
      checkFunction('task', task)
      return this.#enter(o)
    }
    return run({ enter }, (_, token) => task(token), options)
  }

  /** Changes the rate: what was taken stays taken, who waits goes by the new one. @throws TypeError, RangeError */
  update(options: {
    limit?: number | undefined
    interval?: Milliseconds | undefined
    burst?: number | undefined
  }): void {
    this.#rate.update(checkOptions(options), this.#clock())
    this.#pump()
  }

  /** Lets nobody go for so long (429 Retry-After). Of several the longest counts; 0 ends them. @throws TypeError, RangeError */
  pauseFor(duration: Milliseconds): void {
    checkMilliseconds('duration', duration)
    this.#paused = duration && Math.max(this.#paused, this.#clock() + duration)
    this.#pump()
  }

  /** How much may go, who waits: plain data, fresh each time. Nobody holds anything. */
  inspect(): Snapshot {
    return {
      name: this.name,
      capacity: this.#rate.burst,
      available: this.available,
      closed: !!this.#closed,
      holders: [],
      waiters: [...this.#queue].map(({ tag: { id, label, cost }, age, priority }) => ({
        id,
        ...(label !== undefined && { label }),
        weight: cost,
        waitedFor: age,
        priority,
      })),
    }
  }

  /** Rejects who waits and whoever comes with a ClosedError caused by `reason`. Idempotent. */
  close(reason?: unknown): void {
    const closed = (this.#closed ??= { reason })
    this.#queue.rejectAll((request: RateRequest) => {
      this.#leave(request)
      return closedError(this.#title, closed)
    })
    this.#pump()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #cost(cost = 1): number {
    const { burst } = this.#rate
    if (checkInteger('cost', cost, 1) > burst) throw badValue('cost', `at most ${burst}`, cost)
    return cost
  }

  /** Never goes back: where the clock does, it stands still, and goes on from there. */
  #clock(): number {
    const now = performance.now()
    if (now < this.#last) this.#skew += this.#last - now
    this.#last = now
    return now + this.#skew
  }

  #decide(cost: number): RateDecision {
    if (this.#closed) return refusal(Infinity)
    if (this.waiting) this.#pump() // who is cancelled, but was not told yet, is in nobody's way
    return this.#local(cost, this.#ahead(0))
  }

  #local(cost: number, ahead = 0): RateDecision {
    const now = this.#clock()
    const wait = this.#rate.turn(ahead + cost, Math.max(this.#paused, now)) - now
    if (ahead || wait > 0) return refusal(wait, this.available)
    this.#rate.take(cost, now)
    return { allowed: true, remaining: this.#rate.available(now), retryAfter: 0 }
  }

  #enter(options?: AcquireOptions & { cost?: number | undefined }): Lease | Promise<Lease> {
    const { cost: wanted, label, signal, timeout = Infinity, priority = 0 } = checkOptions(options)
    const cost = this.#cost(wanted)
    checkMilliseconds('timeout', timeout)
    if (typeof priority !== 'number' || Number.isNaN(priority)) {
      throw badValue('priority', 'a number', priority)
    }
    if (label !== undefined) checkString('label', label)
    const token = CancellationToken.from(signal)
    token.throwIfCancelled()
    if (this.#closed) throw closedError(this.#title, this.#closed)
    if (this.waiting) this.#pump()
    const now = this.#clock()
    const start = Math.max(this.#paused, now)
    const ahead = this.#ahead(priority)
    const store = this.#store
    if (!timeout && !ahead) this.#next = 0 // who tries once wants the store to be asked
    const first = (ahead && this.#queue.head) || { cost }
    const turn = store ? Math.max(start, this.#turn(first)) : this.#rate.turn(ahead + cost, start)
    if (!store && !ahead && turn <= now) {
      this.#rate.take(cost, now)
      return new RateRequest(cost, priority, label, Infinity)
    }
    const deadline = Math.min(now + timeout, token.deadline + this.#skew)
    const request = new RateRequest(cost, priority, label, deadline)
    if (turn > deadline || (!timeout && (ahead || !store))) {
      throw this.#limited(Math.max(store ? 1 : 0, turn - now))
    }
    if (timeout && this.waiting >= this.#maxWaiting) {
      throw new QueueFullError(`${this.#title} is full: ${this.waiting} waiting`)
    }
    this.#queued.set(priority, (this.#queued.get(priority) ?? 0) + cost)
    const waiting = this.#queue.wait({
      signal,
      timeout: timeout || Infinity,
      priority,
      tag: request,
      onTimeout: (after) => {
        this.#pump() // it may be its turn at this very moment
        return timeoutError(this.#title, after, `${this.waiting} waiting`)
      },
    })
    this.#pump()
    return waiting as Promise<Lease>
  }

  /** What those cost who go before one of this priority. */
  #ahead(priority: number): number {
    let ahead = 0
    if (!this.waiting) return ahead // without an iterator
    for (const [each, cost] of this.#queued) if (each >= priority) ahead += cost
    return ahead
  }

  #leave({ priority, cost }: RateRequest): void {
    const rest = (this.#queued.get(priority) as number) - cost
    if (rest) this.#queued.set(priority, rest)
    else this.#queued.delete(priority)
  }

  /** Lets go whose turn it is. */
  #pump(): void {
    if (this.#store) void this.#serve(this.#store)
    else while (this.#queue.offer(this.#give)) {}
    this.#arm()
  }

  /** Sets the timer for who is next. */
  #arm(): void {
    const head = this.#asking ? undefined : this.#queue.head
    const turn = head ? this.#turn(head) : Infinity
    if (turn === this.#alarm) return
    this.#alarm = turn
    this.#timer?.close()
    if (turn === Infinity) return
    const timeout = Math.max(0, turn - this.#clock())
    this.#timer = new CancellationTokenSource({ timeout, ref: true })
    this.#timer.token.onCancelled(() => {
      this.#skew += Math.max(0, turn - this.#clock()) // timers may be driven without the clock
      this.#alarm = Infinity
      this.#pump()
    })
  }

  #turn({ cost }: { readonly cost: number }): number {
    const paused = this.#paused
    if (!this.#store) return this.#rate.turn(cost, paused)
    return cost < this.#refused ? paused : Math.max(this.#next, paused)
  }

  readonly #give = (request: RateRequest): Lease | undefined => {
    const now = this.#clock()
    const turn = this.#turn(request)
    if (turn > now) return undefined
    // It waited all the time: that the timer was late costs it nothing.
    this.#rate.take(request.cost, Math.max(turn, now - this.#rate.grace))
    this.#leave(request)
    return request
  }

  /** Asks the store for who is next, one after the other. */
  async #serve(store: Store): Promise<void> {
    if (this.#asking) return
    this.#asking = true
    let credit = 0 // what the store gave: who asked may have left meanwhile
    const give = (request: RateRequest): Lease | undefined => {
      if (request.cost > credit) return undefined
      credit -= request.cost
      this.#leave(request)
      return request
    }
    let head = this.#queue.head
    for (; head && this.#turn(head) <= this.#clock(); head = this.#queue.head) {
      const asked = head
      const cost = asked.cost - credit
      const { allowed, retryAfter, cause } = await this.#ask(store, cost)
      if (allowed) {
        credit += cost
        while (this.#queue.offer(give)) {}
        continue
      }
      if (!cause) {
        this.#next = this.#clock() + Math.max(1, retryAfter)
        this.#refused = asked.cost
      }
      // Who cannot wait as long is told at once.
      const refuse = (request: RateRequest): Promise<never> | undefined => {
        const waits = request.cost < asked.cost || request.deadline >= this.#next
        if (cause ? request !== asked : waits) return undefined
        this.#leave(request)
        return Promise.reject(this.#limited(retryAfter, cause))
      }
      while (this.#queue.offer(refuse)) {}
    }
    this.#asking = false
    this.#arm()
  }

  /** What the store says; what is known here, if it fails and that may do. */
  async #ask(store: Store, cost: number): Promise<StoreDecision> {
    const decision = await store.ask(cost, this.#clock())
    if (decision === undefined) return this.#local(cost)
    if (decision.allowed) this.#rate.take(cost, this.#clock())
    return decision
  }

  #limited(wait: Milliseconds, cause?: unknown): RateLimitError {
    const message = `${this.#title}: not before ${span(wait)}`
    return new RateLimitError(message, { retryAfter: due(wait), cause })
  }
}

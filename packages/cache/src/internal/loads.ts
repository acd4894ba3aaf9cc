import {
  CancellationToken,
  CancellationTokenSource,
  CancelledError,
  ClosedError,
  checkFunction,
  checkMilliseconds,
  type Milliseconds,
} from '@uno-async/core'
import type { AskOptions, AsyncCacheOptions, CacheEntry, Loader } from '../types.js'
import { checkAsk, checkObject, checkTags } from './check.js'
import type { Entry } from './entry.js'
import { Flight, type Waiter } from './flight.js'
import { Group } from './group.js'
import type { Memory } from './memory.js'
import type { Envelope } from './tier.js'

/** What is being loaded: one flight for each key. */
export class Loads<K, V> {
  readonly stats = { hits: 0, stale: 0, misses: 0, loads: 0, failures: 0 }
  closed = false
  readonly #options: AsyncCacheOptions<K, V>
  readonly #memory: Memory<K, V>
  readonly #flights = new Map<K, Flight<K, V>>()
  readonly #orphans = new Set<Flight<K, V>>() // invalidated, but somebody waits
  // Invariants, true whenever no code of a user is on the stack:
  //   I1  a flight in #flights has waiters or is pinned
  //   I2  what a flight brings that is not in #flights is never kept

  constructor(options: AsyncCacheOptions<K, V>, memory: Memory<K, V>) {
    this.#options = options
    this.#memory = memory
  }

  get keys(): K[] {
    return [...this.#flights.keys()]
  }

  get who(): string {
    return this.#memory.who
  }

  closedError(): ClosedError {
    return new ClosedError(`${this.who} is closed`)
  }

  /** The value is known: gives it to those who wait, and stops the load. */
  supersede(key: K, value: V): void {
    const flight = this.#flights.get(key)
    if (!flight) return
    this.#end(flight)
    answerAll(flight, value, 'memory')
    this.#stop(flight)
  }

  invalidate(key: K): void {
    const flight = this.#flights.get(key)
    if (flight) this.#orphan(flight)
  }

  /** A loader may still say that its value has one of these tags. */
  voidTags(tags: readonly string[]): void {
    for (const flight of this.#flights.values()) {
      for (const tag of tags) (flight.voided ??= new Set()).add(tag)
      if (isVoid(flight)) this.#orphan(flight)
    }
  }

  close(): void {
    this.closed = true
    for (const flight of [...this.#flights.values(), ...this.#orphans]) {
      this.#end(flight)
      for (let waiter = flight.next(); waiter; waiter = flight.next()) {
        waiter.fail(this.closedError())
      }
      flight.cancel(this.closedError())
    }
  }

  ask(
    key: K,
    options: AskOptions<K, V>,
    whole: boolean,
    strict: boolean,
    group?: Group<K, V>,
  ): Promise<V | CacheEntry<V>> {
    try {
      checkObject('options', options)
      const { signal, forceRefresh = strict, load } = options
      const token = signal === undefined ? undefined : CancellationToken.from(signal)
      token?.throwIfCancelled()
      if (this.closed) throw this.closedError()
      checkAsk(options)
      if (load !== undefined) checkFunction('load', load)
      const entry = this.#memory.find(key)
      const served = entry && !forceRefresh ? this.#serve(entry, options, whole, group) : undefined
      if (served !== undefined) return served
      const flying = this.#flights.get(key)
      if (flying?.slow && entry && !strict) return this.#serveOld(entry, whole)
      const flight = flying ?? this.#start(key, options, false, group)
      this.stats.misses++
      const { crowd } = flight
      if (crowd && !whole && !strict && !token) return crowd.promise.then()
      const waiter = flight.join(whole, strict, token)
      if (token) {
        waiter.registration = token.onCancelled(() => this.#leave(flight, waiter, token))
      }
      if (!flying) this.#launch(flight, entry, !forceRefresh)
      return waiter.promise
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Answers with what is at hand, if it may; begins to refresh it, if it should. */
  #serve(
    entry: Entry<K, V>,
    options: AskOptions<K, V>,
    whole: boolean,
    group: Group<K, V> | undefined,
  ): Promise<V | CacheEntry<V>> | undefined {
    const { staleWhileRevalidate = 0, staleIfError = 0 } = this.#options
    const now = performance.now()
    const late = now - entry.freshUntil
    const tired = entry.failure !== undefined && now < entry.failure.retryAt
    if (late >= staleWhileRevalidate && late >= 0) {
      return tired && late < staleIfError ? this.#serveOld(entry, whole) : undefined
    }
    const fresh = late < 0
    this.stats[fresh ? 'hits' : 'stale']++
    this.#memory.eviction?.hit(entry)
    if (entry.failed) return Promise.reject(entry.value)
    const answer = whole
      ? Promise.resolve(entry.tell(fresh ? 'fresh' : 'stale', now))
      : entry.settled
    const refresh = !tired && (!fresh || this.#isDue(entry, -late)) && !this.#flights.has(entry.key)
    if (refresh && this.#loader(options)) {
      this.#launch(this.#start(entry.key, options, true, group), entry, false)
    }
    return answer
  }

  #serveOld(entry: Entry<K, V>, whole: boolean): Promise<V | CacheEntry<V>> {
    this.stats.stale++
    return whole ? Promise.resolve(entry.tell('error-stale', performance.now())) : entry.settled
  }

  /** Is it time to refresh what is still fresh? XFetch: the likelier the less is left and the longer loads take. */
  #isDue({ took }: Entry<K, V>, left: Milliseconds): boolean {
    const { refreshAhead = 0, random = Math.random } = this.#options
    return refreshAhead === 'probabilistic'
      ? -took * Math.log(random()) >= left
      : left < refreshAhead
  }

  #loader(options: AskOptions<K, V>, group?: Group<K, V>): Loader<K, V> | undefined {
    const { load, loadMany } = this.#options
    return (
      options.load ??
      group?.load ??
      load ??
      (loadMany && ((key, context) => new Group(loadMany).load(key, context)))
    )
  }

  #start(
    key: K,
    options: AskOptions<K, V>,
    background: boolean,
    group?: Group<K, V>,
  ): Flight<K, V> {
    // Without a loader the second tier may still have it.
    const own = this.#loader(options, group) ?? (this.#memory.tier && missing)
    const load: Loader<K, V> = checkFunction('load', own as Loader<K, V>)
    const { loadTimeout: timeout } = this.#options
    const flight = new Flight(
      key,
      load,
      background,
      options,
      timeout === undefined ? undefined : this.#limit(timeout, !background),
      this.#memory.tier ? Date.now() : 0,
    )
    if (group?.load === load) {
      flight.group = group
      group.expect()
    }
    this.#flights.set(key, flight)
    if (background) this.#pin(flight)
    return flight
  }

  #limit(timeout: Milliseconds, ref: boolean): CancellationTokenSource {
    const message = `${this.who}: load timed out after ${timeout} ms`
    return new CancellationTokenSource({ timeout, message, ref })
  }

  #pin(flight: Flight<K, V>): void {
    flight.pinned = true
    if (this.#options.waitUntil) {
      this.#memory.announce(
        new Promise<void>((resolve) => {
          flight.landed = resolve
        }),
      )
    }
  }

  #launch(flight: Flight<K, V>, entry: Entry<K, V> | undefined, askTier: boolean): void {
    const { softTimeout = Infinity } = this.#options
    if (entry && !entry.failed) {
      flight.remember(entry)
      if (softTimeout < Infinity && !flight.pinned) {
        flight.soft = CancellationToken.timeout(softTimeout).onCancelled(() =>
          this.#soften(flight, entry),
        )
      }
    }
    if (!this.#memory.tier || !askTier) return this.#run(flight)
    this.#memory.tier.read(flight.key).then(
      (envelope) => this.#adopt(flight, envelope),
      (error) => this.#fail(flight, error),
    )
  }

  #soften(flight: Flight<K, V>, entry: Entry<K, V>): void {
    if (this.#memory.find(flight.key) !== entry) return
    flight.slow = true
    for (let i = flight.count; i > 0; i--) {
      const waiter = flight.next() as Waiter<V>
      if (waiter.strict) flight.waiters.push(waiter)
      else waiter.settle(this.#serveOld(entry, waiter.whole))
    }
    if (!flight.pinned) this.#pin(flight)
  }

  /** Goes on with what the second tier had. */
  #adopt(flight: Flight<K, V>, envelope: Envelope<V> | undefined): void {
    if (flight.over) return flight.group?.skip()
    const { key } = flight
    const { value, created = 0, ttl, tags } = envelope ?? ({} as Partial<Envelope<V>>)
    const before = this.#memory.find(key)
    if (envelope && !isVoid(flight, tags) && !(before && before.created >= created)) {
      const age = Math.max(0, Date.now() - created)
      const late = age - (ttl ?? Infinity)
      try {
        if (flight.current) {
          const facts = { ttl: ttl ?? Infinity, age, created, tags }
          this.#memory.keep(key, value as V, facts)
        }
      } catch (error) {
        flight.group?.skip()
        return this.#fail(flight, error)
      }
      flight.context.previous = { value: value as V, age }
      if (late < 0 || late < (this.#options.staleWhileRevalidate ?? 0)) {
        const state = late < 0 ? 'fresh' : 'stale'
        answerAll(flight, value as V, 'store', state, age)
        this.#memory.tell()
        if (late < 0) {
          flight.group?.skip()
          this.#end(flight)
          return
        }
        flight.context.background = true
        this.#pin(flight)
      }
      this.#memory.tell()
    }
    this.#run(flight)
  }

  #run(flight: Flight<K, V>): void {
    const { loadTimeout, refreshAhead } = this.#options
    if (refreshAhead === 'probabilistic') flight.since = performance.now()
    this.stats.loads++
    if (loadTimeout !== undefined) {
      const { token } = flight
      token.onCancelled(() => this.#fail(flight, token.error))
    }
    let result: V | PromiseLike<V>
    try {
      result = flight.run()
    } catch (error) {
      return this.#fail(flight, error)
    }
    if (typeof (result as PromiseLike<V> | null)?.then !== 'function') {
      return this.#done(flight, result as V)
    }
    Promise.resolve(result).then(
      (value) => this.#done(flight, value),
      (error) => this.#fail(flight, error),
    )
  }

  #done(flight: Flight<K, V>, value: V): void {
    const { key, context, asked, since } = flight
    const memory = this.#memory
    const { awaitStore, disposeValues } = this.#options
    if (flight.over) {
      if (disposeValues) memory.discard(key, value)
      return
    }
    let stored: Promise<unknown> | undefined
    try {
      if (context.tags !== undefined) checkTags(context.tags)
      if (flight.current && !context.noStore && !isVoid(flight)) {
        const took = since === undefined ? 0 : performance.now() - since
        stored = memory.put(key, value, context, took, asked)
      }
    } catch (error) {
      return this.#fail(flight, error)
    }
    this.#end(flight)
    flight.close()
    if (disposeValues && !flight.count) memory.discard(key, value)
    if (stored && awaitStore) void stored.then(() => answerAll(flight, value, 'load'))
    else answerAll(flight, value, 'load')
    memory.tell()
  }

  #fail(flight: Flight<K, V>, error: unknown): void {
    if (flight.over) return
    const { key, pinned, current } = flight
    const { staleIfError = 0, refreshBackoff = 1_000, errorTtl = 0 } = this.#options
    const memory = this.#memory
    const now = performance.now()
    const found = current ? memory.find(key) : undefined
    const entry = found?.failed ? undefined : found
    this.#end(flight)
    flight.close()
    this.stats.failures++
    let unheard = pinned
    if (entry) {
      entry.failure = { error, retryAt: now + refreshBackoff }
    } else if (current) {
      try {
        const ttl = typeof errorTtl === 'function' ? errorTtl(error, key) : errorTtl
        memory.keep(key, error as V, { ttl: checkMilliseconds('errorTtl', ttl), failed: true })
      } catch (thrown) {
        memory.report(thrown, key, 'load')
      }
    }
    for (let waiter = flight.next(); waiter; waiter = flight.next()) {
      if (entry && !waiter.strict && staleIfError && now < entry.freshUntil + staleIfError) {
        waiter.settle(this.#serveOld(entry, waiter.whole))
        unheard = true
      } else waiter.fail(error)
    }
    if (unheard) memory.report(error, key, pinned ? 'refresh' : 'load')
    memory.tell()
  }

  #leave(flight: Flight<K, V>, waiter: Waiter<V>, token: CancellationToken): void {
    const { pinned, over, current } = flight
    waiter.unlink()
    waiter.reject(token.error)
    if (over || flight.count || (pinned && current)) return
    this.#end(flight)
    flight.cancel(token.reason)
  }

  /** From now on what it brings is only for those who wait for it. */
  #orphan(flight: Flight<K, V>): void {
    this.#flights.delete(flight.key)
    flight.current = false
    if (flight.count) this.#orphans.add(flight)
    else {
      this.#end(flight)
      this.#stop(flight)
    }
  }

  #stop(flight: Flight<K, V>): void {
    flight.cancel(new CancelledError(`${this.who}: nobody waits for this value any more`))
  }

  #end(flight: Flight<K, V>): void {
    if (flight.current) this.#flights.delete(flight.key)
    else this.#orphans.delete(flight)
    flight.current = false
    flight.over = true
    flight.soft?.dispose()
    flight.landed?.()
  }
}

const missing = (): never => checkFunction('load', undefined as never)

function isVoid<K, V>({ voided, context }: Flight<K, V>, tags = context.tags): boolean {
  return voided !== undefined && !!tags?.some((tag) => voided.has(tag))
}

function answerAll<K, V>(flight: Flight<K, V>, ...answer: Parameters<Waiter<V>['answer']>): void {
  for (let waiter = flight.next(); waiter; waiter = flight.next()) waiter.answer(...answer)
}

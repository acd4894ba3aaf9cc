import {
  CancellationToken,
  CancelledError,
  ClosedError,
  checkFunction,
  checkMilliseconds,
  checkOptions,
} from '@uno-async/core'
import type { AskOptions, CacheEntry, GetOptions, Loader } from '../types.js'
import { checkAsk, checkTags } from './check.js'
import { Details, type Entry } from './entry.js'
import { Flight, type Waiter } from './flight.js'
import { alone, type Group } from './group.js'
import { List, unlink } from './list.js'
import type { Memory } from './memory.js'
import type { Settings } from './settings.js'
import type { Envelope } from './tier.js'
import { Voided } from './voided.js'

/** What is being loaded: one flight for each key. */
export class Loads<K, V> {
  readonly stats = { hits: 0, stale: 0, misses: 0, loads: 0, failures: 0 }
  closed = false
  readonly #settings: Settings<K, V>
  readonly #memory: Memory<K, V>
  readonly #load: Loader<K, V> | undefined
  readonly #flights = new List<Flight<K, V>>() // those of the entries
  readonly #orphans = new List<Flight<K, V>>() // invalidated, but somebody waits
  readonly #voided = new Voided()
  // Invariants, true whenever no code of a user is on the stack:
  //   I1  a flight in #flights has waiters or is pinned
  //   I2  what a flight brings that is not in #flights is never kept

  constructor(settings: Settings<K, V>, memory: Memory<K, V>) {
    const { load, loadMany } = settings
    this.#settings = settings
    this.#memory = memory
    this.#load = load ?? (loadMany && alone(loadMany))
  }

  /** How many there are, those apart of which nothing will be kept. */
  get count(): number {
    return this.#flights.count
  }

  closedError(): ClosedError {
    return new ClosedError(`${this.#memory.who} is closed`)
  }

  /** The value is known: gives it to those who wait, and stops the load. */
  supersede(key: K, value: V): void {
    const flight = this.#memory.entries.get(key)?.flight
    if (!flight) return
    this.#end(flight)
    flight.answer(value, 'memory')
    this.#stop(flight)
  }

  invalidate(key: K): void {
    const flight = this.#memory.entries.get(key)?.flight
    if (flight) this.#orphan(flight)
  }

  invalidateAll(): void {
    for (const flight of this.#flights.all()) this.#orphan(flight)
  }

  /** A loader may still say that its value has one of these tags. */
  voidTags(tags: readonly string[]): void {
    this.#voided.add(tags, this.#flights.oldest?.nth)
    for (const flight of this.#flights.all()) if (this.#voided.isVoid(flight)) this.#orphan(flight)
  }

  close(): void {
    this.closed = true
    for (const flight of [...this.#flights.all(), ...this.#orphans.all()]) {
      this.#end(flight)
      for (let waiter = flight.shift(); waiter; waiter = flight.shift()) {
        waiter.fail(this.closedError())
      }
      flight.cancel(this.closedError())
    }
  }

  /** What is at hand at once, else what is loaded: by `how` if that is no object, else as its `load` says. */
  ask(
    key: K,
    how: Loader<K, V> | AskOptions<K, V> | undefined,
    asked: AskOptions<K, V> | undefined,
    whole: boolean,
    strict: boolean,
    group?: Group<K, V>,
  ): Promise<V | CacheEntry<V>> {
    try {
      const options: AskOptions<K, V> = checkOptions(typeof how === 'object' ? how : asked)
      const { signal, forceRefresh = strict } = options
      const token = signal === undefined ? undefined : CancellationToken.from(signal)
      token?.throwIfCancelled()
      if (this.closed) throw this.closedError()
      checkAsk(options)
      const given = typeof how === 'object' ? options.load : (how ?? options.load)
      if (given !== undefined) checkFunction('load', given)
      const loader = given ?? group?.load ?? this.#load
      const entry = this.#memory.entries.get(key)
      if (entry?.held && !forceRefresh) {
        const served = this.#serve(entry, loader, options, whole, group)
        if (served !== undefined) return served
      }
      const flying = entry?.flight
      if (flying?.slow && !strict && this.#memory.isKept(flying.entry)) {
        return this.#serveOld(flying.entry, whole)
      }
      const flight = flying ?? this.#start(key, entry, loader, options, false, group)
      this.stats.misses++
      const { crowd } = flight
      if (crowd && !whole && !forceRefresh && !strict && !token) return crowd.share()
      const waiter = flight.join(whole, strict, forceRefresh, token)
      if (token) {
        waiter.registration = token.onCancelled(() => this.#leave(flight, waiter, token))
      }
      if (!flying) this.#launch(flight, !forceRefresh)
      else this.#comfort(flight)
      return waiter.promise
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Answers with what is at hand, if it may; begins to refresh it, if it should. */
  #serve(
    entry: Entry<K, V>,
    loader: Loader<K, V> | undefined,
    options: GetOptions,
    whole: boolean,
    group: Group<K, V> | undefined,
  ): Promise<V | CacheEntry<V>> | undefined {
    const { staleWhileRevalidate, staleIfError } = this.#settings
    const { key, freshUntil = Infinity, failed, details } = entry
    const now = performance.now()
    const late = now - freshUntil
    const fresh = late < 0
    const tired = details?.failure !== undefined && now < details.failure.retryAt
    if (!fresh && (failed || late >= staleWhileRevalidate)) {
      return tired && late < staleIfError ? this.#serveOld(entry, whole) : undefined
    }
    this.stats[fresh ? 'hits' : 'stale']++
    this.#memory.eviction?.hit(entry)
    if (failed) return Promise.reject(entry.value)
    const answer = whole
      ? Promise.resolve(entry.tell(fresh ? 'fresh' : 'stale', now))
      : entry.settled
    if (loader && !tired && !entry.flight && (!fresh || this.#memory.isDue(entry, -late))) {
      this.#launch(this.#start(key, entry, loader, options, true, group), false)
    }
    return answer
  }

  #serveOld(entry: Entry<K, V>, whole: boolean, callers = 1): Promise<V | CacheEntry<V>> {
    this.stats.stale += callers
    return whole ? Promise.resolve(entry.tell('error-stale', performance.now())) : entry.settled
  }

  #start(
    key: K,
    known: Entry<K, V> | undefined,
    loader: Loader<K, V> | undefined,
    options: GetOptions,
    background: boolean,
    group: Group<K, V> | undefined,
  ): Flight<K, V> {
    const { tier } = this.#memory
    // Without a loader the second tier may still have it.
    const load = checkFunction('load', (loader ?? (tier && missing)) as Loader<K, V>)
    const entry = known ?? this.#memory.open(key)
    const flight = new Flight(entry, load, background, options, tier ? Date.now() : 0)
    if (group?.load === load) {
      flight.group = group
      group.expect()
    }
    flight.nth = ++this.#voided.begun
    entry.flight = flight
    this.#flights.push(flight)
    if (background) this.#pin(flight)
    return flight
  }

  #pin(flight: Flight<K, V>): void {
    flight.pinned = true
    if (this.#settings.waitUntil) {
      this.#memory.announce(
        new Promise<void>((resolve) => {
          flight.landed = resolve
        }),
      )
    }
  }

  #launch(flight: Flight<K, V>, askTier: boolean): void {
    const { entry } = flight
    const { tier } = this.#memory
    if (this.#memory.isKept(entry)) {
      flight.previous = { value: entry.value, age: performance.now() - entry.since }
    }
    this.#comfort(flight)
    if (!tier || !askTier) return this.#run(flight)
    tier.read(entry.key).then(
      (envelope) => this.#adopt(flight, envelope),
      (error) => {
        this.#fail(flight, error)
        this.#run(flight)
      },
    )
  }

  /** Whoever waits will get what is old, if there is something, when the soft timeout has passed. */
  #comfort(flight: Flight<K, V>): void {
    const { softTimeout } = this.#settings
    if (softTimeout === Infinity || flight.soft || !flight.count) return
    if (!this.#memory.isKept(flight.entry)) return
    flight.soften(softTimeout, () => this.#soften(flight))
  }

  #soften(flight: Flight<K, V>): void {
    const { entry, current } = flight
    flight.soft = undefined
    if (!current || !this.#memory.isKept(entry)) return
    flight.slow = true
    for (let i = flight.count; i > 0; i--) {
      const waiter = flight.shift() as Waiter<V>
      if (waiter.strict) flight.waiters?.push(waiter)
      else waiter.settle(this.#serveOld(entry, waiter.whole, waiter.callers))
    }
    if (!flight.pinned) this.#pin(flight)
  }

  /** Goes on with what the second tier had. */
  #adopt(flight: Flight<K, V>, envelope: Envelope<V> | undefined): void {
    const { entry } = flight
    const memory = this.#memory
    const { value, created = 0, ttl, tags } = envelope ?? ({} as Partial<Envelope<V>>)
    const newer = memory.isKept(entry) && (entry.details?.created ?? 0) >= created
    if (envelope && !flight.over && !this.#voided.isVoid(flight, tags) && !newer) {
      const lasts = ttl ?? Infinity
      const age = Math.max(0, Date.now() - created)
      const fresh = age < lasts
      try {
        memory.keep(entry.key, value as V, lasts, age, new Details(tags, created), flight)
        flight.previous = { value: value as V, age }
        if (!flight.over && age - lasts < this.#settings.staleWhileRevalidate) {
          const state = fresh ? 'fresh' : 'stale'
          const callers = flight.answer(value as V, 'store', state, age, isForced)
          if (!fresh) this.stats.stale += callers
          if (!flight.count && (fresh || flight.load === missing)) this.#end(flight)
          else if (!flight.count) {
            flight.background = true
            this.#pin(flight)
          }
        }
        this.#comfort(flight)
        memory.tell()
      } catch (error) {
        memory.report(error, entry.key, 'store-get')
      }
    }
    this.#run(flight)
  }

  /** Calls the loader, unless the flight is over; those who load together begin together. */
  #run(flight: Flight<K, V>): void {
    if (flight.group?.defers(() => this.#run(flight)) || flight.over) return
    const { loadTimeout: timeout, refreshAhead } = this.#settings
    if (refreshAhead === 'probabilistic') flight.since = performance.now()
    this.stats.loads++
    if (timeout < Infinity) {
      const token = flight.limit(timeout, `${this.#memory.who}: load timed out after ${timeout} ms`)
      token.onCancelled(() => this.#fail(flight, token.error))
      if (flight.over) return // it is 0
    }
    let result: V | PromiseLike<V>
    let later: boolean
    try {
      result = flight.run()
      later = typeof (result as PromiseLike<V> | null)?.then === 'function'
    } catch (error) {
      return this.#fail(flight, error)
    }
    if (!later) return this.#done(flight, result as V)
    Promise.resolve(result).then(
      (value) => this.#done(flight, value),
      (error) => this.#fail(flight, error),
    )
  }

  #done(flight: Flight<K, V>, value: V): void {
    const { key, tags } = flight
    const memory = this.#memory
    const { awaitStore, disposeValues } = this.#settings
    if (flight.over) {
      if (disposeValues) memory.discard(key, value)
      return
    }
    let stored: Promise<unknown> | undefined
    try {
      if (tags !== undefined) checkTags(tags)
      if (flight.current && !flight.noStore && !this.#voided.isVoid(flight)) {
        stored = memory.put(key, value, flight, flight)
      }
    } catch (error) {
      this.#fail(flight, error)
      return this.#done(flight, value) // which nobody gets
    }
    this.#end(flight)
    flight.source?.close()
    if (disposeValues && !flight.count) memory.discard(key, value)
    if (stored && awaitStore) {
      this.#orphans.push(flight) // for close() to find
      void stored.then(() => {
        unlink(flight)
        flight.answer(value, 'load')
      })
    } else flight.answer(value, 'load')
    memory.tell()
  }

  #fail(flight: Flight<K, V>, error: unknown): void {
    if (flight.over) return
    const { entry, pinned, tags } = flight
    const { key, freshUntil = Infinity } = entry
    const { staleIfError, refreshBackoff, errorTtl } = this.#settings
    const memory = this.#memory
    const now = performance.now()
    const old = flight.current && memory.isKept(entry)
    if (old) {
      entry.details ??= new Details()
      entry.details.failure = { error, retryAt: now + refreshBackoff }
    } else if (!this.#voided.isVoid(flight)) {
      try {
        const ttl = typeof errorTtl === 'function' ? errorTtl(error, key) : errorTtl
        const failed = new Details(tags, 0, 0, true)
        memory.keep(key, error as V, checkMilliseconds('errorTtl', ttl), 0, failed, flight)
      } catch (thrown) {
        memory.report(thrown, key, 'load')
      }
    }
    this.#end(flight)
    flight.source?.close()
    this.stats.failures++
    let unheard = pinned
    for (let waiter = flight.shift(); waiter; waiter = flight.shift()) {
      if (old && !waiter.strict && staleIfError && now < freshUntil + staleIfError) {
        waiter.settle(this.#serveOld(entry, waiter.whole, waiter.callers))
        unheard = true
      } else waiter.fail(error)
    }
    if (unheard) memory.report(error, key, pinned ? 'refresh' : 'load')
    memory.tell()
  }

  #leave(flight: Flight<K, V>, waiter: Waiter<V>, token: CancellationToken): void {
    const { pinned, over, current } = flight
    unlink(waiter)
    waiter.reject(token.error)
    if (over || flight.count || (pinned && current)) return
    this.#end(flight)
    flight.cancel(token.reason)
  }

  /** From now on what it brings is only for those who wait for it. */
  #orphan(flight: Flight<K, V>): void {
    this.#detach(flight)
    if (flight.count) this.#orphans.push(flight)
    else {
      this.#end(flight)
      this.#stop(flight)
    }
  }

  #stop(flight: Flight<K, V>): void {
    flight.cancel(new CancelledError(`${this.#memory.who}: nobody waits any more`))
  }

  #end(flight: Flight<K, V>): void {
    this.#detach(flight)
    unlink(flight)
    flight.over = true
    flight.soft?.dispose()
    flight.landed?.()
  }

  /** It is no longer the one of its entry. */
  #detach(flight: Flight<K, V>): void {
    if (!flight.current) return
    flight.current = false
    flight.entry.flight = undefined
    this.#memory.forget(flight.entry)
  }
}

const isForced = <V>({ forced }: Waiter<V>): boolean => forced
const missing = (): never => checkFunction('load', undefined as never)

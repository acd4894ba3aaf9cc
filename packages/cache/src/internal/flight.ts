import {
  type CancellationToken,
  CancellationTokenSource,
  currentFrame,
  type Frame,
  type Milliseconds,
  type Registration,
  runIn,
} from '@uno-async/core'
import type { CacheEntry, GetOptions, LoadContext, Loader } from '../types.js'
import { executor, rejectLast, resolveLast } from './deferred.js'
import type { Entry } from './entry.js'
import type { Group } from './group.js'
import { type Link, List } from './list.js'

type Answer<V> = V | CacheEntry<V>

/** Who waits for a flight. */
export class Waiter<V> implements Link {
  next: Link = this
  prev: Link = this
  list: List<never> | undefined = undefined
  readonly whole: boolean // wants the CacheEntry
  readonly strict: boolean // takes no old value
  readonly forced: boolean // wants a load, not what the second tier has
  callers = 1 // the crowd is more than one
  registration: Registration | undefined = undefined
  readonly promise: Promise<Answer<V>> = new Promise(executor)
  readonly #resolve: (answer: Answer<V> | PromiseLike<Answer<V>>) => void = resolveLast as never
  readonly reject: (error: unknown) => void = rejectLast

  constructor(whole: boolean, strict: boolean, forced: boolean) {
    this.whole = whole
    this.strict = strict
    this.forced = forced
  }

  /** For one more of the crowd. */
  share(): Promise<Answer<V>> {
    this.callers++
    return this.promise.then()
  }

  settle(answer: Answer<V> | PromiseLike<Answer<V>>): void {
    this.registration?.dispose()
    this.#resolve(answer)
  }

  fail(error: unknown): void {
    this.registration?.dispose()
    this.reject(error)
  }
}

/**
 * One load: who waits for it, and whether anything it brings is still wanted. To its loader both the context it is
 * given and the frame in force, so that neither costs anything.
 */
export class Flight<K, V> implements LoadContext<K, V>, Frame, Link {
  next: Link = this
  prev: Link = this
  list: List<never> | undefined = undefined
  readonly entry: Entry<K, V>
  readonly load: Loader<K, V>
  background: boolean
  previous: LoadContext<K, V>['previous'] = undefined
  ttl: Milliseconds | undefined
  tags: readonly string[] | undefined
  noStore: boolean | undefined = undefined
  readonly asked: number // by the clock on the wall, if there is a second tier
  crowd: Waiter<V> | undefined = undefined // the one for all who can neither leave nor have special wishes
  waiters: List<Waiter<V>> | undefined = undefined // the others, once there are any
  values: Frame['values'] = undefined
  since: number | undefined = undefined // the loader was called; only where it matters how long it takes
  current = true // the one of its entry: what it brings may be kept
  over = false
  pinned = false // goes on even if nobody waits
  slow = false // the soft timeout has passed
  soft: Registration | undefined = undefined
  landed: (() => void) | undefined = undefined
  nth = 0 // to tell which tags were invalidated since it began
  group: Group<K, V> | undefined = undefined
  source: CancellationTokenSource | undefined = undefined // once somebody looks at the token
  #reason: unknown = undefined // of its cancellation

  constructor(
    entry: Entry<K, V>,
    load: Loader<K, V>,
    background: boolean,
    { ttl, tags }: GetOptions,
    asked: number,
  ) {
    this.entry = entry
    this.load = load
    this.asked = asked
    this.background = background
    this.ttl = ttl
    this.tags = tags
  }

  get key(): K {
    return this.entry.key
  }

  /** Most loaders never look: then there is none. */
  get token(): CancellationToken {
    let source = this.source
    if (!source) {
      source = this.source = new CancellationTokenSource()
      if (this.#reason !== undefined) source.cancel(this.#reason)
      else if (this.over) source.close()
    }
    return source.token
  }

  get signal(): AbortSignal {
    return this.token.signal
  }

  /** So long has the load, from now on. */
  limit(timeout: Milliseconds, message: string): CancellationToken {
    this.source = new CancellationTokenSource({ timeout, message, ref: !this.background })
    return this.source.token
  }

  /** Calls `serve` after so long, if anybody still waits. */
  soften(after: Milliseconds, serve: () => void): void {
    const { token } = new CancellationTokenSource({ timeout: after, ref: true })
    this.soft = token.onCancelled(serve)
  }

  /** Calls the loader. */
  run(): V | PromiseLike<V> {
    this.values = currentFrame()?.values
    return runIn(this as Flight<K, V>, callLoader<K, V>, this)
  }

  join(
    whole: boolean,
    strict: boolean,
    forced: boolean,
    token: CancellationToken | undefined,
  ): Waiter<V> {
    const waiter = new Waiter<V>(whole, strict, forced)
    if (whole || strict || forced || token) (this.waiters ??= new List()).push(waiter)
    else this.crowd = waiter
    return waiter
  }

  /** How many wait, the crowd being one. */
  get count(): number {
    return (this.waiters ? this.waiters.count : 0) + (this.crowd ? 1 : 0)
  }

  /** Takes out one who waits. */
  shift(): Waiter<V> | undefined {
    const { crowd } = this
    this.crowd = undefined
    return crowd ?? this.waiters?.take()
  }

  /** All who wait, or those who do not go on waiting; how many got it. */
  answer(
    value: V,
    source: CacheEntry<V>['source'],
    state: CacheEntry<V>['state'] = 'fresh',
    age: Milliseconds = 0,
    goesOn?: (waiter: Waiter<V>) => boolean,
  ): number {
    let callers = 0
    for (let i = this.count; i > 0; i--) {
      const waiter = this.shift() as Waiter<V>
      if (goesOn?.(waiter)) this.waiters?.push(waiter)
      else {
        callers += waiter.callers
        waiter.settle(waiter.whole ? { value, state, age, source, error: undefined } : value)
      }
    }
    return callers
  }

  cancel(reason: unknown): void {
    this.#reason ??= reason
    this.source?.cancel(reason)
  }
}

function callLoader<K, V>(flight: Flight<K, V>): V | PromiseLike<V> {
  const { load, key } = flight
  return load(key, flight)
}

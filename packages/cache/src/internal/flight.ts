import {
  type CancellationToken,
  CancellationTokenSource,
  currentFrame,
  type Frame,
  type Milliseconds,
  type Registration,
  runIn,
} from '@uno-async/core'
import type { CacheEntry, LoadContext, Loader } from '../types.js'
import type { Entry } from './entry.js'
import type { Group } from './group.js'
import { Link, List } from './list.js'

/** Who waits for a flight. */
export class Waiter<V> extends Link {
  readonly whole: boolean // wants the CacheEntry
  readonly strict: boolean // takes no old value
  registration: Registration | undefined = undefined
  reject!: (error: unknown) => void
  readonly promise: Promise<V | CacheEntry<V>>
  #resolve!: (answer: V | CacheEntry<V> | PromiseLike<V | CacheEntry<V>>) => void

  constructor(whole: boolean, strict: boolean) {
    super()
    this.whole = whole
    this.strict = strict
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.reject = reject
    })
  }

  answer(
    value: V,
    source: CacheEntry<V>['source'],
    state: CacheEntry<V>['state'] = 'fresh',
    age: Milliseconds = 0,
  ): void {
    this.settle(this.whole ? { value, state, age, source, error: undefined } : value)
  }

  settle(answer: V | CacheEntry<V> | PromiseLike<V | CacheEntry<V>>): void {
    this.registration?.dispose()
    this.#resolve(answer)
  }

  fail(error: unknown): void {
    this.registration?.dispose()
    this.reject(error)
  }
}

class Context<K, V> implements LoadContext<K, V> {
  readonly key: K
  background: boolean
  previous: LoadContext<K, V>['previous'] = undefined
  ttl: Milliseconds | undefined
  tags: readonly string[] | undefined
  noStore: boolean | undefined = undefined
  readonly #flight: Flight<K, V>

  constructor(
    flight: Flight<K, V>,
    background: boolean,
    ttl: Milliseconds | undefined,
    tags: readonly string[] | undefined,
  ) {
    this.key = flight.key
    this.background = background
    this.ttl = ttl
    this.tags = tags
    this.#flight = flight
  }

  get token(): CancellationToken {
    return this.#flight.token
  }

  get signal(): AbortSignal {
    return this.token.signal
  }
}

/** One load: who waits for it, and whether anything it brings is still wanted. To the loader, the frame in force. */
export class Flight<K, V> implements Frame {
  readonly key: K
  readonly load: Loader<K, V>
  readonly context: Context<K, V>
  readonly asked: number // by the clock on the wall, if there is a second tier
  crowd: Waiter<V> | undefined = undefined // the one for all who can neither leave nor have special wishes
  readonly waiters: List<Waiter<V>> = new List() // the others
  values: Frame['values'] = undefined
  since: number | undefined = undefined // the loader was called; only where it matters how long it takes
  current = true // what it brings may be kept
  over = false
  pinned = false // goes on even if nobody waits
  slow = false // the soft timeout has passed
  soft: Registration | undefined = undefined
  landed: (() => void) | undefined = undefined
  voided: Set<string> | undefined = undefined // tags that were invalidated since it began
  group: Group<K, V> | undefined = undefined
  #source: CancellationTokenSource | undefined // once somebody looks at the token
  #reason: unknown = undefined // of its cancellation

  constructor(
    key: K,
    load: Loader<K, V>,
    background: boolean,
    options: { ttl?: Milliseconds | undefined; tags?: readonly string[] | undefined },
    source: CancellationTokenSource | undefined,
    asked: number,
  ) {
    this.key = key
    this.load = load
    this.asked = asked
    this.context = new Context(this as Flight<K, V>, background, options.ttl, options.tags)
    this.#source = source
  }

  /** Most loaders never look: then there is none. */
  get token(): CancellationToken {
    let source = this.#source
    if (!source) {
      this.#source = source = new CancellationTokenSource()
      if (this.#reason !== undefined) source.cancel(this.#reason)
      else if (this.over) source.close()
    }
    return source.token
  }

  /** Calls the loader. */
  run(): V | PromiseLike<V> {
    this.values = currentFrame()?.values
    return runIn(this as Flight<K, V>, callLoader<K, V>, this)
  }

  join(whole: boolean, strict: boolean, token: CancellationToken | undefined): Waiter<V> {
    const waiter = new Waiter<V>(whole, strict)
    if (whole || strict || token) this.waiters.push(waiter)
    else this.crowd = waiter
    return waiter
  }

  /** How many wait, the crowd being one. */
  get count(): number {
    return this.waiters.count + (this.crowd ? 1 : 0)
  }

  /** Takes out one who waits. */
  next(): Waiter<V> | undefined {
    const { crowd } = this
    this.crowd = undefined
    return crowd ?? this.waiters.take()
  }

  /** Its token is of no use any more. */
  close(): void {
    this.#source?.close()
  }

  cancel(reason: unknown): void {
    this.#reason ??= reason
    this.#source?.cancel(reason)
  }

  remember(entry: Entry<K, V>): void {
    this.context.previous = { value: entry.value, age: performance.now() - entry.since }
  }
}

const callLoader = <K, V>({ load, key, context }: Flight<K, V>): V | PromiseLike<V> =>
  load(key, context)

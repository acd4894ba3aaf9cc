import { CancellationTokenSource, type Milliseconds, type Registration } from '@uno-async/core'
import type { CacheEntry, LoadContext, Loader } from '../types.js'
import type { Entry } from './entry.js'
import type { Group } from './group.js'

/** One who waits for a flight. */
export class Waiter<V> {
  readonly resolve: (value: V | CacheEntry<V>) => void
  readonly reject: (error: unknown) => void
  readonly whole: boolean // wants the CacheEntry
  readonly strict: boolean // takes no old value
  registration: Registration | undefined = undefined

  constructor(
    resolve: (value: V | CacheEntry<V>) => void,
    reject: (error: unknown) => void,
    whole: boolean,
    strict: boolean,
  ) {
    this.resolve = resolve
    this.reject = reject
    this.whole = whole
    this.strict = strict
  }

  answer(
    value: V,
    source: CacheEntry<V>['source'],
    state: CacheEntry<V>['state'] = 'fresh',
    age: Milliseconds = 0,
    error?: unknown,
  ): void {
    this.registration?.dispose()
    this.resolve(this.whole ? { value, state, age, source, error } : value)
  }

  fail(error: unknown): void {
    this.registration?.dispose()
    this.reject(error)
  }
}

class Context<K, V> implements LoadContext<K, V> {
  readonly key: K
  readonly token: LoadContext<K, V>['token']
  background: boolean
  previous: LoadContext<K, V>['previous'] = undefined
  ttl: Milliseconds | undefined
  tags: readonly string[] | undefined
  noStore: boolean | undefined = undefined

  constructor(
    key: K,
    token: LoadContext<K, V>['token'],
    background: boolean,
    ttl: Milliseconds | undefined,
    tags: readonly string[] | undefined,
  ) {
    this.key = key
    this.token = token
    this.background = background
    this.ttl = ttl
    this.tags = tags
  }

  get signal(): AbortSignal {
    return this.token.signal
  }
}

/** One load: who waits for it, and whether anything it brings is still wanted. */
export class Flight<K, V> {
  readonly key: K
  readonly load: Loader<K, V>
  readonly source: CancellationTokenSource
  readonly context: Context<K, V>
  readonly waiters: Set<Waiter<V>> = new Set()
  readonly asked: number // by the clock on the wall, if there is a second tier
  since = 0 // the loader was called
  over = false
  pinned = false // goes on even if nobody waits
  slow = false // the soft timeout has passed
  soft: Registration | undefined = undefined
  landed: (() => void) | undefined = undefined
  voided: Set<string> | undefined = undefined // tags that were invalidated since it began
  group: Group<K, V> | undefined = undefined

  constructor(
    key: K,
    load: Loader<K, V>,
    background: boolean,
    options: { ttl?: Milliseconds | undefined; tags?: readonly string[] | undefined },
    timeout: Milliseconds | undefined,
    asked: number,
  ) {
    this.key = key
    this.load = load
    this.asked = asked
    this.source = new CancellationTokenSource({ timeout })
    this.context = new Context(key, this.source.token, background, options.ttl, options.tags)
  }

  remember(entry: Entry<K, V>): void {
    this.context.previous = { value: entry.value, age: performance.now() - entry.since }
  }
}

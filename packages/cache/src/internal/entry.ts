import type { Milliseconds } from '@uno-async/core'
import type { CacheEntry } from '../types.js'
import type { Flight } from './flight.js'
import type { Link, List } from './list.js'

/** A refresh that failed. */
export interface Failure {
  readonly error: unknown
  readonly retryAt: number
}

/** What there is to say about some values besides themselves. */
export class Details {
  readonly tags: readonly string[] | undefined
  /** When it was loaded, by the clock on the wall; 0 without a second tier. */
  readonly created: number
  /** What its load took, where that matters. */
  readonly took: Milliseconds
  /** The value is the error of a load. */
  readonly failed: boolean
  weight = 1
  failure: Failure | undefined = undefined // the last refresh, if it failed

  constructor(tags?: readonly string[], created = 0, took: Milliseconds = 0, failed = false) {
    // Whoever gave them may change them, and they must be found again.
    this.tags = tags && [...tags]
    this.created = created
    this.took = took
    this.failed = failed
  }
}

/**
 * A key and what is known about it: a value, a load in flight, or both. Points in time are on the performance.now()
 * scale. There are many of these: each field less makes loads faster, as there is less to move for the collector.
 */
export class Entry<K, V> implements Link {
  // What a hit looks at comes first, and lies together: no class to extend.
  freshUntil: number | undefined = -Infinity // undefined: for ever; -Infinity: there is no value
  promise: Promise<V> | undefined = undefined // of the value, once somebody has read it
  hits = 0 // since the eviction last looked, at most 3
  value: V = undefined as V
  details: Details | undefined = undefined
  flight: Flight<K, V> | undefined = undefined
  since = 0 // settled then
  slot = -1 // in the heap of what expires
  readonly key: K
  next: Link = this
  prev: Link = this
  list: List<never> | undefined = undefined

  constructor(key: K) {
    this.key = key
  }

  /** Is there a value? */
  get held(): boolean {
    return this.freshUntil !== -Infinity
  }

  /** The value is the error of a load. */
  get failed(): boolean {
    return this.details?.failed === true
  }

  get weight(): number {
    return this.details?.weight ?? 1
  }

  /** The same promise for all who read it. */
  get settled(): Promise<V> {
    return (this.promise ??= Promise.resolve(this.value))
  }

  tell(state: CacheEntry<V>['state'], now: number): CacheEntry<V> {
    const { value, since, details } = this
    return { value, state, age: now - since, source: 'memory', error: details?.failure?.error }
  }
}

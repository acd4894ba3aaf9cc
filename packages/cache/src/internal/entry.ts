import type { Milliseconds } from '@uno-async/core'
import type { CacheEntry } from '../types.js'
import { Link } from './list.js'

/** A refresh that failed. */
export interface Failure {
  readonly error: unknown
  readonly retryAt: number
}

/** What is known about a key: its value, or why there is none. Points in time are on the performance.now() scale. */
export class Entry<K, V> extends Link {
  readonly key: K
  // What a hit looks at lies together.
  value: V = undefined as V
  promise: Promise<V> | undefined = undefined // of the value, once somebody has read it
  forever = false // always fresh
  failed = false // `value` is the error of a load
  hits = 0 // since the eviction last looked, at most 3
  since = 0 // settled then
  ttl: Milliseconds = 0 // fresh for so long
  grace: Milliseconds = 0 // and kept for so long after
  created = 0 // as `since`, by the clock on the wall
  took: Milliseconds = 0 // what its load took
  failure: Failure | undefined = undefined // the last, since
  tags: readonly string[] | undefined = undefined
  weight = 0
  slot = -1 // in the heap of what expires

  constructor(key: K) {
    super()
    this.key = key
  }

  get freshUntil(): number {
    return this.since + this.ttl
  }

  get keptUntil(): number {
    return this.freshUntil + this.grace
  }

  /** The same promise for all who read it. */
  get settled(): Promise<V> {
    return (this.promise ??= Promise.resolve(this.value))
  }

  tell(state: CacheEntry<V>['state'], now: number): CacheEntry<V> {
    const { value, since, failure } = this
    return { value, state, age: now - since, source: 'memory', error: failure?.error }
  }
}

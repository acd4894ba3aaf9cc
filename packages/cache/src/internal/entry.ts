import type { Milliseconds } from '@uno-async/core'
import { Link } from './list.js'

/** What is known about a key: its value, or why there is none. Points in time are on the performance.now() scale. */
export class Entry<K, V> extends Link {
  readonly key: K
  value: V = undefined as V
  failed = false // `value` is the error of a load
  since = 0 // settled then
  created = 0 // the same by the clock on the wall
  freshUntil = 0
  keptUntil = 0
  checkAt = 0 // until then a hit has nothing to look at but this
  took: Milliseconds = 0 // what its load took
  retryAt = 0 // after a refresh that failed: not before
  error: unknown = undefined // of that refresh
  tags: readonly string[] | undefined = undefined
  weight = 0
  hits = 0 // since the eviction last looked, at most 3
  slot = -1 // in the heap of what expires

  constructor(key: K) {
    super()
    this.key = key
  }
}

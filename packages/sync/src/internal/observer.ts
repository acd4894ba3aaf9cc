import type { Lease } from '@uno-async/core'
import type { Hold } from './hold.js'

/** Is told of everything while somebody watches. */
export interface Observer {
  waiting(hold: Hold): void
  left(hold: Hold): void
  /** Gives the lease to hand out. */
  granted(hold: Hold): Lease
  released(hold: Hold): void
}

/** Undefined, and then it costs one comparison, unless `watchPrimitives` of the entry `debug` is in use. */
export let observer: Observer | undefined

export function observe(next: Observer | undefined): void {
  observer = next
}

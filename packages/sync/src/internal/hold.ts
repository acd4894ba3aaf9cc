import type { Lease } from '@uno-async/core'
import type { Permits } from './permits.js'

let ids = 0

/** A request, and once granted the lease of it. */
export class Hold implements Lease {
  readonly id: number = ++ids
  readonly permits: Permits
  readonly weight: number
  readonly label: string | undefined
  priority = 0 // of who waits
  held = false
  since = 0 // when it was granted
  // Among the holders of `permits`:
  prev: Hold | undefined = undefined
  next: Hold | undefined = undefined
  inner: Permits | undefined = undefined // those who re-enter take turns here
  parent: Hold | undefined = undefined // what the flow of its body held already

  constructor(permits: Permits, weight: number, label: string | undefined) {
    this.permits = permits
    this.weight = weight
    this.label = label
  }

  release(): boolean {
    if (!this.held) return false
    this.held = false
    this.permits.settle(this)
    return true
  }

  [Symbol.dispose](): void {
    this.release()
  }
}

/** The hold behind a lease, also where the lease handed out is a watched one. */
export function holdOf(lease: Lease & { readonly hold?: unknown }): Hold | undefined {
  const hold = lease instanceof Hold ? lease : lease?.hold
  return hold instanceof Hold ? hold : undefined
}

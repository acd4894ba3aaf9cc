import type { Lease, Milliseconds } from '@uno-async/core'
import type { RateDecision } from '../rate-limiter-options.js'

let ids = 0

/** A request of a RateLimiter, and once granted the lease of it, which gives nothing back. */
export class RateRequest implements Lease {
  readonly id: number = ++ids
  readonly cost: number
  readonly priority: number
  readonly label: string | undefined
  readonly deadline: number
  held = true

  constructor(cost: number, priority: number, label: string | undefined, deadline: number) {
    this.cost = cost
    this.priority = priority
    this.label = label
    this.deadline = deadline
  }

  release(): boolean {
    const { held } = this
    this.held = false
    return held
  }

  [Symbol.dispose](): void {
    this.release()
  }
}

export const refusal = (wait: Milliseconds, remaining = 0): RateDecision => ({
  allowed: false,
  remaining,
  retryAfter: due(wait),
})

/**
 * What is said of a wait. A turn comes a hair early for what rounding took away: 99.999999 ms would be 99 for
 * setTimeout, and whoever comes back then is refused once more. So up, to what still reads as a number of milliseconds.
 */
export const due = (wait: Milliseconds): Milliseconds => Math.ceil(wait * 1e5) / 1e5

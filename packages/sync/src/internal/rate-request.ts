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

export const refusal = (retryAfter: Milliseconds, remaining = 0): RateDecision => ({
  allowed: false,
  remaining,
  retryAfter,
})

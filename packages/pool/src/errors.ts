import { type Milliseconds, TimeoutError, UnoAsyncError } from '@uno-async/core'
import type { PoolStats } from './types.js'

/** The lease was given back: what it lent is no longer yours. `code` is `ERR_RELEASED`. */
export class ReleasedError extends UnoAsyncError {
  override readonly code: 'ERR_RELEASED' = 'ERR_RELEASED'

  override get name(): string {
    return 'ReleasedError'
  }
}

/** Who held a resource, and for how long. */
export interface Holder {
  readonly label?: string
  readonly heldFor: Milliseconds
}

/** No resource came free in time. Caused by the last create that failed, if creates do fail. `code` is `ETIMEDOUT`. */
export class AcquireTimeoutError extends TimeoutError {
  readonly stats: PoolStats
  /** Who held on longest, at most five. */
  readonly holders: readonly Holder[]

  constructor(
    message: string,
    options: {
      cause?: unknown
      timeout: Milliseconds
      stats: PoolStats
      holders: readonly Holder[]
    },
  ) {
    super(message, options)
    this.stats = options.stats
    this.holders = options.holders
  }

  override get name(): string {
    return 'AcquireTimeoutError'
  }
}

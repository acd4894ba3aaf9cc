import { UnoAsyncError } from '@uno-async/core'

/**
 * Whoever asks for this would wait for itself: the flow holds it already. `code` is `ERR_DEADLOCK`.
 *
 * @example
 * ```ts
 * import { AsyncLock, DeadlockError } from '@uno-async/sync'
 * const lock = new AsyncLock({ name: 'db' })
 * await lock.run(async () => {
 *   await lock.acquire().catch((error) => error instanceof DeadlockError) // true
 * })
 * ```
 */
export class DeadlockError extends UnoAsyncError {
  override readonly code: 'ERR_DEADLOCK' = 'ERR_DEADLOCK'
  /** Who waits for whom: each is held by the flow that asks for the next; the last is the first. */
  readonly cycle: readonly string[]

  constructor(message?: string, options: { cause?: unknown; cycle?: readonly string[] } = {}) {
    const { cycle = [] } = options
    super(message ?? `Deadlock: ${cycle.join(' → ')}`, options)
    this.cycle = cycle
  }

  override get name(): string {
    return 'DeadlockError'
  }
}

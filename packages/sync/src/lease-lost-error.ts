import { UnoAsyncError } from '@uno-async/core'

/**
 * The lock is somebody else's by now, or may be: stop. `code` is `ERR_LEASE_LOST`.
 *
 * @example
 * ```ts
 * import { LeaseLostError } from '@uno-async/sync/remote'
 * new LeaseLostError('The connection ended').code // 'ERR_LEASE_LOST'
 * ```
 */
export class LeaseLostError extends UnoAsyncError {
  override readonly code: 'ERR_LEASE_LOST' = 'ERR_LEASE_LOST'

  override get name(): string {
    return 'LeaseLostError'
  }
}

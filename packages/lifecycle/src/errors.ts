import { CancelledError, UnoAsyncError } from '@uno-async/core'
import type { ShutdownReason } from './contracts.js'

/** Something cannot be started, registered or read in the state the manager is in. `code` is `ERR_LIFECYCLE`. */
export class LifecycleError extends UnoAsyncError {
  override readonly code: 'ERR_LIFECYCLE' = 'ERR_LIFECYCLE'

  override get name(): string {
    return 'LifecycleError'
  }
}

/** The application is told to stop: what tokens of a stopping manager are cancelled with. To be obeyed, not reported. */
export class ShutdownError extends CancelledError {
  readonly reason: ShutdownReason

  constructor(message: string, reason: ShutdownReason) {
    super(message, { cause: reason.error ?? reason.detail })
    this.reason = reason
  }
}

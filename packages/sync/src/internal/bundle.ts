import { CancellationToken, type Lease, report } from '@uno-async/core'
import type { RemoteLease } from '../lock-backend.js'

/** Several leases as one. */
export class Bundle implements Lease {
  readonly local: readonly Lease[]
  #released = false

  constructor(local: readonly Lease[]) {
    this.local = local
  }

  get held(): boolean {
    return !this.#released
  }

  release(): boolean {
    if (this.#released) return false
    this.#released = true
    this.free()
    return true
  }

  free(): void {
    for (const lease of this.local) lease.release()
  }

  [Symbol.dispose](): void {
    this.release()
  }
}

/** Local leases that stand in front of those of a backend. */
export class RemoteBundle extends Bundle implements RemoteLease {
  readonly #remote: readonly RemoteLease[]
  readonly signal: AbortSignal
  readonly released: Promise<void>
  #done: () => void = () => {}

  constructor(local: readonly Lease[], remote: readonly RemoteLease[]) {
    super(local)
    this.#remote = remote
    this.signal = CancellationToken.any(...remote.map(({ signal }) => signal)).signal
    this.released = new Promise((resolve) => {
      this.#done = resolve
    })
  }

  /** Once one is lost no more, though what is local is kept until the release. */
  override get held(): boolean {
    return super.held && !this.signal.aborted
  }

  /** Of several keys the greatest. */
  get token(): bigint {
    let greatest = 0n
    for (const { token } of this.#remote) if (token > greatest) greatest = token
    return greatest
  }

  /** First the others may have it, then those here: or the next one here would find it taken. */
  override free(): void {
    const freed = this.#remote.map(async (lease) => {
      lease.release()
      await lease.released
    })
    void Promise.allSettled(freed).then((outcomes) => {
      for (const outcome of outcomes) if (outcome.status === 'rejected') report(outcome.reason)
      super.free()
      this.#done()
    })
  }
}

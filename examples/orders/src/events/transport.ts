import type { CancellationToken } from '@uno-async/core'

/** Somebody who has to hear of an event. */
interface Delivery {
  readonly event: number
  readonly handler: string
}

/** How deliveries reach whichever instance has time for them. It may lose some, or bring some twice. */
export interface Transport {
  publish(deliveries: readonly Delivery[]): Promise<void>
  /** Takes what comes for a handler until it is cancelled, and ends when it has done with what it took. */
  consume(
    handler: string,
    deliver: (event: number) => Promise<void>,
    token: CancellationToken,
  ): Promise<void>
  close(): Promise<void>
}

/** Deliveries of one handler taken at once. */
export const AT_ONCE = 10

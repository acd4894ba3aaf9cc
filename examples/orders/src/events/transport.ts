/** Somebody who has to hear of an event. */
export interface Delivery {
  readonly event: number
  readonly handler: string
}

/** How deliveries reach whichever instance has time for them. It may lose some, or bring some twice. */
export interface Transport {
  publish(deliveries: readonly Delivery[]): Promise<void>
  consume(handler: string, deliver: (event: number) => Promise<unknown>): Promise<void>
  /** Takes nothing more; what was taken goes on. */
  pause(): Promise<void>
  close(): Promise<void>
}

import type { Milliseconds, Registration } from '@uno-async/core'
import { AcquireTimeoutError, ReleasedError } from '../errors.js'
import type { PoolLeak, PoolLease, PoolStats } from '../types.js'
import type { Engine } from './engine.js'
import { defined } from './options.js'

/** The place of a resource in its pool. Points in time are on the performance.now() scale. */
export class Slot<T> {
  readonly resource: T
  readonly diesAt: number
  idleSince: number
  uses = 0
  broken = false
  /** Held by the slot while nobody borrows it, else by the lease alone: if this is collected, the lease was lost. */
  ticket: object | undefined = {}
  // of who borrows it
  holder = 0 // the lease's id, 0: nobody
  label: string | undefined = undefined
  since = 0
  stack: string | undefined = undefined
  alarm: Registration | undefined = undefined

  constructor(resource: T, now: number, lifetime: Milliseconds) {
    this.resource = resource
    this.idleSince = now
    this.diesAt = now + lifetime
  }
}

let ids = 0

/**
 * A request, and once granted the lease of it. Compares its id with that of the holder, so that nothing it does once
 * it is over reaches whoever has the resource then.
 */
export class SlotLease<T> implements PoolLease<T> {
  readonly id: number = ++ids
  readonly label: string | undefined
  /** Of who asks: who is served later is served from the stack of somebody else. */
  readonly stack: string | undefined
  readonly #engine: Engine<T>
  #slot: Slot<T> | undefined = undefined
  #ticket: object | undefined = undefined

  constructor(engine: Engine<T>, label: string | undefined) {
    const { options, who } = engine
    this.#engine = engine
    this.label = label
    this.stack = options.leakAfter < Infinity ? new Error(`${who}: acquired`).stack : undefined
  }

  grant(slot: Slot<T>, now: number): void {
    slot.holder = this.id
    slot.label = this.label
    slot.since = now
    this.#ticket = slot.ticket
    slot.ticket = undefined
    this.#slot = slot
  }

  get held(): boolean {
    return this.#slot?.holder === this.id
  }

  get resource(): T {
    if (this.held) return (this.#slot as Slot<T>).resource
    throw new ReleasedError(`${this.#engine.who}: the lease was released`)
  }

  get heldFor(): Milliseconds {
    return this.held ? performance.now() - (this.#slot as Slot<T>).since : 0
  }

  release(options?: { destroy?: boolean | undefined }): boolean {
    const slot = this.#slot
    if (slot?.holder !== this.id) return false
    slot.ticket = this.#ticket
    this.#slot = this.#ticket = undefined
    this.#engine.giveBack(slot, options?.destroy ? 'released' : undefined)
    return true
  }

  [Symbol.dispose](): void {
    this.release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release()
  }
}

export function leakOf<T>({ label, since, stack }: Slot<T>): PoolLeak {
  return defined({ label, heldFor: performance.now() - since, stack })
}

export function timeoutError<T>(
  who: string,
  timeout: Milliseconds,
  stats: PoolStats,
  held: readonly Slot<T>[],
  cause: unknown,
): AcquireTimeoutError {
  const now = performance.now()
  const holders = [...held]
    .sort((a, b) => a.since - b.since)
    .slice(0, 5)
    .map(({ label, since }) => defined({ label, heldFor: now - since }))
  const [first] = holders
  const by = first?.label === undefined ? '' : ` by "${first.label}"`
  const longest = first ? `, longest${by} for ${Math.round(first.heldFor)} ms` : ''
  const { borrowed, max, idle, creating, waiting } = stats
  return new AcquireTimeoutError(
    `${who} timed out after ${+timeout.toFixed(3)} ms (${borrowed} of ${max} borrowed${longest}; ` +
      `${idle} idle, ${creating} being created, ${waiting} waiting)`,
    defined({ timeout, stats, holders, cause }),
  )
}

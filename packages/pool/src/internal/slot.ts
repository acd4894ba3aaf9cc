import type { Milliseconds, Registration } from '@uno-async/core'
import { AcquireTimeoutError, ReleasedError } from '../errors.js'
import type { PoolLeak, PoolLease, PoolStats } from '../types.js'

/** The place of a resource in its pool. Points in time are on the performance.now() scale. */
export class Slot<T> {
  readonly resource: T
  /** Held by the slot while nobody borrows it, else by the lease alone: if this is collected, the lease was lost. */
  ticket: object | undefined = {}
  state: 'idle' | 'borrowed' | 'busy' | 'gone' = 'busy'
  broken = false
  readonly diesAt: number
  idleSince: number
  uses = 0
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

/** Who asks for one. */
export interface Asker {
  readonly label: string | undefined
  readonly stack: string | undefined
}

/** What a lease says to its pool. */
export interface Owner<T> {
  readonly who: string
  giveBack(slot: Slot<T>, destroy: boolean): void
}

/** Names its slot and holder, so that nothing it does once it is over reaches whoever has the resource then. */
export class SlotLease<T> implements PoolLease<T> {
  readonly #owner: Owner<T>
  readonly #slot: Slot<T>
  readonly #id: number
  #ticket: object | undefined

  constructor(owner: Owner<T>, slot: Slot<T>) {
    this.#owner = owner
    this.#slot = slot
    this.#id = slot.holder
    this.#ticket = slot.ticket
    slot.ticket = undefined
  }

  get held(): boolean {
    return this.#slot.holder === this.#id
  }

  get resource(): T {
    if (this.held) return this.#slot.resource
    throw new ReleasedError(`${this.#owner.who}: the lease was released`)
  }

  get heldFor(): Milliseconds {
    return this.held ? performance.now() - this.#slot.since : 0
  }

  release(options?: { destroy?: boolean | undefined }): boolean {
    if (!this.held) return false
    this.#slot.ticket = this.#ticket
    this.#ticket = undefined
    this.#owner.giveBack(this.#slot, !!options?.destroy)
    return true
  }

  [Symbol.dispose](): void {
    this.release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release()
  }
}

export const labelled = (label: string | undefined): { label?: string } =>
  label === undefined ? {} : { label }

export function leakOf<T>({ label, since, stack }: Slot<T>): PoolLeak {
  const heldFor = performance.now() - since
  return { ...labelled(label), heldFor, ...(stack === undefined ? {} : { stack }) }
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
    .map(({ label, since }) => ({ ...labelled(label), heldFor: now - since }))
  const [first] = holders
  const by = first && `, longest by "${first.label ?? ''}" for ${Math.round(first.heldFor)} ms`
  const { borrowed, max, idle, creating, waiting } = stats
  return new AcquireTimeoutError(
    `${who} timed out after ${timeout} ms (${borrowed} of ${max} borrowed${by ?? ''}; ` +
      `${idle} idle, ${creating} being created, ${waiting} waiting)`,
    { timeout, stats, holders, cause },
  )
}

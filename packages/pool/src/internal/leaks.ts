import { CancellationToken } from '@uno-async/core'
import type { PoolLeak } from '../types.js'
import type { Settings } from './options.js'
import { leakOf, type Slot } from './slot.js'

/** Which leases were held for too long, and which are lost. */
export class Leaks<T> {
  readonly #options: Settings<T>
  readonly #who: string
  readonly #tell: (leak: PoolLeak) => void
  readonly #lost: FinalizationRegistry<Slot<T>> | undefined

  /** @param recover - takes back what nobody can give back any more */
  constructor(
    options: Settings<T>,
    who: string,
    tell: (leak: PoolLeak) => void,
    recover: (slot: Slot<T>) => void,
  ) {
    this.#options = options
    this.#who = who
    this.#tell = tell
    if (typeof FinalizationRegistry !== 'function') return
    this.#lost = new FinalizationRegistry((slot) => {
      if (!slot.holder) return
      const leak = leakOf(slot)
      recover(slot)
      tell(leak)
    })
  }

  /** Where somebody asks: who is served later is served from the stack of somebody else. */
  trace(): string | undefined {
    const { leakAfter } = this.#options
    return leakAfter < Infinity ? new Error(`${this.#who}: acquired`).stack : undefined
  }

  register(slot: Slot<T>): void {
    this.#lost?.register(slot.ticket as object, slot, slot)
  }

  unregister(slot: Slot<T>): void {
    this.#lost?.unregister(slot)
  }

  /** It was lent. */
  watch(slot: Slot<T>): void {
    const { leakAfter } = this.#options
    if (leakAfter === Infinity) return
    slot.alarm = CancellationToken.timeout(leakAfter).onCancelled(() => this.#tell(leakOf(slot)))
  }
}

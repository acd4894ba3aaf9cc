import { CancellationToken } from '@uno-async/core'
import { call } from './call.js'
import type { Engine } from './engine.js'
import { leakOf, type Slot } from './slot.js'

/** Which leases were held for too long, and which are lost. */
export class Leaks<T> {
  readonly #engine: Engine<T>
  readonly #lost: FinalizationRegistry<Slot<T>> | undefined

  constructor(engine: Engine<T>) {
    this.#engine = engine
    if (typeof FinalizationRegistry !== 'function') return
    this.#lost = new FinalizationRegistry((slot) => {
      if (!slot.holder) return
      const leak = leakOf(slot)
      // What was lent and lost may still be in use: nobody else may get it.
      engine.giveBack(slot, 'leaked')
      call(engine.options.onLeak, leak)
    })
  }

  register(slot: Slot<T>): void {
    this.#lost?.register(slot.ticket as object, slot, slot)
  }

  unregister(slot: Slot<T>): void {
    this.#lost?.unregister(slot)
  }

  /** It was lent. */
  watch(slot: Slot<T>, stack: string | undefined): void {
    const engine = this.#engine
    const { leakAfter, onLeak } = engine.options
    if (leakAfter === Infinity) return
    slot.stack = stack
    slot.alarm = CancellationToken.timeout(leakAfter).onCancelled(() => call(onLeak, leakOf(slot)))
  }
}

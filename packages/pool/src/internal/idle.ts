import { CancellationToken, type Registration } from '@uno-async/core'
import type { Engine } from './engine.js'
import type { Slot } from './slot.js'

/** Who is idle, the last one back last; and at most one timer, for who has been so too long. */
export class Idle<T> {
  readonly slots: Slot<T>[] = []
  readonly #engine: Engine<T>
  readonly #lifo: boolean
  readonly #timed: boolean // does it matter for how long
  #timer: Registration | undefined = undefined
  #timerAt = Infinity

  constructor(engine: Engine<T>) {
    const { order, idleTimeout, maxLifetime, validate } = engine.options
    this.#engine = engine
    this.#lifo = order === 'lifo'
    this.#timed = Math.min(idleTimeout, maxLifetime) < Infinity || validate !== undefined
  }

  /** Who is to be lent next. */
  get next(): Slot<T> | undefined {
    const { slots } = this
    // Not beyond an end: a look at [-1] takes longer than all the rest.
    if (!slots.length) return undefined
    return slots[this.#lifo ? slots.length - 1 : 0]
  }

  add(slot: Slot<T>): void {
    this.slots.push(slot)
    if (!this.#timed) return
    slot.idleSince = performance.now()
    // Who has been idle for longest comes first: no need to look at all of them each time.
    const at = Math.min(this.#deadline(this.slots[0] as Slot<T>), slot.diesAt)
    if (at < this.#timerAt) this.#set(at)
  }

  /** True if it was there. */
  remove(slot: Slot<T>): boolean {
    const { slots } = this
    if (slots[slots.length - 1] === slot) slots.pop()
    else {
      const at = slots.indexOf(slot)
      if (at < 0) return false
      slots.splice(at, 1)
    }
    if (!slots.length) this.#disarm()
    return true
  }

  arm(): void {
    let at = Infinity
    for (const slot of this.slots) at = Math.min(at, this.#deadline(slot))
    if (at !== this.#timerAt) this.#set(at)
  }

  #set(at: number): void {
    this.#disarm()
    if (at === Infinity) return
    this.#timerAt = at
    const after = Math.max(0, at - performance.now())
    this.#timer = CancellationToken.timeout(after).onCancelled(() => {
      this.#disarm()
      const now = performance.now()
      for (const slot of [...this.slots]) {
        if (this.#deadline(slot) > now || !this.remove(slot)) continue
        void this.#engine.destroy(slot, slot.diesAt <= now ? 'lifetime' : 'idle')
      }
      this.arm() // at that of who went before it, it found nothing to do
    })
  }

  #deadline({ idleSince, diesAt }: Slot<T>): number {
    const { isSpare, options } = this.#engine
    return isSpare ? Math.min(idleSince + options.idleTimeout, diesAt) : diesAt
  }

  #disarm(): void {
    this.#timer?.dispose()
    this.#timerAt = Infinity
  }
}

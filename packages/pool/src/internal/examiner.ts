import type { CancellationTokenSource } from '@uno-async/core'
import type { Engine } from './engine.js'
import { limit } from './limit.js'
import type { Slot } from './slot.js'

/** Asks the user's functions whether a resource may be lent again, no longer than `validateTimeout`. */
export class Examiner<T> {
  validating = 0 // for somebody who waits
  readonly #engine: Engine<T>
  readonly #running = new Map<Slot<T>, CancellationTokenSource>()

  constructor(engine: Engine<T>) {
    this.#engine = engine
  }

  /** Destroys it if that fails, else offers it to who is next. */
  async examine(slot: Slot<T>, operation: 'validate' | 'reset'): Promise<void> {
    const engine = this.#engine
    const { [operation]: fn, validateTimeout } = engine.options
    const source = limit(engine.who, operation, validateTimeout, { ref: engine.isAwaited })
    const { token } = source
    const isReset = operation === 'reset'
    this.#running.set(slot, source)
    if (!isReset) this.validating++
    let good: unknown = false
    try {
      const said = token.run(() => fn?.(slot.resource, token))
      good = (await token.race(Promise.resolve(said))) || isReset
    } catch (error) {
      if (this.#running.has(slot)) engine.emit({ type: `${operation}-failed`, error })
    }
    source.close()
    if (!isReset) this.validating--
    if (this.#running.delete(slot)) {
      if (good) engine.offer(slot)
      else void engine.destroy(slot, isReset ? 'reset' : 'invalid')
    }
    engine.pump()
  }

  /** Whose answers are waited for. */
  get slots(): Slot<T>[] {
    return [...this.#running.keys()]
  }

  /** Waits for its answer no longer: it is the caller's. False if there was none to wait for. */
  leave(slot: Slot<T>, reason: unknown): boolean {
    const source = this.#running.get(slot)
    this.#running.delete(slot)
    source?.cancel(reason)
    return source !== undefined
  }
}

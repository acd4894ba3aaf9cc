import {
  checkOptions,
  type Milliseconds,
  type Snapshot,
  TimeoutError,
  type WaitOptions,
  WaitQueue,
} from '@uno-async/core'
import { exact, titleOf } from './internal/messages.js'
import { nothing } from './internal/nothing.js'
import { checkBoolean, checkString } from './options.js'

let ids = 0

/**
 * Lets everybody wait until it is set; then nobody waits until it is cleared.
 *
 * `set()` decides for everybody who waited, even if `clear()` follows in the same tick.
 *
 * @example
 * ```ts
 * import { AsyncEvent } from '@uno-async/sync'
 * const ready = new AsyncEvent({ name: 'ready' })
 * const waiting = ready.wait({ timeout: 1_000 })
 * ready.set() // true
 * await waiting
 * ```
 */
export class AsyncEvent {
  /** As given; '' by default. */
  readonly name: string
  readonly #queue = new WaitQueue<void, number>() // the tag is the id
  #since: number | undefined // when it was set

  /** @throws TypeError */
  constructor(options?: { name?: string | undefined; set?: boolean | undefined }) {
    const { name = '', set = false } = checkOptions(options)
    this.name = checkString('name', name)
    if (checkBoolean('set', set)) this.set()
  }

  /** Does nobody have to wait? */
  get isSet(): boolean {
    return this.#since !== undefined
  }

  /** How many wait. */
  get waiting(): number {
    return this.#queue.size
  }

  /** Wakes everybody who waits, and lets through who comes. Did it change? */
  set(): boolean {
    if (this.isSet) return false
    this.#since = performance.now()
    this.pulse()
    return true
  }

  /** Makes who comes wait again. Did it change? */
  clear(): boolean {
    const { isSet } = this
    this.#since = undefined
    return isSet
  }

  /** Wakes everybody who waits now, and sets nothing; how many. */
  pulse(): number {
    return this.#queue.wakeAll()
  }

  /** Resolves when it is set. @throws what the signal was cancelled with, TimeoutError; TypeError, RangeError */
  wait(options?: WaitOptions): Promise<void> {
    if (this.isSet) return nothing(options)
    try {
      const { signal, timeout } = checkOptions(options)
      return this.#queue.wait({ signal, timeout, tag: ++ids, onTimeout: this.#late })
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** What it is, for how long, and who waits: plain data, fresh each time. */
  inspect(): {
    readonly name: string
    readonly isSet: boolean
    readonly setFor: Milliseconds | undefined
    readonly waiters: Snapshot['waiters']
  } {
    const since = this.#since
    return {
      name: this.name,
      isSet: this.isSet,
      setFor: since === undefined ? since : performance.now() - since,
      waiters: [...this.#queue].map(({ tag, age, priority }) => ({
        id: tag,
        weight: 1,
        waitedFor: age,
        priority,
      })),
    }
  }

  readonly #late = (timeout: Milliseconds): TimeoutError => {
    const operation = titleOf('AsyncEvent', this.name)
    return new TimeoutError(`${operation} was not set within ${exact(timeout)}`, {
      timeout,
      operation,
    })
  }
}

import { CancellationToken, type Registration } from '@uno-async/core'
import type { Entry } from './entry.js'
import type { Memory } from './memory.js'

/** Which entry expires next: a heap, and at most one timer, for the first of them. It keeps no process alive. */
export class Expiry<K, V> {
  readonly #memory: Memory<K, V>
  #heap: Entry<K, V>[] = []
  #times: number[] = [] // when each of them expires
  #timer: Registration | undefined = undefined
  #at = Infinity // when the timer rings: not after the first expires

  constructor(memory: Memory<K, V>) {
    this.#memory = memory
  }

  /** Anew, if it has a place already. */
  place(entry: Entry<K, V>, at: number): void {
    if (at === Infinity) return this.remove(entry)
    this.#sift(entry, entry.slot < 0 ? this.#heap.length : entry.slot, at)
    this.#arm()
  }

  /** Idempotent. */
  remove(entry: Entry<K, V>): void {
    const { slot } = entry
    if (slot < 0) return
    const last = this.#heap.pop() as Entry<K, V>
    const at = this.#times.pop() as number
    if (last !== entry) this.#sift(last, slot, at)
    entry.slot = -1
    if (!this.#heap.length) this.#disarm()
  }

  clear(): void {
    for (const entry of this.#heap) entry.slot = -1
    this.#heap = []
    this.#times = []
    this.#disarm()
  }

  #arm(): void {
    const at = this.#times[0] as number
    if (at >= this.#at) return
    this.#disarm()
    this.#at = at
    const after = Math.max(0, at - performance.now())
    this.#timer = CancellationToken.timeout(after).onCancelled(() => {
      this.#disarm()
      const now = performance.now()
      while ((this.#times[0] as number) <= now) {
        this.#memory.drop(this.#heap[0] as Entry<K, V>, 'expired')
      }
      if (this.#heap.length) this.#arm()
      this.#memory.tell()
    })
  }

  #disarm(): void {
    this.#timer?.dispose()
    this.#at = Infinity
  }

  /** Moves others up or down from `slot` until it fits in. */
  #sift(entry: Entry<K, V>, slot: number, at: number): void {
    const times = this.#times
    for (let up = (slot - 1) >> 1; slot && (times[up] as number) > at; up = (slot - 1) >> 1) {
      slot = this.#move(up, slot)
    }
    for (;;) {
      let down = 2 * slot + 1
      if ((times[down + 1] as number) < (times[down] as number)) down++
      if (!((times[down] as number) < at)) break
      slot = this.#move(down, slot)
    }
    this.#heap[slot] = entry
    times[slot] = at
    entry.slot = slot
  }

  #move(from: number, to: number): number {
    const entry = this.#heap[from] as Entry<K, V>
    this.#heap[to] = entry
    this.#times[to] = this.#times[from] as number
    entry.slot = to
    return from
  }
}

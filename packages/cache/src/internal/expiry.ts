import { CancellationToken, type Registration } from '@uno-async/core'
import type { Entry } from './entry.js'

type Expiring = Entry<unknown, unknown>

/** Which entry expires next: a heap, and at most one timer, for the first of them. It keeps no process alive. */
export class Expiry {
  readonly #drop: (entry: Expiring) => void
  readonly #done: () => void
  readonly #heap: Expiring[] = []
  #timer: Registration | undefined = undefined
  #at = Infinity // when the timer rings: not after the first expires

  constructor(drop: (entry: Expiring) => void, done: () => void) {
    this.#drop = drop
    this.#done = done
  }

  /** To be called whenever `keptUntil` was set. */
  place(entry: Expiring): void {
    if (entry.keptUntil === Infinity) return this.remove(entry)
    if (entry.slot < 0) entry.slot = this.#heap.push(entry) - 1
    this.#sift(entry)
    this.#arm()
  }

  /** Idempotent. */
  remove(entry: Expiring): void {
    if (entry.slot < 0) return
    const last = this.#heap.pop() as Expiring
    if (last !== entry) {
      last.slot = entry.slot
      this.#sift(last)
    }
    entry.slot = -1
    if (!this.#heap.length) this.#disarm()
  }

  #arm(): void {
    const at = (this.#heap[0] as Expiring).keptUntil
    if (at >= this.#at) return
    this.#disarm()
    this.#at = at
    const after = Math.max(0, at - performance.now())
    this.#timer = CancellationToken.timeout(after).onCancelled(() => {
      this.#disarm()
      const now = performance.now()
      for (let it = this.#heap[0]; it && it.keptUntil <= now; it = this.#heap[0]) this.#drop(it)
      if (this.#heap.length) this.#arm()
      this.#done()
    })
  }

  #disarm(): void {
    this.#timer?.dispose()
    this.#at = Infinity
  }

  #sift(entry: Expiring): void {
    const heap = this.#heap
    const { keptUntil } = entry
    let slot = entry.slot
    const move = (to: number): void => {
      const other = heap[to] as Expiring
      heap[slot] = other
      other.slot = slot
      slot = to
    }
    const before = (at: number): boolean => (heap[at]?.keptUntil as number) < keptUntil
    const after = (at: number): boolean => (heap[at]?.keptUntil as number) > keptUntil
    while (slot && after((slot - 1) >> 1)) move((slot - 1) >> 1)
    for (;;) {
      const left = 2 * slot + 1
      const right = left + 1
      const rightFirst = (heap[right]?.keptUntil as number) < (heap[left]?.keptUntil as number)
      const child = rightFirst ? right : left
      if (!before(child)) break
      move(child)
    }
    heap[slot] = entry
    entry.slot = slot
  }
}

import { type Cancellation, CancellationToken, WaitQueue } from '@uno-async/core'
import type { TaskHandle } from '../task.js'

/** The tasks of a group that have not ended, oldest first, and the slots they run in. */
export class Roster implements Iterable<TaskHandle> {
  size = 0
  services = 0 // how many of them
  busy = 0 // slots taken
  queued: TaskHandle | undefined = undefined // the first that waits for a slot
  readonly #slots: number
  #first: TaskHandle | undefined = undefined
  #last: TaskHandle | undefined = undefined
  #draining = false // the loop that starts what is queued is on the stack
  #waiting: WaitQueue | undefined = undefined // for a free slot, to create a task
  // Invariant: busy <= #slots; while something is queued they are equal

  constructor(slots: number) {
    this.#slots = slots
  }

  get full(): boolean {
    return this.busy >= this.#slots || this.queued !== undefined
  }

  add(task: TaskHandle): void {
    task.prev = this.#last
    if (task.prev) task.prev.next = task
    else this.#first = task
    this.#last = task
    this.size++
    if (task.service) this.services++
  }

  remove(task: TaskHandle): void {
    const { prev, next } = task
    if (task === this.queued) this.#advance()
    if (prev) prev.next = next
    else this.#first = next
    if (next) next.prev = prev
    else this.#last = prev
    task.next = task.prev = undefined
    this.size--
    if (task.service) this.services--
  }

  /** Starts what is queued while there are slots, in order; in a loop, since a task may end while it starts. */
  drain(start: (task: TaskHandle) => void): void {
    if (this.#draining) return
    this.#draining = true
    while (this.queued && this.busy < this.#slots) {
      const task = this.queued
      this.#advance()
      start(task)
    }
    this.#draining = false
    this.#freed()
  }

  whenFree(signal: Cancellation | undefined, check: () => void): Promise<void> {
    // no async function: its promise would resolve too late, when others have had their turn
    try {
      CancellationToken.from(signal).throwIfCancelled()
      check()
    } catch (error) {
      return Promise.reject(error)
    }
    if (!this.full && !this.#waiting?.size) return Promise.resolve()
    return (this.#waiting ??= new WaitQueue()).wait({ signal })
  }

  /** Nobody shall wait for a slot any more. */
  dismiss(makeError: () => unknown): void {
    this.#waiting?.rejectAll(makeError)
  }

  *[Symbol.iterator](): Iterator<TaskHandle> {
    for (let task = this.#first; task; task = task.next) yield task
  }

  /** Takes the first out of the line, for the next behind it. */
  #advance(): void {
    let task = this.queued
    do task = task?.next
    while (task && task.status !== 'queued')
    this.queued = task
  }

  /** Wakes one who waits, and the next when that one had its turn. */
  #freed(): void {
    if (!this.full && this.#waiting?.wake()) queueMicrotask(() => this.#freed())
  }
}

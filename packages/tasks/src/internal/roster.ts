import {
  type Cancellation,
  CancellationToken,
  CancellationTokenSource,
  type Milliseconds,
  type Registration,
} from '@uno-async/core'
import { cancelling, type TaskHandle } from '../task.js'
import { checkOptions } from './check.js'

/** The tasks of a group that have not ended, oldest first, and the slots they run in. */
export class Roster implements Iterable<TaskHandle> {
  size = 0
  services = 0 // how many of them
  busy = 0 // slots taken
  queued: TaskHandle | undefined = undefined // the first that waits for a slot
  readonly slots: number
  empty: Promise<void> | undefined = undefined // for the last task to end
  resolve: (() => void) | undefined = undefined
  first: TaskHandle | undefined = undefined
  last: TaskHandle | undefined = undefined
  draining = false // the loop that starts what is queued is on the stack
  waiting: Set<() => void> | undefined = undefined // for a free slot, to create a task
  turns = 0 // of those who were told of a free slot, and may not have had the time yet to take it
  // Invariant: busy <= slots; while something is queued they are equal

  constructor(slots: number) {
    this.slots = slots
  }

  get full(): boolean {
    return this.busy >= this.slots || this.queued !== undefined
  }

  /** Is there a slot that nobody was told of? */
  get roomy(): boolean {
    return !this.full && this.busy + this.turns < this.slots
  }

  /** @param watched - whether the group is to be told when it is cancelled */
  add(task: TaskHandle, watched: boolean): void {
    const last = this.last
    task.prev = last
    if (last) last.next = task
    else this.first = task
    this.last = task
    this.size++
    if (task.terms.service) this.services++
    try {
      if (watched && !task.token.cancelled) task.watch = task.token.onCancelled(cancelling, task)
    } catch (error) {
      this.remove(task) // its signal lets nobody listen
      throw error
    }
  }

  /** Takes it out, and its slot back. */
  remove(task: TaskHandle): void {
    const { prev, next } = task
    if (task === this.queued) this.advance()
    if (task.status === 'running' && !task.terms.free) this.busy--
    if (prev) prev.next = next
    else this.first = next
    if (next) next.prev = prev
    else this.last = prev
    task.next = task.prev = undefined
    this.size--
    if (task.terms.service) this.services--
  }

  /** Starts what is queued while there are slots, in order; in a loop, since a task may end while it starts. */
  drain(): void {
    if (this.draining) return
    this.draining = true
    while (this.queued && this.busy < this.slots) {
      const task = this.queued
      this.advance()
      task.outer.start(task)
    }
    this.draining = false
    this.freed()
  }

  /** Resolves when the last task has ended; `name` is for who loses patience. */
  whenIdle(timeout: Milliseconds = Infinity, name?: string): Promise<void> {
    this.empty ??= new Promise((resolve) => {
      this.resolve = resolve
    })
    if (timeout === Infinity) return this.empty
    return new CancellationTokenSource({ timeout, name, ref: true }).token.race(this.empty)
  }

  /** The last task has ended. */
  idle(): void {
    this.resolve?.()
    this.empty = this.resolve = undefined
  }

  /** Resolves when there is a free slot, and it is the caller's turn. */
  whenFree(
    options: { signal?: Cancellation | undefined } | undefined,
    open: () => CancellationToken,
  ): Promise<void> {
    // no async function: its promise would resolve too late, when others have had their turn
    return new Promise((resolve, reject) => {
      const token = CancellationToken.any(checkOptions(options).signal, open())
      token.throwIfCancelled()
      if (this.roomy && !this.waiting?.size) return resolve(this.giveTurn())
      const waiting = (this.waiting ??= new Set())
      let registration: Registration | undefined
      const end = (): void => {
        waiting.delete(end)
        registration?.dispose()
        try {
          token.throwIfCancelled()
          resolve(void open()) // it may have ended meanwhile
        } catch (error) {
          reject(error)
        }
      }
      waiting.add(end)
      registration = token.onCancelled(end)
    })
  }

  *[Symbol.iterator](): Iterator<TaskHandle> {
    for (let task = this.first; task; task = task.next) yield task
  }

  /** Takes the first out of the line, for the next behind it. */
  advance(): void {
    let task = this.queued
    do task = task?.next
    while (task && task.status !== 'queued')
    this.queued = task
  }

  /** Wakes those who wait, as many as there are slots for. */
  freed(): void {
    for (const end of this.waiting ?? []) {
      if (!this.roomy) return
      this.giveTurn()
      end()
    }
  }

  /** Keeps a slot free for as long as an `await` takes. */
  giveTurn(): void {
    this.turns++
    queueMicrotask(() =>
      queueMicrotask(() => {
        this.turns--
        this.freed()
      }),
    )
  }
}

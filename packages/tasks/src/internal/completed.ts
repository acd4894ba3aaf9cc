import type { TaskHandle } from '../task.js'
import type { TaskOutcome } from '../types.js'

type Result = IteratorResult<TaskOutcome<unknown>, undefined>

/** Hands out how tasks ended, to readers who may be ahead or behind. */
export class Completed implements AsyncIterableIterator<TaskOutcome<unknown>> {
  readonly #feeds: Set<Completed>
  #ready: TaskHandle[] = [] // ended, not read
  #read = 0 // how many of those were read
  #readers: ((result: Result) => void)[] = []
  #over = false
  // Invariant: no readers while something is ready or it is over

  constructor(feeds: Set<Completed>) {
    this.#feeds = feeds.add(this)
  }

  next(): Promise<Result> {
    return new Promise((resolve) => {
      const task = this.#ready[this.#read]
      if (task) {
        // what was read goes in bulk, as soon as it is half of all: a reader may be behind for ever
        if (++this.#read * 2 >= this.#ready.length) {
          this.#ready.splice(0, this.#read)
          this.#read = 0
        }
        return resolve(tell(task))
      }
      if (this.#over) resolve(DONE)
      else this.#readers.push(resolve)
    })
  }

  return(): Promise<Result> {
    this.#ready = []
    this.end()
    return Promise.resolve(DONE)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  push(task: TaskHandle): void {
    const reader = this.#readers.shift()
    if (reader) reader(tell(task))
    else this.#ready.push(task)
  }

  end(): void {
    this.#feeds.delete(this)
    this.#over = true
    for (const reader of this.#readers.splice(0)) reader(DONE)
  }
}

const DONE: Result = { done: true, value: undefined }

function tell(task: TaskHandle): Result {
  task.see()
  return { done: false, value: task.ending() }
}

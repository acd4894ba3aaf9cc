import type { TaskHandle } from '../task.js'
import type { TaskOutcome } from '../types.js'

type Result = IteratorResult<TaskOutcome<unknown>, undefined>

/** A place in the line of tasks that ended: has the task, or who waits for it. */
class Cell {
  task: TaskHandle | undefined = undefined
  reader: ((result: Result) => void) | undefined = undefined
  next: Cell | undefined = undefined
}

/** Hands out how tasks ended, to readers who may be ahead or behind. */
export class Completed implements AsyncIterableIterator<TaskOutcome<unknown>> {
  readonly #feeds: Set<Completed>
  #read = new Cell() // for the next reader
  #write = this.#read // for the next task
  #over = false

  constructor(feeds: Set<Completed>) {
    this.#feeds = feeds.add(this)
  }

  next(): Promise<Result> {
    const cell = this.#read
    this.#read = after(cell)
    return new Promise((resolve) => {
      if (cell.task) resolve(tell(cell.task))
      else if (this.#over) resolve(DONE)
      else cell.reader = resolve
    })
  }

  return(): Promise<Result> {
    this.end()
    this.#read = this.#write
    return this.next()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  push(task: TaskHandle): void {
    const cell = this.#write
    this.#write = after(cell)
    if (cell.reader) cell.reader(tell(task))
    else cell.task = task
  }

  end(): void {
    this.#feeds.delete(this)
    this.#over = true
    for (let cell: Cell | undefined = this.#write; cell; cell = cell.next) cell.reader?.(DONE)
  }
}

const DONE: Result = { done: true, value: undefined }

const after = (cell: Cell): Cell => (cell.next ??= new Cell())

function tell(task: TaskHandle): Result {
  task.see()
  return { done: false, value: task.ending() }
}

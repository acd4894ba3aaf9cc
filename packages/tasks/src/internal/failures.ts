import { distinct, TaskGroupError } from '../errors.js'

/** A task that failed, or the failure of a body. */
export interface Failure {
  readonly value: unknown
  seen: boolean
}

/** The real failures of a group, in the order in which they happened. */
export class Failures {
  #all: Set<Failure> | undefined = undefined // made for the first
  #thrown: TaskGroupError | undefined = undefined

  get size(): number {
    return this.#all?.size ?? 0
  }

  get errors(): unknown[] {
    return distinct(Array.from(this.#all ?? [], ({ value }) => value))
  }

  add(failure: Failure): void {
    ;(this.#all ??= new Set()).add(failure)
  }

  /** One of the body, unless it is that of a task. */
  addBody(value: unknown): void {
    for (const failure of this.#all ?? []) if (Object.is(failure.value, value)) return
    this.add({ value, seen: false })
  }

  delete(failure: Failure): void {
    this.#all?.delete(failure)
  }

  /** Those nobody has seen; now somebody has. */
  take(): unknown[] {
    const unseen = [...(this.#all ?? [])].filter(({ seen }) => !seen)
    for (const failure of unseen) failure.seen = true
    return distinct(unseen.map(({ value }) => value))
  }

  /** Throws the only one as it is, several in one error, the same each time. */
  throw(group: string): void {
    if (!this.#all) return
    const { errors } = this
    this.take()
    if (errors.length > 1) throw (this.#thrown ??= new TaskGroupError(errors, group))
    if (errors.length) throw errors[0]
  }
}

import { distinct, TaskGroupError } from '../errors.js'

/** A task that failed, or the failure of a body. */
export interface Failure {
  readonly value: unknown
  seen: boolean
}

/** The real failures of a group, in the order in which they happened. */
export class Failures extends Set<Failure> {
  readonly #most: number
  #thrown: TaskGroupError | undefined

  /** @param lasting - it is one of a group that does not end: of many keep the last */
  constructor(lasting: boolean) {
    super()
    this.#most = lasting ? 1000 : Infinity
  }

  override add(failure: Failure): this {
    const [oldest] = this
    if (oldest && this.size >= this.#most) this.delete(oldest)
    return super.add(failure)
  }

  get errors(): unknown[] {
    return valuesOf([...this])
  }

  /** One of the body, unless it is that of a task. */
  addBody(value: unknown): void {
    for (const failure of this) if (Object.is(failure.value, value)) return
    this.add({ value, seen: false })
  }

  /** Those nobody has seen; now somebody has. */
  take(): unknown[] {
    const unseen = [...this].filter(({ seen }) => !seen)
    for (const failure of unseen) failure.seen = true
    return valuesOf(unseen)
  }

  /** Throws the only one as it is, several in one error, the same each time. */
  throw(group: string): void {
    const { errors } = this
    this.take()
    if (errors.length > 1) throw (this.#thrown ??= new TaskGroupError(errors, group))
    if (errors.length) throw errors[0]
  }
}

const valuesOf = (failures: Failure[]): unknown[] => distinct(failures.map(({ value }) => value))

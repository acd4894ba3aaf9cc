import { checkOptions, checkType } from './check.js'
import { currentFrame, enableStorage, runIn, valueIn, withValue } from './internal/context.js'

/**
 * A value that follows the flow of control, shaped like the AsyncContext.Variable of TC39.
 *
 * A value holds for the synchronous part of what runs under it; after an `await` one reads the default,
 * never somebody else's value. With {@link enableAsyncContext} values follow `await`.
 *
 * @example
 * ```ts
 * import { AsyncVariable } from '@uno-async/core'
 * const user = new AsyncVariable({ name: 'user', defaultValue: 'nobody' })
 * user.run('ada', () => user.get()) // 'ada'
 * user.get() // 'nobody'
 * ```
 */
export class AsyncVariable<T> {
  readonly name: string
  readonly #defaultValue: T

  constructor(options?: { name?: string | undefined; defaultValue?: T }) {
    const { name = '', defaultValue } = checkOptions(options)
    checkType('name', name, 'string')
    this.name = name
    this.#defaultValue = defaultValue as T
  }

  /** The value in force, else the default, else undefined. */
  get(): T {
    const found = valueIn(currentFrame()?.values, this)
    return found ? (found.value as T) : this.#defaultValue
  }

  /** Runs fn with `value` in force and gives what it gives. */
  run<R>(value: T, fn: () => R): R {
    const frame = currentFrame()
    return runIn({ token: frame?.token, values: withValue(frame?.values, this, value) }, fn)
  }
}

/**
 * Remembers the values of all AsyncVariables and the current token: the returned function runs fn under them.
 * Like AsyncContext.Snapshot.
 *
 * @example
 * ```ts
 * import { AsyncVariable, captureContext } from '@uno-async/core'
 * const user = new AsyncVariable({ defaultValue: 'nobody' })
 * const inContext = user.run('ada', () => captureContext())
 * inContext(() => user.get()) // 'ada'
 * ```
 */
export function captureContext(): <R>(fn: () => R) => R {
  const frame = currentFrame()
  return (fn) => runIn(frame, fn)
}

/**
 * Makes AsyncVariables and the current token follow `await`, through AsyncContext or AsyncLocalStorage.
 * False where the runtime has neither. Idempotent; for the whole process, and not free: on Node 20 every
 * `await` becomes about four times slower, on Node 24 a `run` costs about a microsecond.
 *
 * @example
 * ```ts
 * import { AsyncVariable, enableAsyncContext } from '@uno-async/core'
 * enableAsyncContext()
 * const user = new AsyncVariable({ defaultValue: 'nobody' })
 * await user.run('ada', async () => {
 *   await null
 *   user.get() // 'ada'
 * })
 * ```
 */
export function enableAsyncContext(): boolean {
  return enableStorage()
}

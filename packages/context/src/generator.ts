import { checkFunction, checkOptions } from '@uno-async/core'
import {
  type AsyncContextManager,
  type ContextOptions,
  type ExitInfo,
  type ExitResult,
  SUPPRESS,
} from './contracts.js'
import { ContextProtocolError } from './errors.js'
import { suppress } from './internal/info.js'
import { Scope } from './internal/scope.js'

/**
 * Turns an async generator that yields once into a factory of context managers, one entry each: what stands
 * before the `yield` enters, what it yields is the value, what stands after it exits.
 *
 * The error of the work is thrown at the `yield`, a cancellation as well. Catching it does not swallow it;
 * only returning SUPPRESS does. Read `CancellationToken.current` before the first `await`.
 *
 * @param options - `name` for messages, default the generator's; `signal`, `enterTimeout`, `exitTimeout` hold for each manager made
 * @throws TypeError, RangeError; ContextProtocolError from the managers: yields never or twice, entered twice. The generator is closed then
 * @example
 * ```ts
 * import { asyncContextManager, withContext } from '@uno-async/context'
 * const transaction = asyncContextManager(async function* (log: string[]) {
 *   log.push('BEGIN')
 *   try {
 *     yield log
 *     log.push('COMMIT')
 *   } catch (error) {
 *     log.push('ROLLBACK')
 *     throw error
 *   }
 * })
 * const log: string[] = []
 * await withContext(transaction(log), (it) => it.push('INSERT')) // log: BEGIN, INSERT, COMMIT
 * ```
 */
export function asyncContextManager<A extends unknown[], T>(
  generator: (...args: A) => AsyncGenerator<T, ExitResult, void>,
  options: ContextOptions = {},
): (...args: A) => AsyncContextManager<T> {
  checkFunction('generator', generator)
  const name = checkOptions(options).name ?? (generator.name || 'context')
  const { enterTimeout, exitTimeout } = new Scope(name, options) // checks them
  const bounded = options.signal || Math.min(enterTimeout, exitTimeout) < Infinity
  return (...args) => {
    const manager = new GeneratorManager(name, () => generator(...args))
    return bounded ? bind(manager, options) : manager
  }
}

/** A manager with limits of its own, beside those of whoever enters it. */
function bind<T>(manager: GeneratorManager<T>, options: ContextOptions): AsyncContextManager<T> {
  const { name } = manager
  let scope: Scope | undefined
  return {
    name,
    enter(token) {
      if (manager.entered) return manager.enter() // which says so
      scope = new Scope(name, options, token)
      return scope.enter(manager)
    },
    exit: (info, token) => scope?.exit(info, token),
  }
}

class GeneratorManager<T> implements AsyncContextManager<T> {
  readonly name: string
  readonly #make: () => AsyncGenerator<T, ExitResult, void>
  #generator: AsyncGenerator<T, ExitResult, void> | undefined // once entered

  constructor(name: string, make: () => AsyncGenerator<T, ExitResult, void>) {
    this.name = name
    this.#make = make
  }

  get entered(): boolean {
    return this.#generator !== undefined
  }

  async enter(): Promise<T> {
    if (this.entered) throw this.#misuse('was entered twice')
    const generator = this.#make()
    if (typeof generator?.next !== 'function') {
      await generator // of an async function: what it throws says more
      throw this.#misuse(
        'is not made by a generator: it takes an `async function*` that yields once',
      )
    }
    this.#generator = generator
    const result = await generator.next()
    if (result.done) throw this.#misuse('did not yield')
    return result.value
  }

  async exit(info: ExitInfo): Promise<ExitResult> {
    const generator = this.#generator
    if (!generator) return
    const { done, value } = await (info.ok ? generator.next() : generator.throw(info.error))
    if (done) return value === SUPPRESS ? value : undefined
    let wrong: unknown = this.#misuse(info.ok ? 'yielded twice' : 'yielded again after the error')
    try {
      // Runs its finally blocks. One that yields as well is asked once more for each, but not for ever.
      for (let i = 0; i < 9 && !(await generator.return(undefined as never)).done; i++);
    } catch (error) {
      wrong = suppress(error, wrong)
    }
    throw wrong
  }

  #misuse(what: string): ContextProtocolError {
    return new ContextProtocolError(`Context manager "${this.name}" ${what}`)
  }
}

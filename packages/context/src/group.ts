import {
  badValue,
  CancellationToken,
  CancellationTokenSource,
  CancelledError,
  checkFunction,
} from '@uno-async/core'
import type { AsyncContextManager, ContextOptions, ExitInfo, ExitResult } from './contracts.js'
import { ContextProtocolError } from './errors.js'
import { AsyncExitStack } from './exit-stack.js'
import { DONE, isCancellation, wrongInfo } from './internal/info.js'
import { checkManager, Scope } from './internal/scope.js'

/** What a group takes: a list or a record of context managers. */
export type ContextManagers =
  // biome-ignore lint/suspicious/noExplicitAny: a manager's value is only ever given out
  readonly AsyncContextManager<any>[] | Record<string, AsyncContextManager<any>>

/** The values of a list or a record of context managers, in the same places. */
export type ContextValues<M extends ContextManagers> = {
  -readonly [K in keyof M]: M[K] extends AsyncContextManager<infer T> ? T : never
}

/** How to enter and exit a group. */
export interface ContextGroupOptions extends ContextOptions {
  /** Enter all at once instead of one after the other, default false. */
  concurrent?: boolean | undefined
  /** Exit all at once instead of one after the other, in reverse; default false. */
  exitConcurrently?: boolean | undefined
}

/**
 * Enters and exits several context managers as one: a list or a record, one after the other or all at once.
 *
 * If one fails to enter, those entered are exited in reverse order. Entering all at once, the others are
 * cancelled and waited for first, and two or more real failures become an AggregateError. Exits that run all
 * at once are told the same, can swallow that alone, and their errors are ordered as declared.
 *
 * @example
 * ```ts
 * import { type AsyncContextManager, AsyncContextGroup } from '@uno-async/context'
 * const open = (name: string): AsyncContextManager<string> => ({ enter: () => name, exit: () => {} })
 * const group = new AsyncContextGroup({ db: open('db'), queue: open('queue') }, { concurrent: true })
 * await group.run(({ db, queue }) => `${db}, ${queue}`) // 'db, queue'
 * ```
 */
export class AsyncContextGroup<const M extends ContextManagers = readonly []>
  implements AsyncContextManager<ContextValues<M>>, AsyncDisposable
{
  readonly name: string | undefined
  readonly #what: string // for messages
  readonly #options: ContextGroupOptions
  readonly #declared: M
  readonly #added: AsyncContextManager<unknown>[] = []
  readonly #results = new Map<AsyncContextManager<unknown>, unknown>()
  #scope: Scope | undefined // from the enter to the exit
  #entered = false

  /**
   * @param options - `signal` and `enterTimeout` are for each enter, `exitTimeout` for each exit; `concurrent`, `exitConcurrently`, `name`
   * @throws TypeError, RangeError
   */
  constructor(managers: M = [] as never, options: ContextGroupOptions = {}) {
    for (const manager of list(managers)) checkManager(manager)
    this.#what = new Scope('AsyncContextGroup', options).what // checks them
    for (const it of ['concurrent', 'exitConcurrently'] as const) {
      const value = options[it]
      if (value !== undefined && typeof value !== 'boolean') {
        throw badValue(it, 'a boolean', value, TypeError)
      }
    }
    this.name = options.name
    this.#declared = managers
    this.#options = options
  }

  /** Whether it is entered: all are, and none was asked to exit. */
  get entered(): boolean {
    return this.#entered
  }

  /** The values of all that is entered, by manager; empty after the exit. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  get results(): ReadonlyMap<AsyncContextManager<any>, unknown> {
    return this.#results
  }

  /** Adds one that will be entered after the others. @throws TypeError; ContextProtocolError once the group is entered */
  add<T>(manager: AsyncContextManager<T>): void {
    checkManager(manager)
    if (this.#scope) throw this.#misuse('takes no more managers while it is entered')
    this.#added.push(manager)
  }

  /**
   * Enters one more, to be exited with the group.
   *
   * @throws ContextProtocolError if the group is not entered; ClosedError if it exits in the meantime; else like the group's own enter
   */
  async enterContext<T>(manager: AsyncContextManager<T>): Promise<T> {
    const scope = this.#scope
    if (!this.#entered || !scope) throw this.#misuse('is not entered')
    const value = await scope.enter(manager)
    this.#results.set(manager, value)
    return value
  }

  /** Enters, runs body with the values, exits; gives what body gives, undefined if an exit swallowed its error. @throws what was thrown by any of them */
  async run<R>(
    body: (values: ContextValues<M>, token: CancellationToken) => R | PromiseLike<R>,
  ): Promise<R | undefined> {
    checkFunction('body', body)
    const { name, signal } = this.#options
    return AsyncExitStack.run(
      async (stack, token) => {
        const values = await stack.enter(this)
        return token.run(() => body(values, token))
      },
      { name, signal },
    )
  }

  /** @throws ContextProtocolError if it is entered already; what enters and exits threw; TimeoutError; what `token` or `signal` was cancelled with */
  async enter(token?: CancellationToken): Promise<ContextValues<M>> {
    if (this.#scope) throw this.#misuse('was entered twice')
    const { concurrent } = this.#options
    const scope = new Scope('AsyncContextGroup', this.#options, token)
    this.#scope = scope
    const managers = [...list(this.#declared), ...this.#added]
    try {
      const values: unknown[] = concurrent ? await enterAll(scope, managers) : []
      if (!concurrent) for (const each of managers) values.push(await scope.enter(each))
      for (const [i, manager] of managers.entries()) this.#results.set(manager, values[i])
      this.#entered = true
      return restore(this.#declared, values)
    } catch (error) {
      const { pending } = await scope.close(scope.failure(error))
      this.#scope = undefined
      throw pending.ok ? error : pending.error
    }
  }

  /** Exits all, those entered last first; nothing if it is not entered. @throws what exits threw; TypeError */
  async exit(info: ExitInfo, token?: CancellationToken): Promise<ExitResult> {
    const wrong = wrongInfo(info)
    if (wrong) throw wrong
    this.#entered = false
    try {
      return await this.#scope?.exit(info, token, this.#options.exitConcurrently)
    } finally {
      this.#scope = undefined
      this.#results.clear()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.exit(DONE)
  }

  #misuse(what: string): ContextProtocolError {
    return new ContextProtocolError(`${this.#what} ${what}`)
  }
}

type Manager = AsyncContextManager<unknown>

function list(managers: ContextManagers): readonly Manager[] {
  if (Object(managers) === managers) return Object.values(managers)
  throw badValue('managers', 'a list or a record of context managers', managers, TypeError)
}

function restore<M extends ContextManagers>(shape: M, values: unknown[]): ContextValues<M> {
  const entries = Object.keys(shape).map((key, i) => [key, values[i]])
  return Array.isArray(shape)
    ? (values.slice(0, shape.length) as never)
    : Object.fromEntries(entries)
}

async function enterAll(scope: Scope, managers: readonly Manager[]): Promise<unknown[]> {
  const source = new CancellationTokenSource({ signal: scope.enterToken })
  let first: unknown
  const settled = await Promise.allSettled(
    managers.map(async (manager) => {
      try {
        source.token.throwIfCancelled() // also when the one before has closed this
        return await scope.enter(manager, source.token, CancellationToken.none)
      } catch (error) {
        const message = `${scope.what}: another one failed to enter`
        if (source.cancel(new CancelledError(message, { cause: error }))) first = error
        throw error
      }
    }),
  )
  const { token } = source
  source.close()
  const entered = managers.filter((_, i) => settled[i]?.status === 'fulfilled')
  if (scope.state === 'open') scope.exits = entered
  if (entered.length === managers.length) {
    token.throwIfCancelled()
    return settled.map((each) => (each as PromiseFulfilledResult<unknown>).value)
  }
  const real = settled
    .filter((each) => each.status === 'rejected')
    .map(({ reason }) => reason)
    .filter((error) => !isCancellation(error, token))
  if (real.length > 1) {
    throw new AggregateError(
      real,
      `${scope.what}: ${real.length} of ${managers.length} failed to enter`,
    )
  }
  if (real.length) throw real[0]
  scope.enterToken.throwIfCancelled()
  throw first
}

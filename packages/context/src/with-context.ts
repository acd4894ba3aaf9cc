import { CancellationToken, checkFunction, checkOptions } from '@uno-async/core'
import type { AsyncContextManager, ContextOptions, EnteredContext, ExitInfo } from './contracts.js'
import { AsyncExitStack } from './exit-stack.js'
import { isCancellation } from './internal/info.js'

/**
 * Enters a context manager, runs body with its value, and exits whatever happened; gives what body gives,
 * undefined if the exit swallowed its error. A disposable is its own value, and disposed in any case.
 *
 * Cancelled while it enters, it waits for that and exits at once; cancelled later, it waits for body.
 *
 * @param options - `signal` for the enter and the body; `enterTimeout`, `exitTimeout`
 * @throws what enter, body and exit threw; TimeoutError; what `signal` was cancelled with; TypeError, RangeError
 * @example
 * ```ts
 * import { type AsyncContextManager, withContext } from '@uno-async/context'
 * const transaction: AsyncContextManager<string[]> = {
 *   enter: () => ['BEGIN'],
 *   exit: (info) => console.log(info.ok ? 'COMMIT' : 'ROLLBACK'),
 * }
 * await withContext(transaction, async (log) => log.push('INSERT')) // 2; logs COMMIT
 * ```
 */
export function withContext<T, R>(
  manager: AsyncContextManager<T>,
  body: (value: T, token: CancellationToken) => R | PromiseLike<R>,
  options?: ContextOptions,
): Promise<R | undefined>
export function withContext<T extends AsyncDisposable | Disposable, R>(
  resource: T,
  body: (value: T, token: CancellationToken) => R | PromiseLike<R>,
  options?: ContextOptions,
): Promise<R | undefined>
export async function withContext<T, R>(
  manager: AsyncContextManager<T> | AsyncDisposable | Disposable,
  body: (value: T, token: CancellationToken) => R | PromiseLike<R>,
  options?: ContextOptions,
): Promise<R | undefined> {
  checkFunction('body', body)
  const { enter, exit } = (manager ?? {}) as Partial<AsyncContextManager<T>>
  // A disposable may well have one of these methods.
  const isManager = !manager || (typeof enter === 'function' && typeof exit === 'function')
  const { cancelled, error } = CancellationToken.from(checkOptions(options).signal)
  if (cancelled && !isManager) {
    const stack = new AsyncExitStack(options)
    stack.use(manager as AsyncDisposable)
    await stack.close({ ok: false, error, cancelled })
    throw error
  }
  return AsyncExitStack.run(async (stack, token) => {
    const value = isManager
      ? await stack.enter(manager as AsyncContextManager<T>)
      : stack.use(manager as AsyncDisposable)
    return token.run(() => body(value as T, token))
  }, options)
}

/**
 * Enters a context manager for `await using`: gives its value and a dispose that exits it. Call `fail` in a
 * `catch`, since a dispose is not told how the work went.
 *
 * @throws what enter threw; TimeoutError; what `signal` was cancelled with; TypeError, RangeError. The dispose throws what exit threw, never what `fail` was given
 * @example
 * ```ts
 * import { enterContext } from '@uno-async/context'
 * const manager = { enter: () => 'value', exit: (info: { ok: boolean }) => console.log(info.ok) }
 * await using context = await enterContext(manager)
 * try {
 *   throw new Error(context.value)
 * } catch (error) {
 *   context.fail(error) // the exit logs false
 * }
 * ```
 */
export async function enterContext<T>(
  manager: AsyncContextManager<T>,
  options: ContextOptions = {},
): Promise<EnteredContext<T>> {
  const stack = new AsyncExitStack(options)
  const token = CancellationToken.from(options.signal)
  const value = await stack.enter(manager)
  let info: ExitInfo | undefined
  return {
    value,
    fail(error) {
      info = { ok: false, error, cancelled: isCancellation(error, token) }
    },
    [Symbol.asyncDispose]: () => stack.close(info),
  }
}

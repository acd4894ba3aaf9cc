import { badValue, type CancellationTokenSource } from '@uno-async/core'
import type { TaskGroup } from './group.js'
import { checkOptions } from './internal/check.js'
import type { Task } from './types.js'

interface Target {
  abort?(reason?: unknown): void
  cancel?(reason?: unknown): unknown
  close?(): void
  [Symbol.asyncDispose]?(): Promise<void>
}

/**
 * Guards a block: `await using` of what this gives cancels `target` when the block is left, and waits until
 * it has ended. A group then throws failures nobody has seen; a source is closed. Gives `target` itself.
 *
 * @param options - `reason`: what to cancel it with
 * @throws TypeError
 * @example
 * ```ts
 * import { delay } from '@uno-async/core'
 * import { cancelOnExit, runTask } from '@uno-async/tasks'
 *
 * {
 *   await using task = cancelOnExit(runTask((token) => delay(60_000, { signal: token })))
 *   console.log(task.state) // 'running'
 * } // cancelled, and over
 * ```
 */
export function cancelOnExit<
  // biome-ignore lint/suspicious/noExplicitAny: a task of whatever
  T extends Task<any> | TaskGroup | CancellationTokenSource | AbortController,
>(target: T, options?: { reason?: unknown }): T & AsyncDisposable {
  const { reason } = checkOptions(options)
  const it = target as Target
  const stop = it?.abort ?? it?.cancel
  const dispose = it?.[Symbol.asyncDispose]
  if (typeof stop !== 'function') {
    const expected = 'a Task, a TaskGroup, a CancellationTokenSource or an AbortController'
    throw badValue('target', expected, target, TypeError)
  }
  const value = async (): Promise<void> => {
    await stop.call(it, reason)
    it.close?.()
    await dispose?.call(it)
  }
  return Object.defineProperty(target, Symbol.asyncDispose, {
    value,
    configurable: true,
  }) as T & AsyncDisposable
}

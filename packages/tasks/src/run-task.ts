import { CancellationToken } from '@uno-async/core'
import { currentGroup } from './context.js'
import { checkOptions } from './internal/check.js'
import { getTaskManager } from './manager.js'
import type { Task, TaskFunction, TaskOptions } from './types.js'

/**
 * Runs one task: a child of the current group if there is one, else of the manager's root group, where no
 * task stops another. Without `signal` it hangs on `CancellationToken.current`. Its failure is the same
 * object for whoever awaits it; one that nobody sees is in the report of `shutdown()` (of many, the last 1000).
 *
 * @example
 * ```ts
 * import { delay } from '@uno-async/core'
 * import { runTask } from '@uno-async/tasks'
 *
 * const task = runTask((token) => delay(60_000, { signal: token }))
 * await task.cancel()
 * task.state // 'cancelled'
 * ```
 */
export function runTask<T>(run: TaskFunction<T>, options?: TaskOptions): Task<T> {
  const signal = checkOptions(options).signal ?? CancellationToken.current
  return (currentGroup() ?? getTaskManager()).createTask(run, { ...options, signal })
}

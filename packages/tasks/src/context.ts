import { checkFunction } from '@uno-async/core'
import { TaskGroup } from './group.js'
import { currentPlace } from './internal/place.js'
import type { TaskGroupOptions, TaskInfo } from './types.js'

/**
 * Runs body with a group of its own as the current one; what is left over is cancelled when body ends, and
 * waited for. Otherwise like `TaskGroup.run`, which waits for what is left over.
 *
 * @example
 * ```ts
 * import { delay } from '@uno-async/core'
 * import { runTask, taskContext } from '@uno-async/tasks'
 *
 * const answer = await taskContext(async () => {
 *   runTask((token) => delay(60_000, { signal: token })) // a child of this context: it ends with it
 *   return 42
 * })
 * ```
 */
export async function taskContext<R>(
  body: (group: TaskGroup) => R | PromiseLike<R>,
  options?: TaskGroupOptions,
): Promise<R> {
  checkFunction('body', body)
  return TaskGroup.run(async (group) => {
    const value = await body(group)
    void group.cancel()
    return value
  }, options)
}

/**
 * The task this code runs in, undefined outside of tasks. Holds for the synchronous part of a task; with
 * `enableAsyncContext()` of core it follows `await`.
 *
 * @example
 * ```ts
 * import { currentTask, runTask } from '@uno-async/tasks'
 * await runTask(() => currentTask()?.name, { name: 'import' }) // 'import'
 * ```
 */
export function currentTask(): TaskInfo | undefined {
  let place = currentPlace()
  while (place && !('info' in place)) place = place.outer
  return place?.info
}

/**
 * The group of the current task, or whose body this is. Holds as long as `currentTask` does.
 *
 * @example
 * ```ts
 * import { currentGroup, TaskGroup } from '@uno-async/tasks'
 * await TaskGroup.run((group) => currentGroup() === group) // true
 * ```
 */
export function currentGroup(): TaskGroup | undefined {
  const place = currentPlace()
  return (place && 'info' in place ? place.outer : place) as TaskGroup | undefined
}

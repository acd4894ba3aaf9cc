import type { CancellationToken } from '@uno-async/core'
import { runIn } from '@uno-async/core'
import type { TaskHandle } from '../task.js'
import { isThenable } from './thenable.js'

/** Calls the function of a task, and tells its group how it ended, at once if it is synchronous. */
export function execute(task: TaskHandle): void {
  const { outer: group, observer, run, token } = task
  const { limit } = task.terms
  let result: unknown
  task.status = 'running'
  if (limit < Infinity) task.source.cancelAfter(limit)
  observer?.('start', task.info)
  try {
    result = runIn<CancellationToken, unknown>(task, run, token)
    if (isThenable(result)) {
      Promise.resolve(result).then(
        (value) => group.finish(task, 'fulfilled', value),
        (error) => group.finish(task, 'rejected', error),
      )
      return
    }
  } catch (error) {
    return group.finish(task, 'rejected', error)
  }
  group.finish(task, 'fulfilled', result)
}

import type { CancellationToken } from '@uno-async/core'
import type { TaskHandle } from '../task.js'
import type { TaskFunction } from '../types.js'
import { type Place, slot } from './place.js'
import { isThenable } from './thenable.js'

/** Runs fn in a place, under a token. */
export function enter<R>(place: Place, token: CancellationToken, fn: () => R): R {
  return token.run(() => slot().place.run(place, fn))
}

/** Calls the function of a task, and tells how it ended, at once if it is synchronous. */
export function execute(
  task: TaskHandle,
  onEnd: (task: TaskHandle, status: 'fulfilled' | 'rejected', value: unknown) => void,
): void {
  const { token, timeout } = task
  const run = task.run as TaskFunction<unknown>
  let result: unknown
  task.status = 'running'
  task.run = undefined
  if (timeout < Infinity) task.source.cancelAfter(timeout)
  task.observer?.('start', task.info)
  try {
    result = enter(task, token, () => run(token))
    if (isThenable(result)) {
      Promise.resolve(result).then(
        (value) => onEnd(task, 'fulfilled', value),
        (error) => onEnd(task, 'rejected', error),
      )
      return
    }
  } catch (error) {
    return onEnd(task, 'rejected', error)
  }
  onEnd(task, 'fulfilled', result)
}

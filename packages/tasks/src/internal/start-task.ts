import { type CancellationToken, checkFunction, UnoAsyncError } from '@uno-async/core'
import { noop, type TaskHandle } from '../task.js'
import type { Task, TaskFunction, TaskOptions } from '../types.js'

/** Creates a task and waits until it says that it is ready, or ends. */
export function startTask<T, R>(
  create: (run: TaskFunction<T>, options: TaskOptions) => Task<T>,
  run: (token: CancellationToken, ready: (value: R) => void) => PromiseLike<T>,
  options: TaskOptions = {},
): Promise<{ value: R; task: Task<T> }> {
  let created = false
  const promise = new Promise<{ value: R; task: Task<T> }>((resolve, reject) => {
    checkFunction('run', run)
    let ready!: (value: R) => void
    const readiness = new Promise<R>((resolve) => {
      ready = resolve
    })
    const named = { ...options, name: options.name ?? run.name }
    const task = create((token) => run(token, ready), named)
    created = true
    const handle = task as unknown as TaskHandle
    let early = true
    readiness.then((value) => {
      early = false
      resolve({ value, task })
    }, reject)
    handle.ended().then(
      () => reject(new UnoAsyncError(`Task "${task.name}" ended before it was ready`)),
      (error) => {
        if (early) handle.see()
        reject(error)
      },
    )
  })
  // its failure is one of the group, whether or not somebody awaits this
  if (created) promise.catch(noop)
  return promise
}

import { type CancellationToken, checkFunction, UnoAsyncError } from '@uno-async/core'
import type { TaskGroup } from '../group.js'
import type { TaskHandle } from '../task.js'
import type { Task, TaskOptions } from '../types.js'
import { checkOptions, nameOf } from './check.js'
import { Sight } from './sight.js'

/** Creates a task and waits until it says that it is ready, or ends. */
export function startTask<T, R>(
  group: TaskGroup,
  run: (token: CancellationToken, ready: (value: R) => void) => PromiseLike<T>,
  options: TaskOptions = {},
): Promise<{ value: Awaited<R>; task: Task<T> }> {
  let created = false
  let failed: TaskHandle | undefined // before it was ready: so whoever looks at the promise hears of it
  let looked = false
  const promise = new Sight<{ value: Awaited<R>; task: Task<T> }>((resolve, reject) => {
    checkFunction('run', run)
    let ready!: (value: R) => void
    let said = false // that it is ready
    const readiness = new Promise<R>((resolve) => {
      ready = (value) => {
        said = true
        resolve(value)
      }
    })
    const named = { ...checkOptions(options), name: options.name ?? nameOf(run) }
    const task = group.createTask((token) => run(token, ready), named)
    created = true
    const handle = task as unknown as TaskHandle
    let early = true
    readiness.then(
      (value) => {
        early = false
        resolve({ value: value as Awaited<R>, task })
      },
      (error) => {
        early = false
        reject(error)
      },
    )
    handle.ended().then(
      () => {
        if (!said) reject(new UnoAsyncError(`Task "${task.name}" ended before it was ready`))
      },
      (error) => {
        if (early) failed = handle
        if (looked) failed?.see()
        reject(error)
      },
    )
  })
  promise.look = () => {
    looked = true
    failed?.see()
  }
  // its failure is one of the group, whether or not somebody awaits this
  if (created) promise.handle()
  return promise
}

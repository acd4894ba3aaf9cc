import { type CancellationToken, isCancelled } from '@uno-async/core'
import { slot } from './internal/place.js'

/**
 * Several tasks of one group failed: `errors` has their failures, each once. `code` is `ERR_TASK_GROUP`.
 *
 * @example
 * ```ts
 * import { runTasks, TaskGroupError } from '@uno-async/tasks'
 * const fail = (text: string) => async () => Promise.reject(new Error(text))
 * await runTasks([fail('a'), fail('b')]).catch((error) => error instanceof TaskGroupError && error.errors.length) // 2
 * ```
 */
export class TaskGroupError extends AggregateError {
  readonly code: 'ERR_TASK_GROUP' = 'ERR_TASK_GROUP'
  /** The name of the group, empty if it has none. */
  readonly group: string

  constructor(errors: readonly unknown[], group = '') {
    const { length } = errors
    super(errors, `${length} task${length === 1 ? '' : 's'}${group && ` of "${group}"`} failed`)
    this.group = group
  }

  override get name(): string {
    return 'TaskGroupError'
  }
}

/**
 * Tells in which task an error arose: the names of the groups and tasks around it, outermost first.
 * Undefined if it never passed one; primitives have no path. A group that was given no name is left out.
 *
 * @example
 * ```ts
 * import { TaskGroup, taskPathOf } from '@uno-async/tasks'
 *
 * const body = (group: TaskGroup) => {
 *   group.createTask(() => Promise.reject(new Error('404')), { name: 'page-3' })
 * }
 * await TaskGroup.run(body, { name: 'import' }).catch((error) => taskPathOf(error)) // ['import', 'page-3']
 * ```
 */
export function taskPathOf(error: unknown): readonly string[] | undefined {
  return slot().paths.get(error as object)
}

/** Is this rejection of a task only the echo of its own cancellation? */
export function isEcho(token: CancellationToken, error: unknown): boolean {
  return token.cancelled && (Object.is(error, token.reason) || isCancelled(error))
}

/** The same object twice is one failure; equal primitives are not. */
export function distinct(errors: readonly unknown[]): unknown[] {
  const objects = new Set<unknown>()
  return errors.filter((it) => Object(it) !== it || (!objects.has(it) && objects.add(it)))
}

/** Throws the only error as it is, or several in one; nothing if there is none. */
export function throwAll(errors: readonly unknown[], group: string | undefined): void {
  if (errors.length > 1) throw new TaskGroupError(errors, group)
  if (errors.length) throw errors[0]
}

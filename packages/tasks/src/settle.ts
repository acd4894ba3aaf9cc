import { TaskGroupError, throwAll } from './errors.js'
import { Crew } from './internal/crew.js'
import { nextId } from './internal/id.js'
import { jobOf } from './internal/job.js'
import type { RunTasksOptions, TaskFunction, TaskOutcome, Work } from './types.js'

/**
 * Runs tasks and tells how each ended, in the order of the input (of a record: of its keys; `task.name` is the key).
 * Takes what `runTasks` takes; no failure stops the others.
 *
 * @throws never for a failure of a task; what cancels all of it, and a failure of the source
 * @example
 * ```ts
 * import { settleTasks } from '@uno-async/tasks'
 *
 * const outcomes = await settleTasks([1, 2], (item) => (item > 1 ? Promise.reject('too much') : item))
 * outcomes.map(({ status }) => status) // ['fulfilled', 'rejected']
 * ```
 */
export function settleTasks<const F extends readonly TaskFunction<unknown>[]>(
  tasks: F,
  options?: RunTasksOptions,
): Promise<{ -readonly [K in keyof F]: TaskOutcome<Awaited<ReturnType<F[K]>>> }>
export function settleTasks<F extends Record<string, TaskFunction<unknown>>>(
  tasks: F,
  options?: RunTasksOptions,
): Promise<TaskOutcome<Awaited<ReturnType<F[keyof F]>>>[]>
export function settleTasks<I, R>(
  items: Iterable<I> | AsyncIterable<I>,
  run: Work<I, R>,
  options?: RunTasksOptions,
): Promise<TaskOutcome<Awaited<R>>[]>
export async function settleTasks(
  input: unknown,
  second?: unknown,
  third?: unknown,
): Promise<unknown> {
  const job = jobOf(input, second, third)
  const outcomes: TaskOutcome<unknown>[] = []
  const since: number[] = []
  const run: typeof job.run = (item, token, index) => {
    since[index] = performance.now()
    return job.run(item, token, index)
  }
  const taskOf = <S extends 'fulfilled' | 'rejected'>(index: number, state: S) => ({
    status: state,
    task: {
      id: nextId(),
      name: crew.nameOf(index),
      state,
      age: performance.now() - (since[index] as number),
      group: job.options.name ?? '',
    },
  })
  const crew = new Crew(
    { ...job, run },
    {
      value(index, value) {
        outcomes[index] = { ...taskOf(index, 'fulfilled'), value }
      },
      failure(index, reason) {
        outcomes[index] = { ...taskOf(index, 'rejected'), reason }
      },
    },
  )
  await crew.work()
  throwAll(crew.obstacles, job.options.name)
  return outcomes
}

/**
 * Runs tasks until the first succeeds and gives its value; the others are cancelled and waited for, whatever
 * comes of them. Takes what `runTasks` takes.
 *
 * @throws a TaskGroupError, which is an AggregateError, of all failures in the order of the input; what cancels
 *   all of it, and a failure of the source
 * @example
 * ```ts
 * import { anyTask } from '@uno-async/tasks'
 *
 * await anyTask([() => Promise.reject('down'), async () => 'up']) // 'up'
 * ```
 */
export function anyTask<const F extends readonly TaskFunction<unknown>[]>(
  tasks: F,
  options?: RunTasksOptions,
): Promise<Awaited<ReturnType<F[number]>>>
export function anyTask<F extends Record<string, TaskFunction<unknown>>>(
  tasks: F,
  options?: RunTasksOptions,
): Promise<Awaited<ReturnType<F[keyof F]>>>
export function anyTask<I, R>(
  items: Iterable<I> | AsyncIterable<I>,
  run: Work<I, R>,
  options?: RunTasksOptions,
): Promise<Awaited<R>>
export function anyTask(input: unknown, second?: unknown, third?: unknown): Promise<unknown> {
  return first(input, second, third, false)
}

/**
 * Runs tasks until the first ends, and ends as it did; the others are cancelled and waited for, whatever comes of
 * them. Takes what `runTasks` takes.
 *
 * @throws the failure of the first; what cancels all of it, a failure of the source; RangeError if there is no task
 * @example
 * ```ts
 * import { delay } from '@uno-async/core'
 * import { raceTasks } from '@uno-async/tasks'
 *
 * await raceTasks([20, 1], (item, token) => delay(item, { signal: token }).then(() => item)) // 1
 * ```
 */
export function raceTasks<const F extends readonly TaskFunction<unknown>[]>(
  tasks: F,
  options?: RunTasksOptions,
): Promise<Awaited<ReturnType<F[number]>>>
export function raceTasks<F extends Record<string, TaskFunction<unknown>>>(
  tasks: F,
  options?: RunTasksOptions,
): Promise<Awaited<ReturnType<F[keyof F]>>>
export function raceTasks<I, R>(
  items: Iterable<I> | AsyncIterable<I>,
  run: Work<I, R>,
  options?: RunTasksOptions,
): Promise<Awaited<R>>
export function raceTasks(input: unknown, second?: unknown, third?: unknown): Promise<unknown> {
  return first(input, second, third, true)
}

/** The first to succeed, or to end. */
async function first(
  input: unknown,
  second: unknown,
  third: unknown,
  race: boolean,
): Promise<unknown> {
  const job = jobOf(input, second, third)
  const errors: unknown[] = []
  let winner: { value: unknown; failed: boolean } | undefined
  const win = (value: unknown, failed: boolean): void => {
    winner ??= { value, failed }
    crew.stop()
  }
  const crew = new Crew(job, {
    value(_index, value) {
      win(value, false)
    },
    failure(index, error) {
      if (race) win(error, true)
      else errors[index] = error
    },
  })
  await crew.work()
  if (!winner) {
    throwAll(crew.obstacles, job.options.name)
    if (race) throw new RangeError('There is no task to win the race')
    throw new TaskGroupError(errors, job.options.name)
  }
  if (winner.failed) throw winner.value
  return winner.value
}

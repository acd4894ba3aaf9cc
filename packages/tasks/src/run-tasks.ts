import { throwAll } from './errors.js'
import { Crew } from './internal/crew.js'
import { jobOf } from './internal/job.js'
import type { RunTasksOptions, TaskFunction, Work } from './types.js'

/**
 * Runs tasks and gives their values, in the shape and order of the input: an array of functions, a record of
 * functions, or items and what to do with each.
 *
 * The first failure cancels the others and nothing more is started. It always waits for what is in flight before
 * it rejects: with the failure itself, or if there were several with a TaskGroupError of them in the order of the
 * input. Items are taken as they are needed, one `next()` at a time; on an early end the `return()` of the source
 * is called once, and awaited unless the source has not answered yet, or `signal` or `timeout` cancels the call. Cancelled
 * when all results are there, it gives them. A task sees its token as the current one.
 *
 * @throws the cancellation of `signal`, a TimeoutError after `timeout`; TypeError, RangeError as rejections
 * @example
 * ```ts
 * import { delay } from '@uno-async/core'
 * import { runTasks } from '@uno-async/tasks'
 *
 * const [one, two] = await runTasks([() => 1, async () => 'two'])
 * const { user, posts } = await runTasks({ user: () => 'ada', posts: async () => [1, 2] })
 * const squares = await runTasks(
 *   [1, 2, 3],
 *   (item, token) => delay(item, { signal: token }).then(() => item * item),
 *   { concurrency: 2, taskTimeout: 1_000 },
 * ) // [1, 4, 9]
 * ```
 */
export function runTasks<const F extends readonly TaskFunction<unknown>[]>(
  tasks: F,
  options?: RunTasksOptions,
): Promise<{ -readonly [K in keyof F]: Awaited<ReturnType<F[K]>> }>
export function runTasks<F extends Record<string, TaskFunction<unknown>>>(
  tasks: F,
  options?: RunTasksOptions,
): Promise<{ [K in keyof F]: Awaited<ReturnType<F[K]>> }>
export function runTasks<I, R>(
  items: Iterable<I> | AsyncIterable<I>,
  run: Work<I, R>,
  options?: RunTasksOptions,
): Promise<Awaited<R>[]>
export async function runTasks(
  input: unknown,
  second?: unknown,
  third?: unknown,
): Promise<unknown> {
  const job = jobOf(input, second, third)
  const { items, keys } = job
  const values: unknown[] = Array.isArray(items) ? new Array(items.length) : []
  const crew = new Crew(job, {
    value(index, value) {
      values[index] = value
    },
  })
  await crew.work()
  throwAll(crew.obstacles, job.options.name)
  values.length = crew.taken // of an array that shrank meanwhile
  return keys ? Object.fromEntries(keys.map((key, at) => [key, values[at]])) : values
}

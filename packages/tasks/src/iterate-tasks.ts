import { badValue, checkInteger } from '@uno-async/core'
import { throwAll } from './errors.js'
import { Crew } from './internal/crew.js'
import { mapOf } from './internal/job.js'
import type { RunTasksOptions, Work } from './types.js'

/** How to run tasks for a reader. */
export interface IterateTasksOptions extends RunTasksOptions {
  /** Give values in the order of the input (default), or as tasks end. */
  order?: 'input' | 'completion' | undefined
  /** How many tasks, besides `concurrency`, may be ahead of the reader; default 0. */
  buffer?: number | undefined
}

/**
 * Runs a function over items and gives the values one by one, with back-pressure: no task starts before the
 * first `next()`, and at most `concurrency + buffer` have started that the reader has not been given.
 *
 * A failure cancels the others; the reader is given what comes before it (in completion order: all there is), then
 * the failure, or several as a TaskGroupError, when nothing is in flight any more. Leaving the loop cancels and
 * awaits what is in flight; what really fails meanwhile is thrown.
 *
 * @throws TypeError, RangeError at once; while reading what `runTasks` throws
 * @example
 * ```ts
 * import { delay } from '@uno-async/core'
 * import { iterateTasks } from '@uno-async/tasks'
 *
 * const run = (item: number) => delay(item).then(() => item)
 * for await (const value of iterateTasks([9, 1], run, { concurrency: 2, order: 'completion' })) {
 *   console.log(value) // 1, then 9
 * }
 * ```
 */
export function iterateTasks<I, R>(
  items: Iterable<I> | AsyncIterable<I>,
  run: Work<I, R>,
  options?: IterateTasksOptions,
): AsyncIterableIterator<Awaited<R>> {
  const job = mapOf(items, run, options)
  const {
    concurrency = Infinity,
    order = 'input',
    buffer = 0,
    name,
  }: IterateTasksOptions = job.options
  if (order !== 'input' && order !== 'completion') {
    throw badValue('order', "'input' or 'completion'", order, TypeError)
  }
  const room = buffer === Infinity ? buffer : checkInteger('buffer', buffer, 0)
  const ready = new Map<number, Awaited<R>>()
  let arrived = 0
  let read = 0
  let given = 0 // of those read: what the reader really has
  let wakeReader = (): void => {}
  let wakeCrew = (): void => {}
  const crew = new Crew(job, {
    value(index, value) {
      ready.set(order === 'input' ? index : arrived, value as Awaited<R>)
      arrived++
      wakeReader()
    },
    async room() {
      while (crew.taken - given >= concurrency + room && !crew.token.cancelled) {
        await new Promise<void>((resolve) => {
          wakeCrew = resolve
        })
      }
    },
  })
  const wake = (): void => {
    wakeReader()
    wakeCrew()
  }
  async function* values(): AsyncGenerator<Awaited<R>, undefined> {
    crew.token.onCancelled(wake)
    let over = false
    const ended = crew.work().then(() => {
      over = true
      wake()
    })
    try {
      while (!crew.revoked) {
        if (ready.has(read)) {
          const value = ready.get(read) as Awaited<R>
          ready.delete(read++)
          yield value
        } else if (over) break
        else
          await new Promise<void>((resolve) => {
            wakeReader = resolve
          })
      }
    } finally {
      crew.stop()
      await ended
      throwAll(crew.obstacles, name)
    }
  }
  const iterator = values()
  return {
    async next() {
      const step = await iterator.next()
      given++
      wakeCrew()
      return step
    },
    return() {
      crew.stop() // first, since the generator may be waiting for a value
      return iterator.return(undefined)
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

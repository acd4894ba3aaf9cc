// biome-ignore-all lint/nursery/noFloatingPromises: a task has an owner, who waits for it
import { CancellationTokenSource } from '@uno-async/core'
import { iterateTasks, runTasks, TaskGroup, TaskGroupError } from '@uno-async/tasks'
import * as fc from 'fast-check'
import { expect, it, vi } from 'vitest'

vi.setConfig({ testTimeout: 60_000 })

const errorsOf = (error: unknown): unknown[] =>
  error instanceof TaskGroupError ? error.errors : [error]

const failures = async (promise: PromiseLike<unknown>): Promise<unknown[]> => {
  try {
    await promise
    return []
  } catch (error) {
    return errorsOf(error)
  }
}

const many = { numRuns: 1_000 }

it('never runs more at once than allowed, and as many', () =>
  fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 0, max: 8 }),
      fc.constantFrom('group', 'array', 'source', 'iterate'),
      async (s, concurrency, total, how) => {
        let running = 0
        let most = 0
        const items = Array.from({ length: total }, (_, index) => index)
        const run = async (item: number) => {
          most = Math.max(most, ++running)
          await s.schedule(Promise.resolve())
          running--
          return item
        }
        async function* source() {
          yield* items
        }
        const work = async () => {
          if (how === 'array') return runTasks(items, run, { concurrency })
          if (how === 'source') return runTasks(source(), run, { concurrency })
          if (how === 'group') {
            return TaskGroup.run(
              async (group) => {
                const tasks = items.map((item) => group.createTask(() => run(item)))
                return Promise.all(tasks)
              },
              { concurrency },
            )
          }
          const values: number[] = []
          for await (const value of iterateTasks(source(), run, { concurrency })) values.push(value)
          return values
        }
        const values = await s.waitFor(work())
        expect(values).toEqual(items)
        expect(most).toBeLessThanOrEqual(concurrency)
        if (how !== 'iterate') expect(most).toBe(Math.min(concurrency, total))
      },
    ),
    many,
  ))

/** What a task does: how often it waits, what it says in the end, and whether it heeds its cancellation. */
const plan = fc.record({
  steps: fc.integer({ min: 0, max: 2 }),
  fails: fc.boolean(),
  heeds: fc.boolean(),
  spawns: fc.boolean(),
})

it('reports every real error exactly once', () =>
  fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(plan, { maxLength: 5 }),
      fc.record({
        cancelOnError: fc.boolean(),
        hook: fc.boolean(),
        concurrency: fc.constantFrom(1, 2, Infinity),
        stop: fc.constantFrom('never', 'outside', 'cancel'),
        bodyFails: fc.boolean(),
      }),
      async (s, plans, { cancelOnError, hook, concurrency, stop, bodyFails }) => {
        const real = new Set<unknown>()
        const hooked: unknown[] = []
        const reason = new Error('stop')
        const outer = new CancellationTokenSource()
        let active = 0
        const fail = (what: string): never => {
          const error = new Error(what)
          real.add(error)
          throw error
        }
        const body = async (group: TaskGroup) => {
          for (const [index, { steps, fails, heeds, spawns }] of plans.entries()) {
            group.createTask(async (token) => {
              active++
              try {
                for (let n = 0; n < steps; n++) {
                  await s.schedule(Promise.resolve())
                  if (heeds) token.throwIfCancelled()
                }
                if (spawns) group.createTask(() => fail(`child of ${index}`))
                if (fails) fail(`task ${index}`)
              } finally {
                active--
              }
            })
          }
          await s.schedule(Promise.resolve())
          if (stop === 'cancel') void group.cancel()
          if (stop === 'outside') outer.cancel(reason)
          if (bodyFails) fail('body')
        }
        const thrown = await s.waitFor(
          failures(
            TaskGroup.run(body, {
              signal: outer.token,
              cancelOnError,
              concurrency,
              onTaskError: hook ? (error) => hooked.push(error) : undefined,
            }),
          ),
        )
        expect(active).toBe(0)
        const handed = hook && !cancelOnError
        const reported = handed ? [...hooked, ...thrown] : thrown
        if (hook && cancelOnError) for (const error of hooked) expect(real.has(error)).toBe(true)
        const expected = [...real]
        if (stop === 'outside' && !thrown.some((it) => real.has(it)) && thrown.length) {
          expect(thrown).toEqual([reason])
          expected.push(reason)
        }
        expect(reported).toHaveLength(expected.length)
        expect(new Set(reported)).toEqual(new Set(expected))
      },
    ),
    many,
  ))

it('reports every real error of runTasks exactly once, in the order of the input', () =>
  fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(plan, { maxLength: 5 }),
      fc.constantFrom(1, 2, Infinity),
      async (s, plans, concurrency) => {
        const real = new Map<number, unknown>()
        let active = 0
        const run = async (
          { steps, fails, heeds }: (typeof plans)[number],
          token: { throwIfCancelled(): void },
          index: number,
        ) => {
          active++
          try {
            for (let n = 0; n < steps; n++) {
              await s.schedule(Promise.resolve())
              if (heeds) token.throwIfCancelled()
            }
            if (fails) {
              real.set(index, new Error(`task ${index}`))
              throw real.get(index)
            }
          } finally {
            active--
          }
        }
        const thrown = await s.waitFor(failures(runTasks(plans, run, { concurrency })))
        expect(active).toBe(0)
        expect(thrown).toEqual([...real].sort(([a], [b]) => a - b).map(([, error]) => error))
      },
    ),
    many,
  ))

import { CancellationTokenSource, type Lease, UnoAsyncError } from '@uno-async/core'
import { AsyncLock, AsyncSemaphore, KeyedLock, Limiter } from '@uno-async/sync'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { flush } from './contract.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const RUNS = { numRuns: 1_000 }

type Step =
  | { do: 'acquire'; weight: number; priority: number; timeout: number; again: boolean }
  | { do: 'release' | 'cancel'; which: number }
  | { do: 'resize'; to: number }
  | { do: 'pass'; ms: number }
  | { do: 'tick' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('acquire' as const),
      weight: fc.integer({ min: 1, max: 4 }),
      priority: fc.constantFrom(0, 0, 0, 1),
      timeout: fc.constantFrom(Infinity, Infinity, 3, 10, 0),
      again: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom('release' as const, 'release' as const, 'cancel' as const),
      which: fc.nat(20),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('resize' as const),
      to: fc.integer({ min: 0, max: 5 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 6 }) }),
  },
  { weight: 2, arbitrary: fc.constant({ do: 'tick' as const }) },
)

interface Job {
  readonly id: number
  readonly weight: number
  readonly priority: number
  readonly source: CancellationTokenSource
  state: 'waiting' | 'held' | 'over'
  lease?: Lease
}

describe('AsyncSemaphore, against a model', { timeout: 60_000 }, () => {
  it('no permit is lost or given twice, equals go in order, everything settles, nothing is left', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 5, maxLength: 25 }),
        fc.boolean(),
        async (steps, close) => {
          const semaphore = new AsyncSemaphore(3)
          const jobs: Job[] = []
          const settled: Promise<void>[] = []
          const grants: Job[] = []
          const acquire = (weight: number, priority: number, timeout: number, again: boolean) => {
            if (semaphore.capacity && weight > semaphore.capacity) return
            const source = new CancellationTokenSource()
            const job: Job = { id: jobs.length, weight, priority, source, state: 'waiting' }
            jobs.push(job)
            settled.push(
              semaphore.acquire({ weight, priority, timeout, signal: source.token }).then(
                (lease) => {
                  job.lease = lease
                  job.state = 'held'
                  grants.push(job)
                  if (!again) return
                  // Acquires again at once after its release.
                  lease.release()
                  job.state = 'over'
                  acquire(weight, priority, timeout, false)
                },
                (error) => {
                  expect(error).toBeInstanceOf(UnoAsyncError)
                  job.state = 'over'
                },
              ),
            )
          }
          const check = () => {
            const { holders, waiters, available } = semaphore.inspect()
            const held = holders.reduce((sum, { weight }) => sum + weight, 0)
            expect(available).toBe(semaphore.capacity - held)
            // Whoever is next does not fit, or there is nobody.
            const [head] = waiters
            if (head) expect(head.weight).toBeGreaterThan(available)
            // By priority, then by arrival.
            for (let i = 1; i < waiters.length; i++) {
              const [a, b] = [waiters[i - 1], waiters[i]] as [typeof head & {}, typeof head & {}]
              expect(a.priority > b.priority || (a.priority === b.priority && a.id < b.id)).toBe(
                true,
              )
            }
          }
          let most = semaphore.capacity
          for (const each of steps) {
            if (each.do === 'acquire') {
              acquire(each.weight, each.priority, each.timeout, each.again)
            } else if (each.do === 'resize') {
              semaphore.capacity = each.to
              most = Math.max(most, each.to)
            } else if (each.do === 'pass') vi.advanceTimersByTime(each.ms)
            else if (each.do === 'tick') await flush()
            else {
              const job = jobs[each.which % Math.max(1, jobs.length)]
              if (each.do === 'cancel') job?.source.cancel()
              else if (job?.lease?.release()) job.state = 'over'
            }
            check()
            const held = semaphore.inspect().holders.reduce((sum, { weight }) => sum + weight, 0)
            expect(held).toBeLessThanOrEqual(most)
          }
          if (close) semaphore.close()
          else semaphore.capacity = 4
          for (let i = 0; i < 60 && jobs.some(({ state }) => state !== 'over'); i++) {
            await flush()
            for (const job of jobs) if (job.lease?.release()) job.state = 'over'
            check()
          }
          await Promise.all(settled)
          expect(jobs.filter(({ state }) => state !== 'over')).toEqual([])
          expect([semaphore.waiting, semaphore.inspect().holders]).toEqual([0, []])
          expect(semaphore.available).toBe(semaphore.capacity)
          expect(vi.getTimerCount()).toBe(0)
          // Of one priority they went in the order in which they came.
          const equals = grants.filter(({ priority }) => priority === 0).map(({ id }) => id)
          expect(equals).toEqual([...equals].sort((a, b) => a - b))
        },
      ),
      RUNS,
    )
  })
})

const makers = {
  AsyncLock: () => new AsyncLock(),
  'AsyncSemaphore of two': () => new AsyncSemaphore(2),
  'Limiter of two': () => new Limiter(2),
  'KeyedLock, several keys': () => {
    const lock = new KeyedLock()
    return {
      acquire: (options: { signal?: AbortSignal | undefined }) => lock.acquire(['a', 'b'], options),
      inspect: () => lock.inspect('a') ?? { holders: [], waiters: [] },
    }
  },
} as const

describe.each(Object.entries(makers))(
  '%s, in every interleaving',
  { timeout: 60_000 },
  (name, make) => {
    it('jobs that acquire again at once after the release are never too many, and all get through', async () => {
      const most = name.endsWith('two') ? 2 : 1
      await fc.assert(
        fc.asyncProperty(
          fc.scheduler(),
          fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 5 }),
          fc.array(fc.nat(4), { maxLength: 2 }),
          async (scheduler, rounds, cancelled) => {
            const lock = make()
            let inside = 0
            const order: string[] = []
            const job = async (id: number, times: number, signal?: AbortSignal) => {
              for (let round = 0; round < times; round++) {
                const lease = await lock.acquire({ signal }).catch(() => undefined)
                if (!lease) return
                expect(++inside).toBeLessThanOrEqual(most)
                await scheduler.schedule(Promise.resolve(), `job ${id}`)
                inside--
                lease.release() // and acquires again in the same tick
              }
              order.push(`${id}`)
            }
            const controllers = rounds.map(() => new AbortController())
            const all = rounds.map((times, id) => job(id, times, controllers[id]?.signal))
            for (const id of cancelled) {
              void scheduler
                .schedule(Promise.resolve(), `cancel ${id}`)
                .then(() => controllers[id]?.abort())
            }
            await scheduler.waitFor(Promise.all(all))
            expect(inside).toBe(0)
            expect(lock.inspect()).toMatchObject({ holders: [], waiters: [] })
          },
        ),
        { numRuns: 1_000 },
      )
    })
  },
)

import { CancellationTokenSource, ClosedError, WaitQueue } from '@uno-async/core'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { asHost, hooksOf } from './helpers.js'

beforeEach(() => {
  vi.useFakeTimers()
  asHost()
})
afterEach(() => void vi.useRealTimers())

interface Expected {
  id: number
  priority: number
  signal: number
  due: number
}

const SIGNALS = 3

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      priority: fc.constantFrom(0, 0, 0, 1, -1, 2),
      signal: fc.integer({ min: -1, max: SIGNALS - 1 }),
      timeout: fc.constantFrom(Infinity, Infinity, 0, 1, 3, 7),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wake' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('offer' as const), accept: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('cancel' as const), signal: fc.nat(SIGNALS - 1) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wakeAll' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rejectAll' as const) }) },
)

it('does what a sorted list would do, with one outcome for each waiter', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const left: number[] = []
      const queue = new WaitQueue<string, number>({ onLeave: (tag) => left.push(tag) })
      let sources = Array.from({ length: SIGNALS }, () => new CancellationTokenSource())
      const outcomes: string[][] = []
      const expected: string[] = []
      const gone: number[] = []
      let line: Expected[] = []

      const leave = (which: (each: Expected) => boolean, why: string) => {
        const leaving = line.filter(which).sort((a, b) => a.due - b.due)
        line = line.filter((each) => !which(each))
        for (const { id } of leaving) expected[id] = why
        return leaving.map(({ id }) => id)
      }

      for (const [turn, each] of steps.entries()) {
        const now = performance.now()
        const value = `value ${turn}`
        if (each.do === 'wait') {
          const id = outcomes.length
          const { priority, signal, timeout } = each
          const outcome: string[] = []
          outcomes.push(outcome)
          expected.push(timeout === 0 ? 'Timed out after 0 ms' : 'waits')
          queue
            .wait({
              tag: id,
              priority,
              ...(timeout < Infinity && { timeout }),
              ...(signal >= 0 && { signal: (sources[signal] as CancellationTokenSource).token }),
            })
            .then(
              (given) => outcome.push(given),
              (error) => outcome.push(error.message),
            )
          if (timeout !== 0) {
            line.push({ id, priority, signal, due: now + timeout })
            line.sort((a, b) => b.priority - a.priority) // stable
          }
        } else if (each.do === 'wake') {
          const head = line.shift()
          if (head) expected[head.id] = value
          expect(queue.wake(value)).toBe(!!head)
        } else if (each.do === 'offer') {
          const head = each.accept ? line.shift() : undefined
          if (head) expected[head.id] = value
          expect(queue.offer(() => (each.accept ? value : undefined))).toBe(!!head)
        } else if (each.do === 'cancel') {
          sources[each.signal]?.cancel(new Error('cancelled'))
          // Those of one priority after those of another: the order in which they came counts.
          gone.push(
            ...leave(({ signal }) => signal === each.signal, 'cancelled').sort((a, b) => a - b),
          )
          sources = sources.map((source, i) =>
            i === each.signal ? new CancellationTokenSource() : source,
          )
        } else if (each.do === 'advance') {
          vi.advanceTimersByTime(each.ms)
          for (let at = now + 1; at <= now + each.ms; at++) {
            const late = line.filter(({ due }) => due <= at).map(({ id }) => id)
            leave(({ due }) => due <= at, 'timed out')
            gone.push(...late.sort((a, b) => a - b))
          }
        } else if (each.do === 'wakeAll') {
          for (const { id } of line) expected[id] = value
          expect(queue.wakeAll(value)).toBe(line.length)
          line = []
        } else {
          for (const { id } of line) expected[id] = `closed ${id}`
          expect(queue.rejectAll((id: number) => new ClosedError(`closed ${id}`))).toBe(line.length)
          line = []
        }
        expect(queue.size).toBe(line.length)
        expect(queue.head).toBe(line[0]?.id)
        expect([...queue].map(({ tag }) => tag)).toEqual(line.map(({ id }) => id))
        expect(left).toEqual(gone)
        for (const [i, { token }] of sources.entries()) {
          expect(hooksOf(token)).toBe(line.filter(({ signal }) => signal === i).length)
        }
        expect(vi.getTimerCount()).toBe(
          new Set(line.map(({ due }) => due).filter((due) => due < Infinity)).size,
        )
      }
      for (let i = 0; i < 5; i++) await undefined
      for (const [id, outcome] of outcomes.entries()) {
        const want = expected[id] as string
        if (want === 'waits') expect(outcome).toEqual([])
        else if (want === 'timed out') expect(outcome[0]).toMatch(/^Timed out after \d ms$/)
        else expect(outcome).toEqual([want])
      }
      queue.rejectAll(new Error('end'))
      for (let i = 0; i < 3; i++) await undefined
      for (const outcome of outcomes) expect(outcome.length).toBe(1)
      expect(vi.getTimerCount()).toBe(0)
    }),
    { numRuns: 1_000 },
  )
}, 30_000)

it('makes a lock that lets in one at a time, in order, and loses nobody', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(fc.record({ cancels: fc.boolean(), turns: fc.integer({ min: 1, max: 3 }) }), {
        minLength: 2,
        maxLength: 6,
      }),
      async (scheduler, jobs) => {
        const queue = new WaitQueue<void, number>()
        let held = false
        let inside = 0
        let ticket = 0
        let last = -1
        let passed = 0
        let given = 0
        const acquire = async (source: CancellationTokenSource, mine: number) => {
          if (held) await queue.wait({ tag: mine, signal: source.token })
          else held = true
          expect(mine).toBeGreaterThan(last)
          last = mine
        }
        const release = () => {
          if (!queue.wake()) held = false
        }
        const job = async ({ cancels, turns }: (typeof jobs)[number], id: number) => {
          for (let turn = 0; turn < turns; turn++) {
            const source = new CancellationTokenSource()
            const cancelling = cancels
              ? scheduler.schedule(Promise.resolve(), `cancel ${id}`).then(() => source.cancel())
              : undefined
            try {
              await acquire(source, ticket++)
            } catch (error) {
              expect(error).toBe(source.token.reason)
              given++
              continue
            }
            expect(++inside).toBe(1)
            await scheduler.schedule(Promise.resolve(), `work ${id}`)
            inside--
            passed++
            release()
            // comes again at once: who barges would get in before those who wait
            await cancelling
            expect(hooksOf(source.token)).toBe(0)
          }
        }
        const all = Promise.all(jobs.map(job))
        await scheduler.waitFor(all)
        expect(passed + given).toBe(jobs.reduce((sum, { turns }) => sum + turns, 0))
        expect([held, queue.size]).toEqual([false, 0])
      },
    ),
    { numRuns: 1_000 },
  )
}, 30_000)

import { AsyncBatcher } from '@uno-async/cache'
import { CancellationTokenSource, ClosedError } from '@uno-async/core'
import fc from 'fast-check'
import { expect, it } from 'vitest'

const turn = () => new Promise((resolve) => setImmediate(resolve))

interface Caller {
  readonly item: number
  readonly source: CancellationTokenSource
  outcome: unknown
  cancelled: boolean
}

it('each item is run once, in a batch within bounds, and each caller gets their own, whoever leaves', async () => {
  const action = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), item: fc.nat(5) }),
    fc.record({ kind: fc.constant('add' as const), item: fc.nat(5) }),
    fc.record({ kind: fc.constant('cancel' as const), which: fc.nat(30) }),
    fc.record({ kind: fc.constant('turn' as const) }),
    fc.record({ kind: fc.constant('finish' as const), fails: fc.boolean() }),
    fc.record({ kind: fc.constant('flush' as const) }),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(action, { maxLength: 30, size: 'max' }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 3 }),
      fc.boolean(),
      fc.boolean(),
      async (actions, maxBatchSize, concurrency, keyed, drop) => {
        const callers: Caller[] = []
        const running: { finish(fails: boolean): void }[] = []
        let peak = 0
        let sent = 0
        const batcher = new AsyncBatcher<number, string>(
          (items, token) => {
            sent += items.length
            expect(items.length).toBeGreaterThan(0)
            expect(items.length).toBeLessThanOrEqual(maxBatchSize)
            if (keyed) expect(new Set(items).size).toBe(items.length)
            return new Promise((resolve, reject) => {
              const batch = {
                finish: (fails: boolean) => {
                  running.splice(running.indexOf(batch), 1)
                  if (fails) reject(new Error('failed'))
                  else resolve(items.map((n) => `${n}`))
                },
              }
              running.push(batch)
              peak = Math.max(peak, running.length)
              token.onCancelled(() => {})
            })
          },
          { maxBatchSize, concurrency, ...(keyed ? { keyOf: (n: number) => n } : {}) },
        )
        const flushes: Promise<void>[] = []
        for (const it of actions) {
          if (it.kind === 'add') {
            const caller: Caller = {
              item: it.item,
              source: new CancellationTokenSource(),
              outcome: undefined,
              cancelled: false,
            }
            callers.push(caller)
            batcher.add(it.item, { signal: caller.source.token }).then(
              (value) => {
                caller.outcome = value
              },
              (error) => {
                caller.outcome = error
              },
            )
          } else if (it.kind === 'cancel') {
            const waiting = callers.filter(({ outcome }) => outcome === undefined)
            const caller = waiting[it.which % waiting.length]
            if (caller?.source.cancel()) caller.cancelled = true
          } else if (it.kind === 'turn') await turn()
          else if (it.kind === 'finish') running[0]?.finish(it.fails)
          else flushes.push(batcher.flush())
          const waiting = callers.filter((one) => one.outcome === undefined && !one.cancelled)
          expect(batcher.pending).toBeLessThanOrEqual(waiting.length)
        }
        const closing = batcher.close({ drop })
        for (let i = 0; i < 100 && (batcher.running || batcher.pending); i++) {
          running[0]?.finish(false)
          await turn()
        }
        await Promise.all([closing, ...flushes])
        expect([batcher.running, batcher.pending]).toEqual([0, 0])
        expect(peak).toBeLessThanOrEqual(concurrency)
        expect(sent).toBeLessThanOrEqual(callers.length)
        for (const { item, outcome, source } of callers) {
          const fine =
            outcome === `${item}` ||
            outcome === source.token.error ||
            (outcome instanceof Error && outcome.message === 'failed') ||
            (drop && outcome instanceof ClosedError)
          expect(fine).toBe(true)
          expect(outcome).toBeDefined()
        }
      },
    ),
    { numRuns: 1_000 },
  )
}, 30_000)

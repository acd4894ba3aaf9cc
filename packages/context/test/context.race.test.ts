import { AsyncContextGroup, type AsyncContextManager, AsyncExitStack } from '@uno-async/context'
import { CancellationTokenSource, CancelledError } from '@uno-async/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

/** Who is inside; each manager knows how often it was entered and exited. */
class Count {
  inside = 0
  entered = 0
  order: number[] = []
}

const plan = fc.array(
  fc.record({ enterFails: fc.boolean(), exitFails: fc.boolean(), obeys: fc.boolean() }),
  { minLength: 1, maxLength: 6 },
)
type Plan = ReturnType<typeof plan.generate>['value']

const managers = (s: fc.Scheduler, steps: Plan, count: Count): AsyncContextManager<number>[] =>
  steps.map(({ enterFails, exitFails, obeys }, i) => ({
    async enter(token) {
      await s.schedule(Promise.resolve(), `enter ${i}`)
      if (obeys) token.throwIfCancelled()
      if (enterFails) throw new Error(`enter ${i}`)
      count.inside++
      count.entered++
      count.order.push(i)
      return i
    },
    async exit(_, token) {
      expect(token.cancelled).toBe(false)
      await s.schedule(Promise.resolve(), `exit ${i}`)
      count.inside--
      if (exitFails) throw new Error(`exit ${i}`)
    },
  }))

const runs = { numRuns: 1_000 }

describe('whatever happens when', () => {
  it('a stack exits each entered manager once, whenever it is cancelled or closed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), plan, fc.boolean(), async (s, steps, close) => {
        const count = new Count()
        using source = new CancellationTokenSource()
        const stack = new AsyncExitStack({ signal: source.token })
        const entering = managers(s, steps, count).map((it) => stack.enter(it))
        const outcome = Promise.allSettled(entering)
        void s
          .schedule(Promise.resolve())
          .then((): unknown => (close ? stack.close() : source.cancel()))
          .catch(() => {})
        await s.waitFor(outcome)
        await s.waitFor(stack.close().catch(() => {}))
        expect(count.inside).toBe(0)
        expect([stack.size, stack.state]).toEqual([0, 'closed'])
      }),
      runs,
    )
  })

  it('a group is entered wholly or not at all, and always left', async () => {
    const options = fc.record({ concurrent: fc.boolean(), exitConcurrently: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), plan, options, async (s, steps, options) => {
        const count = new Count()
        using source = new CancellationTokenSource()
        const group = new AsyncContextGroup(managers(s, steps, count), {
          ...options,
          signal: source.token,
        })
        let body = false
        void s.schedule(Promise.resolve()).then(() => source.cancel())
        const run = group.run((values) => {
          body = true
          expect(values).toEqual(steps.map((_, i) => i))
          expect(count.inside).toBe(steps.length)
        })
        const error = await s.waitFor(
          run.then(
            () => undefined,
            (error) => error ?? 'undefined',
          ),
        )
        expect(count.inside).toBe(0)
        if (steps.some(({ enterFails }) => enterFails)) expect(body).toBe(false)
        if (!body) expect(error).toBeDefined()
        // A cancellation never stands before a real failure.
        const failed = error instanceof Error && !(error instanceof CancelledError)
        if (body && steps.some(({ exitFails }) => exitFails)) expect(failed).toBe(true)
      }),
      runs,
    )
  })
})

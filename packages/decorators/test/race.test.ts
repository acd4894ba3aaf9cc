import { CancellationToken, CancellationTokenSource } from '@uno-async/core'
import { cancellable, concurrentLimited, retry, timeoutHandler } from '@uno-async/decorators'
import fc from 'fast-check'
import { expect, it } from 'vitest'

const runs = { numRuns: 1_000 }

it('no schedule of completions and cancels lets more run than may, or loses a place', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.integer({ min: 1, max: 3 }),
      fc.array(fc.record({ fails: fc.boolean(), cancels: fc.boolean() }), {
        minLength: 1,
        maxLength: 8,
      }),
      async (s, limit, jobs) => {
        let running = 0
        const fn = concurrentLimited(limit)(async (fails: boolean) => {
          expect(++running).toBeLessThanOrEqual(limit)
          try {
            await s.schedule(Promise.resolve(), 'work')
            if (fails) throw new Error('no')
          } finally {
            running--
          }
        })
        const calls = jobs.map(({ fails, cancels }) => {
          const source = new CancellationTokenSource()
          if (cancels) s.schedule(Promise.resolve(), 'cancel').then(() => source.cancel('stop'))
          return source.token.run(() => fn(fails))
        })
        const all = Promise.allSettled(calls)
        await s.waitFor(all)
        await s.waitAll()
        expect(running).toBe(0)
        // Nothing was lost: as many as may run at once still can.
        const again = Promise.all(Array.from({ length: limit }, () => fn(false)))
        expect(running).toBe(limit)
        await s.waitFor(again)
      },
    ),
    runs,
  )
})

it('no schedule makes attempts overlap, run after a cancel, or settle otherwise than it should', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
      fc.boolean(),
      async (s, outcomes, cancels) => {
        const source = new CancellationTokenSource()
        let running = 0
        let attempts = 0
        const fn = retry({ maxAttempts: outcomes.length, delay: () => 0, signal: source.token })(
          async () => {
            expect(source.token.cancelled).toBe(false)
            expect(++running).toBe(1)
            const succeeds = outcomes[attempts++]
            await s.schedule(Promise.resolve(), 'attempt')
            running--
            if (!succeeds) throw new Error(`attempt ${attempts}`)
            return attempts
          },
        )
        if (cancels) s.schedule(Promise.resolve(), 'cancel').then(() => source.cancel('stop'))
        const [outcome] = await s.waitFor(Promise.allSettled([fn()]))
        await s.waitAll()
        const first = outcomes.indexOf(true) + 1
        if (outcome.status === 'fulfilled') expect(outcome.value).toBe(first)
        else if (source.token.cancelled && outcome.reason === source.token.error) {
          expect(attempts).toBeLessThanOrEqual(first || outcomes.length)
        } else {
          expect(outcome.reason).toEqual(new Error(`attempt ${outcomes.length}`))
          expect(first).toBe(0)
        }
      },
    ),
    runs,
  )
})

it('no schedule settles a call twice, or tells onLate of a call that was not left', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.boolean(),
      fc.constantFrom('race', 'cooperative' as const),
      async (s, fails, mode) => {
        const source = new CancellationTokenSource()
        const late: unknown[] = []
        const error = new Error('own')
        const work = async () => {
          await s.schedule(Promise.resolve(), 'work')
          if (fails) throw error
          return 'value'
        }
        const fn = timeoutHandler({
          timeout: 60_000,
          mode: mode as 'race',
          signal: source.token,
          onLate: (it) => void late.push(it),
        })(work)
        s.schedule(Promise.resolve(), 'cancel').then(() => source.cancel('stop'))
        const [outcome] = await s.waitFor(Promise.allSettled([cancellable(fn)()]))
        await s.waitAll()
        await new Promise((resolve) => setImmediate(resolve))
        const left = outcome.status === 'rejected' && outcome.reason === source.token.error
        if (mode === 'cooperative') expect(left).toBe(false)
        expect(late).toEqual(
          left
            ? [
                fails
                  ? { status: 'rejected', reason: error }
                  : { status: 'fulfilled', value: 'value' },
              ]
            : [],
        )
        if (!left) {
          expect(outcome).toEqual(
            fails ? { status: 'rejected', reason: error } : { status: 'fulfilled', value: 'value' },
          )
        }
        expect(CancellationToken.current).toBe(CancellationToken.none)
      },
    ),
    runs,
  )
})

import { AsyncVariable, CancellationToken, CancellationTokenSource, delay } from '@uno-async/core'
import {
  type AsyncDecorator,
  cancellable,
  concurrentLimited,
  rateLimited,
  retry,
  timeoutHandler,
} from '@uno-async/decorators'
import { describe, expect, it } from 'vitest'

const decorators: [string, () => AsyncDecorator, number][] = [
  ['cancellable', () => cancellable, 1],
  ['timeoutHandler', () => timeoutHandler(60_000), 1],
  ['retry', () => retry({ baseDelay: 1 }), 3],
  [
    'retry with timeouts',
    () => retry({ baseDelay: 1, timeout: 60_000, attemptTimeout: 60_000 }),
    3,
  ],
  ['rateLimited', () => rateLimited({ limit: 1, interval: 5 }), 1],
  ['concurrentLimited', () => concurrentLimited(1), 1],
  ['a limiter of others', () => concurrentLimited((job) => delay(1).then(job)), 1],
]

/** What holds for the current token and variables, with and without async context. */
export function contextContract(follows: boolean): void {
  const user = new AsyncVariable({ name: 'user', defaultValue: 'nobody' })

  describe.each(decorators)('%s', (_, make, attempts) => {
    it('gives interleaved calls, in every attempt, the token and the values of their caller', async () => {
      const seen: Record<string, unknown[]> = { ada: [], bob: [] }
      const work = make()(async (name: string) => {
        const token = CancellationToken.current
        seen[name]?.push([user.get(), token.reason])
        await delay(2)
        // Never somebody else's.
        expect(user.get()).toBe(follows ? name : 'nobody')
        expect(CancellationToken.current).toBe(follows ? token : CancellationToken.none)
        if ((seen[name]?.length ?? 0) < attempts) throw new Error('not yet')
        return token
      })
      const call = (name: string) => {
        const source = new CancellationTokenSource({ name })
        return source.token.run(() => user.run(name, () => work(name)))
      }
      const tokens = await Promise.all([call('ada'), call('bob')])
      expect(tokens[0]).not.toBe(tokens[1])
      for (const name of ['ada', 'bob']) {
        expect(seen[name]).toEqual(Array(attempts).fill([name, undefined]))
      }
      expect(user.get()).toBe('nobody')
    })
  })
}

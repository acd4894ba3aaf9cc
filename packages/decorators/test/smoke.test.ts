import { CancellationToken, CancellationTokenSource } from '@uno-async/core'
import * as d from '@uno-async/decorators'
import { expect, it } from 'vitest'

it('works', async () => {
  expect(Object.keys(d)).toMatchInlineSnapshot(`
    [
      "attemptsOf",
      "RetryError",
      "cancellable",
      "compose",
      "concurrentLimited",
      "rateLimited",
      "retry",
      "retryAfter",
      "retryBudget",
      "timeoutHandler",
      "withToken",
    ]
  `)
  let calls = 0
  class A {
    @d.retry({ baseDelay: 1 })
    async m(x: number) {
      if (++calls < 3) throw new Error('no')
      return x + calls
    }
    @d.cancellable
    async n() {
      return CancellationToken.current
    }
    @d.timeoutHandler(10)
    async #p() {
      await new Promise(() => {})
    }
    p() {
      return this.#p()
    }
    @d.concurrentLimited(1)
    f = async (n: number) => n
    @d.rateLimited({ limit: 1, interval: 10 })
    static async s() {
      return performance.now()
    }
  }
  const a = new A()
  expect(await a.m(1)).toBe(4)
  const s = new CancellationTokenSource()
  expect(await s.token.run(() => a.n())).toBe(s.token)
  await expect(a.p()).rejects.toMatchObject({ message: '"#p" timed out after 10 ms' })
  expect(await Promise.all([a.f(1), a.f(2)])).toEqual([1, 2])
  const t = await Promise.all([A.s(), A.s(), A.s()])
  expect(t[2] - t[0]).toBeGreaterThan(18)
})

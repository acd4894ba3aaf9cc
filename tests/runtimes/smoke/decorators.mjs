import { CancellationToken, delay, RateLimitError, TimeoutError } from '@uno-async/core'
import * as decorators from '@uno-async/decorators'
import { equal, errorOf, fails } from './assert.mjs'

/** Fails so many times, then says how often it was called. */
const flaky = (failures) => {
  let calls = 0
  return async () => {
    if (++calls <= failures) throw new Error(`number ${calls}`)
    return calls
  }
}

const checks = {
  async RetryError({ RetryError, retry }) {
    const failing = retry({ maxAttempts: 2, baseDelay: 1, aggregate: true })(flaky(9))
    const error = await fails(failing(), RetryError)
    equal([error.code, error.errors.length], ['ERR_RETRY_EXHAUSTED', 2])
  },
  async attemptsOf({ attemptsOf, retry }) {
    const error = await errorOf(retry({ maxAttempts: 2, baseDelay: 1 })(flaky(9))())
    equal(
      attemptsOf(error).map((it) => it.message),
      ['number 1', 'number 2'],
    )
  },
  async cancellable({ cancellable }) {
    const controller = new AbortController()
    const stuck = cancellable({ signal: controller.signal })(() => new Promise(() => {}))()
    controller.abort()
    equal(await errorOf(stuck), controller.signal.reason)
  },
  async compose({ compose, retry, timeoutHandler }) {
    equal(await compose(retry({ baseDelay: 1 }), timeoutHandler(60_000))(flaky(1))(), 2)
  },
  async concurrentLimited({ concurrentLimited }) {
    let [running, most] = [0, 0]
    const work = concurrentLimited(2)(async () => {
      most = Math.max(most, ++running)
      await delay(1)
      running--
    })
    await Promise.all([work(), work(), work(), work()])
    equal(most, 2)
  },
  async rateLimited({ rateLimited }) {
    const work = rateLimited({ limit: 1, interval: 60_000, whenLimited: 'reject' })(
      async () => 'ok',
    )
    equal(await work(), 'ok')
    await fails(work(), RateLimitError)
  },
  retry: async ({ retry }) => equal(await retry({ baseDelay: 1 })(flaky(2))(), 3),
  retryAfter({ retryAfter }) {
    equal(retryAfter(new Response(null, { headers: { 'Retry-After': '2' } })), 2_000)
    equal(retryAfter(new Error('x')), undefined)
  },
  retryBudget({ retryBudget }) {
    const budget = retryBudget({ minPerSecond: 0, ratio: 1 })
    equal(budget.withdraw(), false)
    budget.deposit()
    equal([budget.withdraw(), budget.withdraw()], [true, false])
  },
  async timeoutHandler({ timeoutHandler }) {
    const slow = async () => {
      const { signal } = CancellationToken.current
      await delay(60_000, { signal })
    }
    await fails(timeoutHandler(5)(slow)(), TimeoutError)
    equal(await timeoutHandler({ timeout: 5, fallback: () => 'default' })(slow)(), 'default')
  },
  async withToken({ withToken, timeoutHandler }) {
    const work = timeoutHandler(60_000)(withToken(async (token, n) => [token.canBeCancelled, n]))
    equal(await work(7), [true, 7])
  },
}

export default [{ specifier: '@uno-async/decorators', exports: decorators, checks }]

import { CancellationToken, CancellationTokenSource, delay } from '@uno-async/core'
import {
  AsyncEvent,
  AsyncLock,
  AsyncSemaphore,
  KeyedLock,
  Limiter,
  RateLimiter,
  timeout,
} from '@uno-async/sync'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const failureOf = async (promise: Promise<unknown>, after = 500): Promise<unknown> => {
  const failure = promise.then(
    () => expect.fail('did not reject'),
    (error) => error,
  )
  await vi.advanceTimersByTimeAsync(after)
  return failure
}

describe('a timeout says who, and the time that was given', () => {
  it('of an event', async () => {
    expect(await failureOf(new AsyncEvent({ name: 'ready' }).wait({ timeout: 5 }))).toMatchObject({
      message: 'AsyncEvent "ready" was not set within 5 ms',
      timeout: 5,
    })
  })

  it('of a run', async () => {
    const run = (limiter: Limiter, label?: string) =>
      failureOf(limiter.run((token) => delay(1_000, { signal: token }), { runTimeout: 5, label }))
    expect(await run(new Limiter(1, { name: 'api' }))).toMatchObject({
      message: 'Limiter "api" timed out after 5 ms',
      operation: 'Limiter "api"',
    })
    expect(await run(new Limiter(1))).toMatchObject({ message: 'Limiter timed out after 5 ms' })
    expect(await run(new Limiter(1), 'job')).toMatchObject({
      message: '"job" timed out after 5 ms',
    })
  })

  it('without a tail of digits where that is what is left until a deadline', async () => {
    const timeout = 7.100301788999957
    const lock = new AsyncLock()
    using _lease = await lock.acquire()
    for (const late of [
      () => lock.acquire({ timeout }),
      () => new AsyncEvent().wait({ timeout }),
      () => new Limiter(1).run((token) => delay(1_000, { signal: token }), { runTimeout: timeout }),
    ]) {
      expect(await failureOf(late())).toMatchObject({
        message: expect.stringMatching(/ 7\.1 ms/),
        timeout,
      })
    }
  })

  it('of a wait until all is given back', async () => {
    const semaphore = new AsyncSemaphore(1, { name: 'pool' })
    using _lease = await semaphore.acquire()
    expect(await failureOf(semaphore.whenIdle({ timeout: 5 }))).toMatchObject({
      message: 'AsyncSemaphore "pool" timed out after 5 ms: held for 5 ms, 0 waiting',
    })
  })

  it('of several keys, also when it came late in the list', async () => {
    const lock = new KeyedLock({ name: 'accounts' })
    const [a, b] = [await lock.acquire('a'), await lock.acquire('b')]
    setTimeout(() => a.release(), 150)
    expect(await failureOf(lock.acquire(['a', 'b'], { timeout: 200.5 }))).toMatchObject({
      message: expect.stringMatching(/^KeyedLock "accounts" of "b" timed out after 200.5 ms: held/),
      timeout: 200.5,
    })
    expect([b.release(), lock.size]).toEqual([true, 0])
  })

  it('of a key that a backend keeps', async () => {
    const acquire = (_: string, { signal }: { signal?: CancellationToken } = {}) =>
      delay(Infinity, { signal }).then(() => expect.fail('waited in vain'))
    const lock = new KeyedLock({ name: 'jobs', backend: { acquire: acquire as never } })
    expect(await failureOf(lock.acquire('nightly', { timeout: 200 }))).toMatchObject({
      message: 'KeyedLock "jobs" timed out after 200 ms: held by another process',
      timeout: 200,
    })
    expect([lock.name, lock.size, vi.getTimerCount()]).toEqual(['jobs', 0, 0])
  })

  it('of a store', async () => {
    const onStoreError = vi.fn()
    const store = { consume: () => new Promise<never>(() => {}) }
    const limiter = new RateLimiter({
      limit: 1,
      name: 'api',
      store,
      storeTimeout: 50,
      onStoreError,
    })
    const checking = limiter.check()
    await vi.advanceTimersByTimeAsync(50)
    await checking
    expect(onStoreError.mock.calls).toMatchObject([
      [{ message: 'The store of RateLimiter "api" did not answer within 50 ms' }],
    ])
  })
})

it('bounds the line of those who re-enter as that of those who come from outside', async () => {
  const lock = new AsyncLock({ reentrant: true, maxWaiting: 0 })
  await lock.run(async () => {
    const inner = lock.run(() => delay(10))
    expect(await failureOf(lock.run(() => {}))).toMatchObject({ name: 'QueueFullError' })
    await inner
  })
})

describe('whose token replaces the current one is cancelled with that', () => {
  it.each([
    ['timeout', (fn: () => Promise<void>) => timeout(5_000, fn)],
    ['Limiter', (fn: () => Promise<void>) => new Limiter(1).run(fn, { runTimeout: 5_000 })],
  ])('%s', async (_, start) => {
    const source = new CancellationTokenSource()
    const reason = new Error('enough')
    const sleep = () => delay(5_000, { signal: CancellationToken.current })
    const failure = failureOf(
      source.token.run(() => start(sleep)),
      1,
    )
    source.cancel(reason)
    expect(await failure).toBe(reason)
    expect(vi.getTimerCount()).toBe(0)
  })
})

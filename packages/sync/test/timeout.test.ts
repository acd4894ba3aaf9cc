import {
  CancellationToken,
  CancellationTokenSource,
  CancelledError,
  delay,
  isTimeout,
  TimeoutError,
} from '@uno-async/core'
import { timeout, timeoutScope } from '@uno-async/sync'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { flush } from './contract.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

const never = new Promise<never>(() => {})
const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

describe('timeout', () => {
  it('rejects with the message, and cancels the token with the same error', async () => {
    let token = CancellationToken.none
    const promise = timeout(50, 'loading took too long', (given) => {
      token = given
      return never
    })
    const caught = promise.catch((error) => error)
    await vi.advanceTimersByTimeAsync(49)
    expect(token.cancelled).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    const error = await caught
    expect(error).toBeInstanceOf(TimeoutError)
    expect(error).toMatchObject({ message: 'loading took too long', timeout: 50 })
    expect(token.reason).toBe(error)
  })

  it('takes the message as an option, too, and has one by itself', async () => {
    const errors = [timeout(5, () => never, { message: 'mine' }), timeout(5, () => never)].map(
      (promise) => promise.catch((error) => error.message),
    )
    await vi.advanceTimersByTimeAsync(5)
    expect(await Promise.all(errors)).toEqual(['mine', 'Timed out after 5 ms'])
  })

  it('gives the result, and closes the token without cancelling it', async () => {
    let token = CancellationToken.none
    expect(
      await timeout(50, async (given) => {
        token = given
        expect(CancellationToken.current).toBe(given)
        await undefined
        return 7
      }),
    ).toBe(7)
    await vi.advanceTimersByTimeAsync(1_000)
    expect([token.cancelled, token.canBeCancelled, token.signal.aborted]).toEqual([
      false,
      false,
      false,
    ])
    expect(await timeout(50, () => 8)).toBe(8)
    expect(await timeout(0, () => 9)).toBe(9)
    const error = new Error('of fn')
    await expect(timeout(50, () => Promise.reject(error))).rejects.toBe(error)
    await expect(
      timeout(50, () => {
        throw error
      }),
    ).rejects.toBe(error)
  })

  it('lets a result of the same tick win', async () => {
    const results = [
      timeout(50, () => sleep(50).then(() => 'plain')),
      timeout(50, async () => {
        await (async () => {
          await sleep(50)
        })()
        return 'nested'
      }),
      timeout(50, () => delay(50).then(() => 'delay')),
    ]
    vi.advanceTimersByTime(50)
    expect(await Promise.all(results)).toEqual(['plain', 'nested', 'delay'])
  })

  it("rejects with the caller's reason, which is no TimeoutError", async () => {
    const source = new CancellationTokenSource()
    const promise = timeout(50, () => never, { signal: source.token })
    source.cancel('enough')
    await expect(promise).rejects.toBe(source.token.error)
    await expect(promise).rejects.toBeInstanceOf(CancelledError)
    const fn = vi.fn()
    await expect(timeout(50, fn, { signal: source.token })).rejects.toBe(source.token.error)
    expect(fn).not.toHaveBeenCalled()
  })

  it('names the right one of nested ones', async () => {
    const nested = (outer: number, inner: number) =>
      timeout(outer, 'outer', (token) =>
        timeout(inner, 'inner', () => never, { signal: token }),
      ).catch((error) => error.message)
    const messages = [nested(50, 100), nested(100, 50)]
    await vi.advanceTimersByTimeAsync(100)
    expect(await Promise.all(messages)).toEqual(['outer', 'inner'])
  })

  it('hands what comes too late to onLate', async () => {
    const onLate = vi.fn()
    const outcomes = [
      timeout(5, () => sleep(10).then(() => 'late'), { onLate }),
      timeout(
        5,
        async () => {
          await sleep(10)
          throw new Error('late')
        },
        { onLate },
      ),
      timeout(5, () => sleep(10).then(() => Promise.reject(new Error('handled')))),
    ]
    const settled = Promise.allSettled(outcomes)
    await vi.advanceTimersByTimeAsync(20)
    for (const outcome of await settled)
      expect(isTimeout((outcome as PromiseRejectedResult).reason)).toBe(true)
    expect(onLate.mock.calls.flat()).toEqual([
      { status: 'fulfilled', value: 'late' },
      { status: 'rejected', reason: new Error('late') },
    ])
    await timeout(5, async () => 1, { onLate })
    expect(onLate).toHaveBeenCalledTimes(2)
  })

  it('reports what onLate throws', async () => {
    const reported = vi.fn()
    vi.stubGlobal('reportError', reported)
    const error = new Error('of the hook')
    const promise = timeout(5, () => sleep(10), {
      onLate: () => {
        throw error
      },
    })
    promise.catch(() => {})
    await vi.advanceTimersByTimeAsync(20)
    vi.unstubAllGlobals()
    expect(reported.mock.calls).toEqual([[error]])
  })

  it('cooperative: waits for fn, whose value counts', async () => {
    let cancelled = false
    const settled = vi.fn()
    const promise = timeout(
      5,
      async (token) => {
        await sleep(10)
        cancelled = token.cancelled
        return 'still'
      },
      { mode: 'cooperative' },
    )
    void promise.then(settled)
    await vi.advanceTimersByTimeAsync(6)
    expect(settled).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(10)
    expect([await promise, cancelled]).toEqual(['still', true])
    const obedient = timeout(5, (token) => token.race(never), { mode: 'cooperative', message: 'm' })
    obedient.catch(() => {})
    await vi.advanceTimersByTimeAsync(5)
    await expect(obedient).rejects.toThrow('m')
  })

  it.each([
    [[-1, () => {}], RangeError],
    [[Number.NaN, () => {}], RangeError],
    [['5', () => {}], TypeError],
    [[undefined, () => {}], TypeError],
    [[5], TypeError],
    [[5, 'message'], TypeError],
    [[5, null], TypeError],
    [[5, () => {}, { message: 5 }], TypeError],
    [[5, () => {}, { mode: 'fast' }], TypeError],
    [[5, () => {}, { onLate: 5 }], TypeError],
    [[5, () => {}, { signal: 5 }], TypeError],
  ])('rejects bad input: %j', async (args, kind) => {
    await expect(timeout(...(args as [number, () => void]))).rejects.toBeInstanceOf(kind)
  })
})

describe('timeoutScope', () => {
  it('cancels its token when the time is up', async () => {
    using limit = timeoutScope(50, 'updating resource 7')
    const race = limit.race(never)
    race.catch(() => {})
    await vi.advanceTimersByTimeAsync(20)
    expect([limit.expired, limit.remaining]).toEqual([false, 30])
    await vi.advanceTimersByTimeAsync(30)
    expect([limit.expired, limit.remaining]).toEqual([true, 0])
    await expect(race).rejects.toThrow('updating resource 7')
    expect(limit.signal.reason).toBe(limit.token.reason)
  })

  it('can be rescheduled, keeps its message, and is not a cancellation when closed', async () => {
    const limit = timeoutScope(50, 'mine')
    limit.reschedule(100)
    await vi.advanceTimersByTimeAsync(60)
    expect([limit.expired, limit.remaining]).toEqual([false, 40])
    limit.reschedule(5)
    const race = limit.race(never)
    race.catch(() => {})
    await vi.advanceTimersByTimeAsync(5)
    await expect(race).rejects.toThrow('mine')
    const closed = timeoutScope(50)
    closed.token.onCancelled(() => {})
    closed.close()
    await vi.advanceTimersByTimeAsync(100)
    expect([closed.expired, closed.token.cancelled, closed.remaining]).toEqual([
      false,
      false,
      Infinity,
    ])
  })

  it('is not expired when the caller cancels', async () => {
    const source = new CancellationTokenSource()
    using limit = timeoutScope(50, 'mine', { signal: source.token })
    expect(await limit.race(Promise.resolve(1))).toBe(1)
    source.cancel()
    expect([limit.token.cancelled, limit.expired]).toEqual([true, false])
    await flush()
  })

  it.each([
    [[-1], RangeError],
    [['5'], TypeError],
    [[5, 5], TypeError],
    [[5, 'm', { signal: 5 }], TypeError],
  ])('throws on bad input: %j', (args, kind) => {
    expect(() => timeoutScope(...(args as [number]))).toThrow(kind)
  })

  it('rejects bad times of reschedule', () => {
    using limit = timeoutScope(5)
    expect(() => limit.reschedule(-1)).toThrow(RangeError)
  })
})

import {
  CancellationToken,
  CancellationTokenSource,
  CancelledError,
  delay,
  isCancelled,
  isTimeout,
  WaitQueue,
} from '@uno-async/core'
import { describe, expect, it, vi } from 'vitest'
import { hooksOf } from './helpers.js'

const { proxy, revoke } = Proxy.revocable({}, {})
revoke()
const hostile = {
  'a revoked proxy': proxy,
  'an object whose getters throw': {
    get name() {
      throw new Error('name')
    },
    get cause() {
      throw new Error('cause')
    },
    get brand() {
      throw new Error('brand')
    },
  },
}

describe.each(Object.entries(hostile))('%s', (_, value) => {
  it('is neither a cancellation nor a timeout', () => {
    expect([isCancelled(value), isTimeout(value)]).toEqual([false, false])
  })

  it('is nothing that a token owns, unless it is its reason', () => {
    const token = CancellationToken.cancelled(value)
    expect([token.owns(value), token.owns(new Error('x', { cause: value }))]).toEqual([true, true])
    expect(CancellationToken.cancelled().owns(value)).toBe(false)
    expect(CancellationToken.cancelled().owns(new Error('x', { cause: value }))).toBe(false)
  })

  it('is no token', () => {
    expect(CancellationToken.is(value)).toBe(false)
  })

  it('can be the reason of a cancellation', () => {
    const source = new CancellationTokenSource()
    expect(source.cancel(value)).toBe(true)
    const error = source.token.error as CancelledError
    expect(error instanceof CancelledError && error.cause === value).toBe(true)
    expect(source.token.owns(error)).toBe(true)
  })
})

describe('a reportError that throws', () => {
  it('stops no callback, and surfaces as an uncaught exception', async () => {
    vi.stubGlobal('reportError', () => {
      throw new Error('mistake')
    })
    const uncaught = vi.fn()
    const tasks = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation((task) => {
      try {
        task()
      } catch (error) {
        uncaught(error)
      }
    })
    const source = new CancellationTokenSource()
    const second = vi.fn()
    source.token.onCancelled(() => {
      throw new Error('callback')
    })
    source.token.onCancelled(second)
    expect(source.cancel()).toBe(true)
    expect(second).toHaveBeenCalledOnce()
    expect(uncaught.mock.lastCall).toMatchObject([{ message: 'mistake' }])
    tasks.mockRestore()
    vi.unstubAllGlobals()
  })
})

describe('a signal that lets nobody listen', () => {
  const boom = new Error('no listeners')
  const signal = {
    aborted: false,
    addEventListener() {
      throw boom
    },
    removeEventListener() {},
  } as unknown as AbortSignal

  it('leaves no waiter, timer or link behind', async () => {
    vi.useFakeTimers()
    const queue = new WaitQueue()
    await expect(queue.wait({ signal, timeout: 5 })).rejects.toBe(boom)
    expect([queue.size, queue.wake()]).toEqual([0, false])
    await expect(delay(5, { signal })).rejects.toBe(boom)
    expect(vi.getTimerCount()).toBe(0)
    const child = new CancellationTokenSource({ signal, timeout: 5 })
    for (let i = 0; i < 2; i++) expect(() => child.token.onCancelled(() => {})).toThrow(boom)
    expect(vi.getTimerCount()).toBe(0)
    expect(hooksOf(CancellationToken.from(signal))).toBe(0)
    vi.useRealTimers()
  })

  it('leaves no loser of a race without somebody who looks after its error', async () => {
    const promise = Promise.reject(new Error('loser'))
    const then = vi.spyOn(promise, 'then')
    await expect(CancellationToken.from(signal).race(promise)).rejects.toBe(boom)
    expect(then).toHaveBeenCalledTimes(1)
    await promise.catch(() => {})
  })
})

it('owns a reason that is not equal to itself', () => {
  const source = new CancellationTokenSource()
  source.cancel(Number.NaN)
  expect(source.token.owns(Number.NaN)).toBe(true)
})

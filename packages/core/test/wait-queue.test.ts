import {
  CancellationToken,
  CancellationTokenSource,
  ClosedError,
  TimeoutError,
  WaitQueue,
} from '@uno-async/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { asHost, hooksOf, outcome } from './helpers.js'

vi.setConfig({ testTimeout: 30_000 })

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const tags = (queue: WaitQueue<never, string>) => [...queue].map(({ tag }) => tag)
const waiting = (queue: WaitQueue<never, string>, ...names: string[]) =>
  names.map((tag) => queue.wait({ tag }))

/** Makes the clock pass a deadline whose timer does not fire. */
function jump(ms: number): void {
  const now = performance.now()
  vi.spyOn(performance, 'now').mockReturnValue(now + ms)
}

describe('wake', () => {
  it('hands its value to the head, first come first served', async () => {
    const queue = new WaitQueue<number>()
    const all = [queue.wait(), queue.wait()]
    expect([queue.size, queue.wake(1), queue.wake(2), queue.wake(3), queue.size]).toEqual([
      2,
      true,
      true,
      false,
      0,
    ])
    expect(await Promise.all(all)).toEqual([1, 2])
  })

  it('hands over undefined as well', async () => {
    const queue = new WaitQueue()
    const waits = queue.wait()
    expect([queue.wake(), queue.wake()]).toEqual([true, false])
    expect(await waits).toBe(undefined)
  })

  it('goes by priority, and first come first served within one', async () => {
    const queue = new WaitQueue<number, string>()
    const got: string[] = []
    const join = (tag: string, priority?: number) =>
      void queue.wait({ tag, priority }).then((value) => got.push(`${tag}${value}`))
    for (const [tag, priority] of Object.entries({ c: 0, a: 5, e: -1, f: -Infinity })) {
      join(tag, priority)
    }
    join('d')
    join('b', 5)
    expect([...queue].map(({ tag, priority }) => `${tag}${priority}`)).toEqual([
      'a5',
      'b5',
      'c0',
      'd0',
      'e-1',
      'f-Infinity',
    ])
    for (let i = 1; i <= 6; i++) queue.wake(i)
    await outcome(Promise.resolve())
    expect(got).toEqual(['a1', 'b2', 'c3', 'd4', 'e5', 'f6'])
  })

  it('goes by priority where each has one of its own, also while some leave', async () => {
    const queue = new WaitQueue<void, number>()
    const got: number[] = []
    const expected: number[] = []
    for (let i = 0; i < 2_000; i++) {
      const priority = (i * 7_919) % 2_003
      const stays = i % 3 > 0
      const source = new CancellationTokenSource()
      void queue.wait({ tag: priority, priority, signal: source.token }).then(
        () => got.push(priority),
        () => {},
      )
      if (stays) expected.push(priority)
      else source.cancel()
    }
    expected.sort((a, b) => b - a)
    expect(Array.from(queue, ({ tag }) => tag)).toEqual(expected)
    expect(queue.wakeAll()).toBe(expected.length)
    await Promise.resolve()
    expect(got).toEqual(expected)
  })

  it('is an outcome: cancelling afterwards changes nothing', async () => {
    const onLeave = vi.fn()
    const queue = new WaitQueue<number>({ onLeave })
    const source = new CancellationTokenSource()
    const waits = queue.wait({ signal: source.token, timeout: 50 })
    queue.wake(5)
    expect([hooksOf(source.token), vi.getTimerCount()]).toEqual([0, 0])
    source.cancel()
    vi.advanceTimersByTime(100)
    expect([await waits, onLeave.mock.calls.length]).toEqual([5, 0])
  })

  it('passes over a waiter whose deadline has passed though no timer fired', async () => {
    const left: string[] = []
    const queue = new WaitQueue<number, string>({ onLeave: (tag) => left.push(tag) })
    const source = new CancellationTokenSource({ timeout: 50 })
    const dead = queue.wait({ signal: source.token, tag: 'dead' })
    const live = queue.wait({ tag: 'live' })
    jump(60)
    expect(queue.head).toBe('live')
    expect([queue.wake(1), queue.size, left]).toEqual([true, 0, ['dead']])
    expect(await live).toBe(1)
    expect(await outcome(dead)).toEqual({ rejected: source.token.error })
    expect(vi.getTimerCount()).toBe(0)
  })

  it('inside a cancel passes over a waiter that was not told yet', async () => {
    const queue = new WaitQueue<string, string>()
    const source = new CancellationTokenSource()
    source.token.onCancelled(() => expect(queue.wake('given')).toBe(true))
    const dead = queue.wait({ signal: source.token, tag: 'dead' })
    const live = queue.wait({ tag: 'live' })
    source.cancel()
    expect(await live).toBe('given')
    expect(await outcome(dead)).toEqual({ rejected: source.token.error })
  })

  it('is false when all who wait are cancelled', async () => {
    const queue = new WaitQueue<string>()
    const source = new CancellationTokenSource({ timeout: 50 })
    const all = [1, 2].map(() => queue.wait({ signal: source.token }))
    jump(60)
    expect([queue.head, queue.size]).toEqual([undefined, 2])
    expect([queue.wake('x'), queue.size]).toEqual([false, 0])
    for (const each of all) expect(await outcome(each)).toEqual({ rejected: source.token.error })
  })
})

describe('wakeAll', () => {
  it('hands its value to everybody and says to how many', async () => {
    const queue = new WaitQueue<string, string>()
    const all = waiting(queue as never, 'a', 'b', 'c')
    expect([queue.wakeAll('x'), queue.wakeAll('x'), queue.size]).toEqual([3, 0, 0])
    expect(await Promise.all(all)).toEqual(['x', 'x', 'x'])
  })
})

describe('offer', () => {
  it('asks what to give, and undefined leaves them waiting', async () => {
    const queue = new WaitQueue<number, string>()
    const [a] = waiting(queue as never, 'a', 'b')
    const make = vi.fn((tag: string) => (tag === 'a' ? 1 : undefined))
    expect([queue.offer(make), queue.offer(make), queue.size]).toEqual([true, false, 1])
    expect(make.mock.calls).toEqual([['a'], ['b']])
    expect(await a).toBe(1)
  })

  it('asks nobody when nobody waits', () => {
    const make = vi.fn(() => 1)
    expect(new WaitQueue<number>().offer(make)).toBe(false)
    expect(make).not.toHaveBeenCalled()
  })

  it('whose maker throws leaves the head waiting, and tells of those who left', async () => {
    const left: string[] = []
    const queue = new WaitQueue<number, string>({ onLeave: (tag) => left.push(tag) })
    const source = new CancellationTokenSource({ timeout: 50 })
    const dead = queue.wait({ signal: source.token, tag: 'dead' })
    const live = queue.wait({ tag: 'live' })
    jump(60)
    const fail = () => {
      throw new Error('mine')
    }
    expect(() => queue.offer(fail)).toThrow('mine')
    expect([left, queue.head, queue.size]).toEqual([['dead'], 'live', 1])
    queue.wake(1)
    expect(await live).toBe(1)
    await expect(dead).rejects.toBe(source.token.error)
  })

  it('can be repeated by the owner for each who left, without recursion', async () => {
    let free = 0
    let granted = 0
    const queue: WaitQueue<number> = new WaitQueue({ onLeave: () => void drain() })
    const drain = () => {
      while (queue.offer(() => (free > 0 ? free-- : undefined))) granted++
    }
    const source = new CancellationTokenSource({ timeout: 50 })
    const dead = Array.from({ length: 100_000 }, () => queue.wait({ signal: source.token }))
    const live = [queue.wait(), queue.wait(), queue.wait()]
    jump(60)
    free = 2
    drain()
    expect([granted, free, queue.size]).toEqual([2, 0, 1])
    expect(await Promise.all(live.slice(0, 2))).toEqual([2, 1])
    const lost = await Promise.allSettled(dead)
    expect(new Set(lost.map(({ status }) => status))).toEqual(new Set(['rejected']))
  })
})

describe('wait', () => {
  it('rejects when cancelled, leaves the middle, and tells the owner', async () => {
    const left: string[] = []
    const queue = new WaitQueue<string, string>({ onLeave: (tag) => left.push(tag) })
    const source = new CancellationTokenSource()
    const [a] = waiting(queue as never, 'a')
    const b = queue.wait({ tag: 'b', signal: source.token })
    const [c] = waiting(queue as never, 'c')
    source.cancel()
    expect([queue.size, tags(queue as never), left]).toEqual([2, ['a', 'c'], ['b']])
    await expect(b).rejects.toBe(source.token.error)
    queue.wakeAll('x')
    expect(await Promise.all([a, c])).toEqual(['x', 'x'])
  })

  it('rejects when it took too long, with a TimeoutError of its own', async () => {
    const left: string[] = []
    const queue = new WaitQueue<string, string>({ onLeave: (tag) => left.push(tag) })
    const all = [queue.wait({ tag: 'a', timeout: 50 }), queue.wait({ tag: 'b', timeout: 50 })]
    vi.advanceTimersByTime(49)
    expect(queue.size).toBe(2)
    vi.advanceTimersByTime(1)
    expect([queue.size, left, vi.getTimerCount()]).toEqual([0, ['a', 'b'], 0])
    const errors = (await Promise.allSettled(all)).map((each) =>
      each.status === 'rejected' ? each.reason : undefined,
    )
    for (const error of errors) {
      expect(error).toBeInstanceOf(TimeoutError)
      expect(error.message).toBe('Timed out after 50 ms')
    }
    expect(errors[0]).not.toBe(errors[1])
  })

  it('makes the error of a timeout as it was told, or rejects with what that throws', async () => {
    const queue = new WaitQueue<string, string>()
    const onTimeout = vi.fn((timeout: number, tag: string) => new ClosedError(`${tag}${timeout}`))
    const thrown = new Error('mine')
    const fail = () => {
      throw thrown
    }
    const [a, b] = [
      queue.wait({ tag: 'a', timeout: 50, onTimeout }),
      queue.wait({ tag: 'b', timeout: 50, onTimeout: fail }),
    ]
    vi.advanceTimersByTime(50)
    await expect(a).rejects.toThrow('a50')
    await expect(b).rejects.toBe(thrown)
    await expect(queue.wait({ tag: 'c', timeout: 0, onTimeout })).rejects.toThrow('c0')
    await expect(queue.wait({ tag: 'd', timeout: 0, onTimeout: fail })).rejects.toBe(thrown)
    expect(queue.size).toBe(0)
  })

  it('rejects without joining when cancelled already, and then rather than timed out', async () => {
    const onLeave = vi.fn()
    const queue = new WaitQueue({ onLeave })
    const token = CancellationToken.cancelled('why')
    const waits = queue.wait({ signal: token, timeout: 0 })
    expect([queue.size, onLeave.mock.calls.length]).toEqual([0, 0])
    await expect(waits).rejects.toBe(token.error)
    const signal = AbortSignal.abort()
    await expect(queue.wait({ signal })).rejects.toBe(signal.reason)
  })

  it('leaves at once, with no timer, when the deadline passes while it joins', async () => {
    const onLeave = vi.fn()
    const queue = new WaitQueue({ onLeave })
    const source = new CancellationTokenSource({ timeout: 50 })
    const now = performance.now()
    vi.spyOn(performance, 'now')
      .mockReturnValueOnce(now)
      .mockReturnValue(now + 60)
    const waits = queue.wait({ signal: source.token, timeout: 1_000 })
    expect([queue.size, onLeave.mock.calls.length, vi.getTimerCount()]).toEqual([0, 1, 0])
    await expect(waits).rejects.toBe(source.token.error)
  })

  it('with timeout 0 rejects without joining', async () => {
    const onLeave = vi.fn()
    const queue = new WaitQueue({ onLeave })
    const waits = queue.wait({ timeout: 0 })
    expect([queue.size, onLeave.mock.calls.length, vi.getTimerCount()]).toEqual([0, 0, 0])
    await expect(waits).rejects.toThrow('Timed out after 0 ms')
  })

  it('can be left in the order of the deadlines', async () => {
    const left: string[] = []
    const queue = new WaitQueue<string, string>({ onLeave: (tag) => left.push(tag) })
    const all = [30, 10, 20].map((timeout) => queue.wait({ tag: String(timeout), timeout }))
    vi.advanceTimersByTime(30)
    await Promise.allSettled(all)
    expect(left).toEqual(['10', '20', '30'])
  })

  it('leaves nothing on the token and no timer, whatever the outcome', async () => {
    asHost()
    const source = new CancellationTokenSource()
    const queue = new WaitQueue<string>()
    const all = Array.from({ length: 4 }, () => queue.wait({ signal: source.token, timeout: 50 }))
    expect([hooksOf(source.token), vi.getTimerCount()]).toEqual([4, 1])
    queue.wake('x')
    queue.rejectAll(new ClosedError())
    expect([hooksOf(source.token), vi.getTimerCount()]).toEqual([0, 0])
    await Promise.allSettled(all)
  })
})

describe('rejectAll', () => {
  it('rejects everybody and says how many, and is no leaving', async () => {
    const onLeave = vi.fn()
    const queue = new WaitQueue<string, string>({ onLeave })
    const all = waiting(queue as never, 'a', 'b')
    const error = new ClosedError('gone')
    expect([queue.rejectAll(error), queue.rejectAll(error), queue.size]).toEqual([2, 0, 0])
    for (const each of all) await expect(each).rejects.toBe(error)
    expect(onLeave).not.toHaveBeenCalled()
  })

  it('makes an error for each, or takes what that throws', async () => {
    const queue = new WaitQueue<string, string>()
    const all = waiting(queue as never, 'a', 'b', 'c')
    const make = (tag: string) => {
      if (tag === 'b') throw new Error('thrown')
      return new ClosedError(tag)
    }
    expect(queue.rejectAll(make)).toBe(3)
    const messages = (await Promise.allSettled(all)).map(
      (each) => (each as { reason: Error }).reason,
    )
    expect(messages.map(({ message }) => message)).toEqual(['a', 'thrown', 'c'])
  })
})

describe('who was cancelled and not told yet', () => {
  it('gets the reason of that from rejectAll', async () => {
    const queue = new WaitQueue<string, string>()
    const timed = CancellationToken.timeout(50)
    const source = new CancellationTokenSource()
    source.token.onCancelled(() => queue.rejectAll(new ClosedError()))
    const all = [timed, source.token, undefined].map((signal) => queue.wait({ signal }))
    jump(60)
    source.cancel(new Error('shutting down'))
    expect(await Promise.all(all.map(outcome))).toEqual([
      { rejected: timed.error },
      { rejected: source.token.error },
      { rejected: expect.any(ClosedError) },
    ])
  })

  it('is told to the owner by wake, which an error of the owner does not stop', async () => {
    const reported = vi.fn()
    vi.stubGlobal('reportError', reported)
    const left: string[] = []
    const boom = new Error('boom')
    const queue = new WaitQueue<string, string>({
      onLeave(tag) {
        left.push(tag)
        throw boom
      },
    })
    const signal = CancellationToken.timeout(50)
    const dead = ['a', 'b'].map((tag) => queue.wait({ tag, signal }))
    const alive = queue.wait({ tag: 'c' })
    jump(60)
    expect(queue.wake('x')).toBe(true)
    expect([await alive, left]).toEqual(['x', ['a', 'b']])
    expect(reported.mock.calls).toEqual([[boom], [boom]])
    for (const each of dead) await expect(each).rejects.toBe(signal.error)
    vi.unstubAllGlobals()
  })
})

describe('looking', () => {
  it('tells who waits, how long, and at what priority', () => {
    const queue = new WaitQueue<never, string>()
    void queue.wait({ tag: 'a' })
    vi.advanceTimersByTime(30)
    void queue.wait({ tag: 'b', priority: 2 })
    vi.advanceTimersByTime(10)
    expect([...queue]).toEqual([
      { tag: 'b', age: 10, priority: 2 },
      { tag: 'a', age: 40, priority: 0 },
    ])
    expect([queue.head, new WaitQueue().head]).toEqual(['b', undefined])
  })

  it('can make those leave whom it sees', async () => {
    const queue = new WaitQueue<never, CancellationTokenSource>()
    const sources = [1, 2, 3].map(() => new CancellationTokenSource())
    const all = sources.map((tag) => queue.wait({ tag, signal: tag.token }))
    let seen = 0
    for (const { tag } of queue) {
      seen++
      tag.cancel()
      if (seen === 1) sources[1]?.cancel()
    }
    expect([seen, queue.size]).toEqual([3, 0])
    await Promise.allSettled(all)
  })
})

describe('100 000 waiters', () => {
  const count = 100_000
  const statuses = async (all: Promise<unknown>[]) =>
    new Set((await Promise.allSettled(all)).map(({ status }) => status))

  it('are woken', async () => {
    const queue = new WaitQueue<number>()
    const all = Array.from({ length: count }, () => queue.wait())
    expect(queue.wakeAll(1)).toBe(count)
    expect(await statuses(all)).toEqual(new Set(['fulfilled']))
  })

  it('are rejected', async () => {
    const queue = new WaitQueue<number>()
    const all = Array.from({ length: count }, () => queue.wait())
    expect(queue.rejectAll(new ClosedError())).toBe(count)
    expect(await statuses(all)).toEqual(new Set(['rejected']))
  })

  it('are cancelled by one token', async () => {
    const queue = new WaitQueue<number>()
    const source = new CancellationTokenSource()
    const all = Array.from({ length: count }, () =>
      queue.wait({ signal: source.token, timeout: 1_000 }),
    )
    source.cancel()
    expect([queue.size, vi.getTimerCount()]).toEqual([0, 0])
    expect(await statuses(all)).toEqual(new Set(['rejected']))
  })

  it('are cancelled one by one from the end', async () => {
    const queue = new WaitQueue<number>()
    const sources = Array.from({ length: count }, () => new CancellationTokenSource())
    const all = sources.map(({ token }) => queue.wait({ signal: token }))
    const reason = new Error('gone')
    for (const source of sources.reverse()) source.cancel(reason)
    expect(queue.size).toBe(0)
    expect(await statuses(all)).toEqual(new Set(['rejected']))
  })

  it('of priorities of their own that come and go leave nothing to walk over', () => {
    const queue = new WaitQueue<number>()
    void queue.wait({ priority: Infinity })
    const reason = new Error('gone')
    for (const sign of [1, -1]) {
      for (let i = 0; i < count; i++) {
        const source = new CancellationTokenSource()
        queue.wait({ signal: source.token, priority: sign * i }).catch(() => {})
        source.cancel(reason)
      }
    }
    expect(queue.size).toBe(1)
  })
})

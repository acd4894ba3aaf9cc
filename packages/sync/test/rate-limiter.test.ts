import {
  CancellationTokenSource,
  ClosedError,
  type Lease,
  QueueFullError,
  RateLimitError,
  TimeoutError,
} from '@uno-async/core'
import { RateLimiter, type RateLimitStore } from '@uno-async/sync'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { flush } from './contract.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

/** Starts `n` at once, notes when each went. */
const start = (limiter: RateLimiter, n: number, cost = 1): number[] => {
  const times: number[] = []
  const begin = performance.now()
  for (let i = 0; i < n; i++) {
    limiter.acquire({ cost }).then(
      () => times.push(performance.now() - begin),
      () => {},
    )
  }
  return times
}

describe.each(['token-bucket', 'sliding-window'] as const)('%s', (algorithm) => {
  it('lets limit go, then says exactly when', async () => {
    const limiter = new RateLimiter({ limit: 3, interval: 300, algorithm })
    const decisions = [1, 2, 3, 4].map(() => limiter.tryAcquire())
    expect(decisions.map(({ allowed, remaining }) => [allowed, remaining])).toEqual([
      [true, 2],
      [true, 1],
      [true, 0],
      [false, 0],
    ])
    const wait = algorithm === 'token-bucket' ? 100 : 300
    expect(decisions[3]?.retryAfter).toBe(wait)
    await pass(wait - 1)
    expect(limiter.tryAcquire().allowed).toBe(false)
    await pass(1)
    expect(limiter.tryAcquire().allowed).toBe(true)
  })

  it('lets through who comes back after retryAfter', () => {
    const limiter = new RateLimiter({ limit: 7, interval: 100, algorithm })
    const clock = vi.spyOn(performance, 'now')
    for (let i = 0; i < 20; i++) {
      while (limiter.tryAcquire().allowed) {}
      clock.mockReturnValue(performance.now() + limiter.tryAcquire().retryAfter)
      expect(limiter.tryAcquire().allowed).toBe(true)
    }
    clock.mockRestore()
  })

  it('a refused try changes nothing', async () => {
    const limiter = new RateLimiter({ limit: 1, interval: 100, algorithm })
    limiter.tryAcquire()
    for (let i = 0; i < 9; i++) {
      await pass(10)
      expect(limiter.tryAcquire().retryAfter).toBeCloseTo(90 - i * 10, 3)
    }
    await pass(10)
    expect(limiter.tryAcquire().allowed).toBe(true)
  })

  it('takes one timer, however many wait', async () => {
    const limiter = new RateLimiter({ limit: 1, interval: 100, algorithm })
    const times = start(limiter, 1_000)
    expect(vi.getTimerCount()).toBe(1)
    await pass(250)
    expect([times.length, vi.getTimerCount()]).toEqual([3, 1])
    limiter.close()
  })

  it('serves the line in order; who leaves costs nothing', async () => {
    const limiter = new RateLimiter({ limit: 1, interval: 100, algorithm })
    const source = new CancellationTokenSource()
    const order: string[] = []
    const go = (id: string, signal = source.token, cancelled = false) =>
      limiter.acquire(cancelled ? { signal } : {}).then(
        () => order.push(`${id}@${performance.now() - begin}`),
        () => order.push(`${id} left`),
      )
    const begin = performance.now()
    void go('a')
    void go('b')
    void go('c', source.token, true)
    void go('d')
    await flush()
    expect([limiter.waiting, limiter.tryAcquire().allowed]).toEqual([3, false])
    await pass(50)
    source.cancel()
    await pass(500)
    expect(order).toEqual(['a@0', 'c left', 'b@100', 'd@200'])
  })

  it('a big one is not starved by small ones', async () => {
    const limiter = new RateLimiter({ limit: 4, interval: 400, algorithm })
    for (let i = 0; i < 4; i++) limiter.tryAcquire()
    const big = limiter.acquire({ cost: 4 }).then(() => performance.now())
    const begin = performance.now()
    for (let i = 0; i < 40; i++) {
      await pass(10)
      expect(limiter.tryAcquire().allowed).toBe(false)
    }
    expect((await big) - begin).toBe(400)
  })

  it('fails at once if the deadline is nearer than the turn, the line included', async () => {
    const limiter = new RateLimiter({ limit: 1, interval: 100, algorithm, name: 'api' })
    const times = start(limiter, 3) // at 0, 100, 200
    await flush()
    for (const options of [
      { timeout: 299 },
      { signal: new CancellationTokenSource({ timeout: 250 }).token },
      { timeout: 0 },
    ]) {
      const error = (await limiter.acquire(options).catch((e) => e)) as RateLimitError
      expect(error).toBeInstanceOf(RateLimitError)
      expect(error.retryAfter).toBe(300)
      expect(error.message).toBe('RateLimiter "api": not before 300 ms')
    }
    expect(limiter.tryAcquire().retryAfter).toBeCloseTo(300, 3)
    expect(limiter.waiting).toBe(2)
    const last = limiter.acquire({ timeout: 301 })
    await pass(300)
    await last
    expect(times).toEqual([0, 100, 200])
  })

  it('lets a higher priority go ahead', async () => {
    const limiter = new RateLimiter({ limit: 1, interval: 100, algorithm })
    limiter.tryAcquire()
    const order: string[] = []
    void limiter.acquire().then(() => order.push('low'))
    const error = await limiter.acquire({ priority: 1, timeout: 50 }).catch((e) => e)
    expect(error.retryAfter).toBeCloseTo(100, 3)
    void limiter.acquire({ priority: 1, timeout: 100 }).then(() => order.push('high'))
    await pass(200)
    expect(order).toEqual(['high', 'low'])
  })

  it('goes by the new rate after update; what was taken stays taken', async () => {
    const limiter = new RateLimiter({ limit: 1, interval: 1_000, algorithm })
    const times = start(limiter, 4)
    await pass(100)
    limiter.update({ interval: 200 })
    await pass(1_000)
    if (algorithm === 'sliding-window') expect(times).toEqual([0, 200, 400, 600])
    else expect(times).toEqual([0, 280, 480, 680]) // nine tenths of one were missing
    limiter.update({ limit: 3 })
    expect(limiter.inspect().capacity).toBe(3)
    expect([limiter.tryAcquire().allowed, limiter.tryAcquire().allowed]).toEqual([true, true])
    limiter.update({ limit: 1 })
    expect(limiter.tryAcquire().allowed).toBe(false)
  })

  it('pauses: the longest counts, 0 ends it', async () => {
    const limiter = new RateLimiter({ limit: 5, interval: 1_000, algorithm })
    limiter.pauseFor(300)
    limiter.pauseFor(100)
    expect(limiter.available).toBe(0)
    expect(limiter.tryAcquire()).toEqual({ allowed: false, remaining: 0, retryAfter: 300 })
    const times = start(limiter, 2)
    await pass(299)
    expect(times).toEqual([])
    await pass(1)
    expect(times).toEqual([300, 300])
    limiter.pauseFor(100_000)
    const later = start(limiter, 1)
    limiter.pauseFor(0)
    await flush()
    expect(later).toEqual([0])
  })

  it('does not mind a clock that jumps', async () => {
    let now = 1_000_000
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now)
    const limiter = new RateLimiter({ limit: 2, interval: 100, algorithm })
    limiter.tryAcquire()
    limiter.tryAcquire()
    now -= 500_000
    expect(limiter.tryAcquire()).toMatchObject({ allowed: false })
    now += 50
    if (algorithm === 'token-bucket') expect(limiter.tryAcquire().allowed).toBe(true)
    now += 50
    expect(limiter.tryAcquire().allowed).toBe(true)
    now += 86_400_000
    const allowed = [1, 2, 3].map(() => limiter.tryAcquire().allowed)
    expect(allowed).toEqual([true, true, false])
    clock.mockRestore()
  })

  it('closes', async () => {
    const limiter = new RateLimiter({ limit: 1, algorithm, name: 'api' })
    const reason = new Error('off')
    limiter.tryAcquire()
    const waiting = limiter.acquire()
    waiting.catch(() => {})
    limiter.close(reason)
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_CLOSED', cause: reason })
    await expect(limiter.acquire()).rejects.toBeInstanceOf(ClosedError)
    expect(limiter.tryAcquire()).toEqual({ allowed: false, remaining: 0, retryAfter: Infinity })
    expect(await limiter.check()).toEqual({ allowed: false, remaining: 0, retryAfter: Infinity })
    expect(limiter.inspect()).toMatchObject({ closed: true, available: 0, waiters: [] })
  })

  it('tells who waits, refuses who is one too many', async () => {
    const limiter = new RateLimiter({
      limit: 2,
      interval: 100,
      algorithm,
      name: 'api',
      maxWaiting: 1,
    })
    start(limiter, 2)
    const waiting = limiter.acquire({ label: 'me', cost: 2, priority: -1 })
    await expect(limiter.acquire()).rejects.toBeInstanceOf(QueueFullError)
    expect(limiter.inspect()).toEqual({
      name: 'api',
      capacity: 2,
      available: 0,
      closed: false,
      holders: [],
      waiters: [{ id: expect.any(Number), label: 'me', weight: 2, waitedFor: 0, priority: -1 }],
    })
    await pass(100)
    const lease = await waiting
    expect([lease.release(), lease.release(), lease.held]).toEqual([true, false, false])
    expect(limiter.available).toBe(0)
  })

  it('times out in line when a pause comes', async () => {
    const limiter = new RateLimiter({ limit: 1, interval: 100, algorithm, name: 'api' })
    limiter.tryAcquire()
    const waiting = limiter.acquire({ timeout: 150 })
    waiting.catch(() => {})
    limiter.pauseFor(1_000)
    await pass(150)
    await expect(waiting).rejects.toThrow('RateLimiter "api" timed out after 150 ms: 1 waiting')
    await expect(waiting).rejects.toBeInstanceOf(TimeoutError)
    expect(limiter.waiting).toBe(0)
  })

  it('runs a task when it is its turn', async () => {
    const limiter = new RateLimiter({ limit: 1, interval: 100, algorithm })
    const source = new CancellationTokenSource()
    expect(await limiter.run((token) => token === source.token, { signal: source.token })).toBe(
      true,
    )
    const task = vi.fn()
    const run = limiter.run(task, { signal: source.token })
    source.cancel()
    await expect(run).rejects.toBe(source.token.error)
    expect(task).not.toHaveBeenCalled()
    expect(limiter.waiting).toBe(0)
  })

  it.each([
    [{ limit: 0 }],
    [{ limit: -1 }],
    [{ limit: Number.NaN }],
    [{ limit: Infinity }],
    [{ limit: '5' }],
    [{}],
    [{ limit: 1, interval: 0 }],
    [{ limit: 1, interval: Infinity }],
    [{ limit: 1, interval: null }],
    [{ limit: 1, burst: 0 }],
    [{ limit: 1, burst: 1.5 }],
    [{ limit: 1, burst: '2' }],
    [{ limit: 1, algorithm: 'leaky' }],
    [{ limit: 1, store: {} }],
    [{ limit: 1, store: null }],
    [{ limit: 1, store: { consume() {} }, key: 5 }],
    [{ limit: 1, store: { consume() {} }, storeTimeout: -1 }],
    [{ limit: 1, store: { consume() {} }, storeFailure: 'ignore' }],
    [{ limit: 1, store: { consume() {} }, onStoreError: 5 }],
    [{ limit: 1, name: 5 }],
    [{ limit: 1, maxWaiting: 1.5 }],
  ])('refuses bad options: %j', (options) => {
    expect(() => new RateLimiter({ algorithm, ...options } as never)).toThrow(/Expected `/)
  })

  it.each([0, -1, 1.5, Number.NaN, 4, '1', null, Infinity, 2 ** 53])(
    'refuses a cost of %j',
    async (cost) => {
      const limiter = new RateLimiter({ limit: 3, algorithm })
      const options = { cost: cost as number }
      const kind = typeof cost === 'number' ? RangeError : TypeError
      expect(() => limiter.tryAcquire(options)).toThrow(kind)
      await expect(limiter.acquire(options)).rejects.toBeInstanceOf(kind)
      await expect(limiter.check(options)).rejects.toBeInstanceOf(kind)
      await expect(limiter.run(() => {}, options)).rejects.toBeInstanceOf(kind)
      expect(() => limiter.pauseFor(-1)).toThrow(RangeError)
    },
  )
})

describe('the token bucket', () => {
  it('bursts, then goes steadily; after a pause at most burst at once', async () => {
    const limiter = new RateLimiter({ limit: 10, interval: 1_000, burst: 3 })
    const times = start(limiter, 6)
    await pass(1_000)
    expect(times).toEqual([0, 0, 0, 100, 200, 300])
    await pass(100_000)
    const again = start(limiter, 5)
    await pass(1_000)
    expect(again).toEqual([0, 0, 0, 100, 200])
  })

  it.each([
    [0.769, 1_000, undefined],
    [1, 1_300, undefined],
    [3, 1_000, 1],
    [100, 60_000, undefined],
    [769, 1_000, 1],
  ])('%d per %d ms holds to 0.1 percent (burst %s)', async (limit, interval, burst) => {
    const limiter = new RateLimiter({ limit, interval, burst })
    const minutes = limit === 769 ? 20_000 : 600_000 // ten minutes, unless that were half a million
    let went = 0
    const worker = async () => {
      for (;;) {
        await limiter.acquire()
        went++
      }
    }
    const workers = Promise.allSettled([worker(), worker()])
    await pass(0)
    const first = went // the burst
    went = 0
    await pass(minutes)
    const due = (minutes / interval) * limit
    expect(went).toBeGreaterThanOrEqual(Math.floor(due * 0.999) - 1)
    expect(went).toBeLessThanOrEqual(Math.ceil(due * 1.001) + first + 1)
    limiter.close()
    await workers
  })

  it('does not run ahead of ten million a second', async () => {
    const limiter = new RateLimiter({ limit: 10_000_000, burst: 1 })
    const times = start(limiter, 60_000)
    await pass(5)
    expect(times.length).toBeGreaterThanOrEqual(50_000)
    expect(times.length).toBeLessThanOrEqual(50_050)
    limiter.close()
  })

  it('a million a second, and one a day', async () => {
    const fast = new RateLimiter({ limit: 1_000_000, burst: 1_000 })
    let units = 0
    const begin = performance.now()
    while (performance.now() - begin < 600_000) {
      const { retryAfter } = fast.tryAcquire({ cost: 1_000 })
      if (retryAfter) vi.advanceTimersByTime(Math.ceil(retryAfter))
      else units += 1_000
      if (units > 2e6) break
    }
    expect(units / (performance.now() - begin) / 1_000).toBeCloseTo(1, 2)
    const slow = new RateLimiter({ limit: 1, interval: 86_400_000 * 30 })
    const times = start(slow, 2)
    await pass(2 ** 31 + 10)
    expect(times).toEqual([0])
    await pass(86_400_000 * 30 - 2 ** 31 - 10)
    expect(times).toEqual([0, 86_400_000 * 30])
  })
})

describe('the sliding window', () => {
  it('never lets more than limit go in any interval', async () => {
    let seed = 7
    const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647
    const limiter = new RateLimiter({ limit: 5, interval: 100, algorithm: 'sliding-window' })
    const times: number[] = []
    const jobs: Promise<unknown>[] = []
    for (let i = 0; i < 400; i++) {
      const cost = 1 + Math.floor(random() * 3)
      jobs.push(
        limiter.acquire({ cost }).then(() => {
          for (let unit = 0; unit < cost; unit++) times.push(performance.now())
        }),
      )
      if (random() < 0.5) await pass(random() * 60)
    }
    await pass(100_000)
    await Promise.all(jobs)
    expect(times.length).toBeGreaterThan(400)
    for (let i = 5; i < times.length; i++) {
      // a rounding error of the subtraction is none of the limiter
      expect((times[i] as number) - (times[i - 5] as number)).toBeGreaterThan(100 - 1e-9)
    }
  })
})

describe('with a store', () => {
  /** Like rate-limiter-flexible: refuses by rejecting with the result. */
  class FakeStore implements RateLimitStore {
    points: number
    calls: unknown[] = []
    constructor(readonly limit = 2) {
      this.points = limit
      setInterval(() => {
        this.points = this.limit
      }, 100)
    }
    async consume(key: string, points = 1) {
      this.calls.push([key, points])
      const msBeforeNext = 100 - (performance.now() % 100)
      if (points > this.points) throw { remainingPoints: 0, msBeforeNext }
      this.points -= points
      return { remainingPoints: this.points, msBeforeNext }
    }
  }
  afterEach(() => vi.clearAllTimers())

  it('is shared by two limiters', async () => {
    const store = new FakeStore()
    const [a, b] = [1, 2].map(() => new RateLimiter({ limit: 2, store, key: 'shared' })) as [
      RateLimiter,
      RateLimiter,
    ]
    expect(await a.check()).toMatchObject({ allowed: true, remaining: 1 })
    expect(await b.check()).toMatchObject({ allowed: true, remaining: 0 })
    const refused = await a.check()
    expect(refused.allowed).toBe(false)
    expect(refused.retryAfter).toBeGreaterThan(0)
    expect(store.calls).toEqual(Array(3).fill(['shared', 1]))
    expect(() => a.tryAcquire()).toThrow(/use check\(\)/)
    const times = [...[a, b, a].map((limiter) => start(limiter, 1))]
    await pass(250)
    expect(times.flat()).toHaveLength(3)
  })

  it('asks for one after the other; tells at once who cannot wait as long', async () => {
    const store = new FakeStore(1)
    const limiter = new RateLimiter({ limit: 1, store, name: 'api' })
    expect((await limiter.acquire({ timeout: 0 })).held).toBe(true)
    await expect(limiter.acquire({ timeout: 0 })).rejects.toBeInstanceOf(RateLimitError)
    const hasty = limiter.acquire({ timeout: 50 }).catch((e) => e)
    const patient = limiter.acquire({ timeout: 500 })
    await pass(0)
    expect(await hasty).toBeInstanceOf(RateLimitError)
    expect(limiter.waiting).toBe(1)
    await pass(100)
    expect((await patient).held).toBe(true)
    expect(store.calls[0]).toEqual(['api', 1])
  })

  it('asks anew for one who wants less than was refused', async () => {
    const store = new FakeStore(5)
    const limiter = new RateLimiter({ limit: 10, store })
    await expect(limiter.acquire({ cost: 8, timeout: 0 })).rejects.toBeInstanceOf(RateLimitError)
    expect((await limiter.acquire({ timeout: 10 })).held).toBe(true)
    const hasty = limiter.acquire({ cost: 7, timeout: 20 }).catch((e) => e)
    const light = limiter.acquire({ timeout: 20 })
    await pass(0)
    expect(await hasty).toBeInstanceOf(RateLimitError)
    expect((await light).held).toBe(true)
    const source = new CancellationTokenSource()
    const heavy = limiter.acquire({ cost: 6, signal: source.token }).catch((e) => e)
    const behind = limiter.acquire({ cost: 2 })
    await pass(0)
    expect(limiter.waiting).toBe(2)
    source.cancel()
    await pass(0)
    expect((await behind).held).toBe(true)
    expect(await heavy).toBe(source.token.error)
    expect(store.calls.map((call) => (call as unknown[])[1])).toEqual([8, 1, 7, 1, 6, 2])
  })

  it('gives what was asked for one who left to who is next', async () => {
    const store = new FakeStore(3)
    let answer: () => void = () => {}
    const consume = vi.spyOn(store, 'consume').mockImplementationOnce(
      () =>
        new Promise((resolve) => {
          answer = () => resolve({ remainingPoints: 0, msBeforeNext: 0 })
        }),
    )
    const limiter = new RateLimiter({ limit: 3, store })
    const source = new CancellationTokenSource()
    const left = limiter.acquire({ cost: 2, signal: source.token })
    left.catch(() => {})
    const next = [limiter.acquire(), limiter.acquire()]
    source.cancel()
    answer()
    await Promise.all(next)
    expect(consume).toHaveBeenCalledTimes(1)
    await expect(left).rejects.toBe(source.token.error)
  })

  const failures: [string, () => Promise<unknown>, RegExp][] = [
    ['rejects', () => Promise.reject(new Error('down')), /down/],
    ['hangs', () => new Promise(() => {}), /did not answer/],
    ['answers rubbish', () => Promise.resolve('yes'), /remainingPoints/],
    ['answers nothing', () => Promise.resolve(), /remainingPoints/],
    [
      'answers NaN',
      () => Promise.resolve({ remainingPoints: 1, msBeforeNext: Number.NaN }),
      /tells/,
    ],
    ['rejects with rubbish', () => Promise.reject('no'), /remainingPoints/],
  ]
  it.each(failures)('that %s: goes on from memory and says so', async (_, consume, message) => {
    const onStoreError = vi.fn()
    const store = { consume } as RateLimitStore
    const limiter = new RateLimiter({
      limit: 1,
      interval: 5_000,
      store,
      onStoreError,
      storeTimeout: 50,
    })
    const first = limiter.check()
    await pass(50)
    expect(await first).toMatchObject({ allowed: true, remaining: 0 })
    expect(onStoreError).toHaveBeenCalledTimes(1)
    expect(onStoreError.mock.calls[0]?.[0].message).toMatch(message)
    const second = limiter.check()
    await pass(50)
    expect((await second).allowed).toBe(false)
    const third = limiter.acquire()
    await pass(6_000)
    expect((await third).held).toBe(true)
  })

  it.each(failures)('that %s: refuses, if it shall', async (_, consume, message) => {
    const store = { consume } as RateLimitStore
    const limiter = new RateLimiter({ limit: 5, store, storeFailure: 'reject', storeTimeout: 50 })
    const check = limiter.check()
    const acquired = [limiter.acquire(), limiter.acquire(), limiter.acquire({ timeout: 10 })]
    const settled = Promise.allSettled(acquired)
    await pass(200)
    expect(await check).toEqual({ allowed: false, remaining: 0, retryAfter: 50 })
    for (const outcome of (await settled).slice(0, 2) as PromiseRejectedResult[]) {
      expect(outcome.reason).toBeInstanceOf(RateLimitError)
      expect(outcome.reason.cause.message).toMatch(message)
    }
    expect(limiter.waiting).toBe(0)
  })

  it('is asked again once it is back; what a hook throws is reported', async () => {
    const reported = vi.fn()
    vi.stubGlobal('reportError', reported)
    const store = new FakeStore()
    const consume = vi.spyOn(store, 'consume').mockReturnValueOnce(new Promise(() => {}))
    const limiter = new RateLimiter({
      limit: 9,
      store,
      storeTimeout: 50,
      onStoreError: () => {
        throw new Error('of the hook')
      },
    })
    const first = limiter.check()
    await pass(50)
    await first
    vi.unstubAllGlobals()
    expect(reported).toHaveBeenCalledTimes(1)
    await limiter.check()
    expect(consume).toHaveBeenCalledTimes(1)
    await pass(50)
    await limiter.check()
    expect(consume).toHaveBeenCalledTimes(2)
  })

  it('never says never where only the store has failed', async () => {
    const store = { consume: () => Promise.reject(new Error('down')) }
    const failing = { store, storeFailure: 'reject', storeTimeout: Infinity } as const
    const limiter = new RateLimiter({ limit: 9, ...failing })
    expect(await limiter.check()).toEqual({ allowed: false, remaining: 0, retryAfter: 1_000 })
  })

  it('can be given up while the store is asked', async () => {
    const store = { consume: () => new Promise(() => {}) } as unknown as RateLimitStore
    const limiter = new RateLimiter({ limit: 9, store })
    const source = new CancellationTokenSource()
    const check = limiter.check({ signal: source.token })
    const acquire: Promise<Lease> = limiter.acquire({ signal: source.token })
    source.cancel()
    await expect(check).rejects.toBe(source.token.error)
    await expect(acquire).rejects.toBe(source.token.error)
    await pass(1_000)
  })
})

describe('with a store that takes its time', () => {
  const late = (ms: number): RateLimitStore => ({
    consume: async () => {
      await new Promise((resolve) => setTimeout(resolve, ms))
      return { remainingPoints: 1, msBeforeNext: 0 }
    },
  })

  it('who tries once can be cancelled, and gets nothing after close', async () => {
    const limiter = new RateLimiter({ limit: 2, store: late(50), maxWaiting: 0 })
    const source = new CancellationTokenSource()
    const left = limiter.acquire({ timeout: 0, signal: source.token })
    source.cancel()
    await expect(left).rejects.toBe(source.token.error)
    await pass(50)
    const closed = limiter.acquire({ timeout: 0 })
    limiter.close()
    await expect(closed).rejects.toBeInstanceOf(ClosedError)
    await pass(50)
  })

  it('never says to come back at once', async () => {
    const limiter = new RateLimiter({ limit: 2, store: late(50) })
    const waiting = limiter.acquire()
    expect((await limiter.check()).retryAfter).toBeGreaterThan(0)
    const once: Promise<unknown> = limiter
      .acquire({ timeout: 0 })
      .catch((error) => error.retryAfter)
    expect(await once).toBeGreaterThan(0)
    await pass(50)
    expect((await waiting).held).toBe(true)
  })
})

it('remembers what went, however the window changes', () => {
  const limiter = new RateLimiter({ limit: 3, interval: 1_000, algorithm: 'sliding-window' })
  for (let i = 0; i < 3; i++) limiter.tryAcquire()
  limiter.update({ limit: 1 })
  expect(limiter.available).toBe(0)
  limiter.update({ limit: 4 })
  expect(limiter.tryAcquire().allowed).toBe(true)
  expect(limiter.tryAcquire()).toMatchObject({ allowed: false, retryAfter: 1_000 })
})

it('goes by timers that are driven without the clock', async () => {
  vi.useRealTimers()
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const limiter = new RateLimiter({ limit: 1, interval: 60_000 })
  expect(start(limiter, 3)).toEqual([])
  await pass(0)
  expect(limiter.waiting).toBe(2)
  await pass(60_001)
  expect(limiter.waiting).toBe(1)
  await pass(60_001)
  expect(limiter.waiting).toBe(0)
})

it.each([
  ['storeTimeout', -1],
  ['storeFailure', 'x'],
  ['onStoreError', 5],
  ['key', 5],
])('checks %s without a store, too', (option, value) => {
  expect(() => new RateLimiter({ limit: 1, [option]: value })).toThrow(`\`${option}\``)
})

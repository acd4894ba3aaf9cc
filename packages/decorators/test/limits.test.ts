import { CancellationToken, CancellationTokenSource, delay, WaitQueue } from '@uno-async/core'
import { concurrentLimited, type LimiterLike, rateLimited, retry } from '@uno-async/decorators'
import pLimit from 'p-limit'
import PQueue from 'p-queue'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

const tracked = () => {
  const state = { running: 0, most: 0, started: [] as number[] }
  const since = performance.now()
  const work = async (duration = 10) => {
    state.started.push(performance.now() - since)
    state.most = Math.max(state.most, ++state.running)
    try {
      await delay(duration, { signal: CancellationToken.current })
    } finally {
      state.running--
    }
  }
  return { state, work }
}
const errors = (outcomes: PromiseSettledResult<unknown>[]) =>
  outcomes.map((it) => (it.status === 'rejected' ? it.reason.code : 'ok'))

describe('concurrentLimited', () => {
  it('lets so many run at once, the others in order', async () => {
    const { state, work } = tracked()
    const fn = concurrentLimited(2)(work)
    const all = Promise.all([fn(), fn(30), fn(), fn(), fn()])
    await vi.runAllTimersAsync()
    await all
    expect(state).toMatchObject({ most: 2, started: [0, 0, 10, 20, 30] })
  })

  it('gives the place back when the function fails or throws', async () => {
    const fn = concurrentLimited(1)(() => {
      throw new Error('no')
    })
    await expect(Promise.allSettled([fn(), fn(), fn()])).resolves.toMatchObject([
      { status: 'rejected' },
      { status: 'rejected' },
      { status: 'rejected' },
    ])
  })

  it('refuses with a QueueFullError when told to, or when the line is full', async () => {
    const { work } = tracked()
    const refusing = concurrentLimited({ limit: 1, whenLimited: 'reject', name: 'job' })(work)
    const first = Promise.allSettled([refusing(), refusing()])
    await vi.runAllTimersAsync()
    expect(errors(await first)).toEqual(['ok', 'ERR_QUEUE_FULL'])
    expect((await first)[1]).toMatchObject({
      reason: { message: '"job" runs 1 times already, as often as it may' },
    })
    const short = concurrentLimited({ limit: 1, maxWaiting: 1 })(work)
    const second = Promise.allSettled([short(), short(), short()])
    await vi.runAllTimersAsync()
    expect(errors(await second)).toEqual(['ok', 'ok', 'ERR_QUEUE_FULL'])
  })

  it('rejects at once when cancelled in the line, which moves on', async () => {
    const { state, work } = tracked()
    const fn = concurrentLimited(1)(work)
    const source = new CancellationTokenSource()
    const first = fn()
    const second = source.token.run(() => fn())
    const third = fn()
    source.cancel('stop')
    await expect(second).rejects.toMatchObject({ cause: 'stop' })
    await vi.runAllTimersAsync()
    await Promise.all([first, third])
    expect(state.started).toEqual([0, 10])
  })

  it('keeps the place of a function that was cancelled until it settles', async () => {
    const fn = concurrentLimited(1)(() => delay(100))
    const source = new CancellationTokenSource()
    const first = source.token.run(() => fn())
    source.cancel('stop')
    let second = false
    const next = fn().then(() => {
      second = true
    })
    await vi.advanceTimersByTimeAsync(100)
    await first
    await vi.advanceTimersByTimeAsync(99)
    expect(second).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    await next
  })

  it('gives a place back that was handed to somebody who was cancelled in that moment', async () => {
    const fn = concurrentLimited(1)(async () => {})
    const source = new CancellationTokenSource()
    const first = fn()
    const second = source.token.run(() => fn())
    first.then(() => source.cancel('stop'))
    await Promise.allSettled([first, second])
    await expect(fn()).resolves.toBeUndefined()
  })

  it('runs the function under the token and the values of its caller, after a wait too', async () => {
    const tokens: unknown[] = []
    const fn = concurrentLimited(1)(async () => {
      tokens.push(CancellationToken.current)
      await delay(1)
    })
    const sources = [new CancellationTokenSource(), new CancellationTokenSource()]
    const all = Promise.all(sources.map(({ token }) => token.run(() => fn())))
    await vi.runAllTimersAsync()
    await all
    expect(tokens).toEqual(sources.map(({ token }) => token))
  })

  it('holds no place during the pauses of a retry around it', async () => {
    const { state, work } = tracked()
    const limited = concurrentLimited(1)(async (fails: boolean) => {
      await work()
      if (fails) throw new Error('no')
    })
    const retried = retry({ backoff: 'constant', baseDelay: 100, maxAttempts: 2 })(limited)
    const all = Promise.allSettled([retried(true), limited(false)])
    await vi.runAllTimersAsync()
    await all
    expect(state.started).toEqual([0, 10, 110])
  })
})

describe('per', () => {
  const counts = async (per: Parameters<typeof concurrentLimited>[0] & object) => {
    let running = 0
    let most = 0
    const work = async () => {
      most = Math.max(most, ++running)
      await delay(10)
      running--
    }
    class A {
      @concurrentLimited(per as never)
      async method(_key?: unknown) {
        await work()
      }
      @concurrentLimited(per as never)
      field = async (_key?: unknown) => work()
      @concurrentLimited(per as never)
      static async fixed(_key?: unknown) {
        await work()
      }
    }
    class B extends A {}
    const a = new A()
    const b = new B()
    const measure = async (calls: (() => Promise<unknown>)[]) => {
      most = 0
      const all = Promise.all(calls.map((call) => call()))
      await vi.runAllTimersAsync()
      await all
      return most
    }
    return [
      await measure([() => a.method(1), () => a.method(2), () => b.method(1), () => b.method(1)]),
      await measure([() => a.field(1), () => a.field(2), () => b.field(1), () => b.field(1)]),
      await measure([() => A.fixed(1), () => A.fixed(2), () => B.fixed(1), () => B.fixed(1)]),
    ]
  }

  it('is each instance, unless told', async () => {
    expect(await counts({ limit: 1 })).toEqual([2, 2, 2])
    expect(await counts({ limit: 1, per: 'instance' })).toEqual([2, 2, 2])
  })

  it('class shares one among all instances', async () => {
    expect(await counts({ limit: 1, per: 'class' })).toEqual([1, 1, 1])
  })

  it('takes keys of any kind', async () => {
    expect(await counts({ limit: 1, per: (_, [key]) => key })).toEqual([2, 2, 2])
    const keys = [undefined, {}, Symbol('s')]
    expect(await counts({ limit: 1, per: (_, [key]) => keys[key as number] })).toEqual([2, 2, 2])
  })

  it('is the function for plain functions, each application its own', async () => {
    const { state, work } = tracked()
    const decorate = concurrentLimited(1)
    const [f, g] = [decorate(work), decorate(work)]
    const all = Promise.all([f(), f(), g(), f.call({})])
    await vi.runAllTimersAsync()
    await all
    expect(state.most).toBe(2)
  })

  it('drops what is idle, and only that, when there are many keys', async () => {
    const per = (_: unknown, [key]: readonly unknown[]) => key
    const { state, work } = tracked()
    const fn = concurrentLimited({ limit: 1, per })(async (_key: number, duration?: number) =>
      work(duration),
    )
    const long = fn(-1, 1_000)
    for (let key = 0; key < 500; key++) {
      const done = fn(key, 0)
      await vi.advanceTimersByTimeAsync(1)
      await done
    }
    expect(state.running).toBe(1)
    const again = fn(-1, 0)
    await vi.advanceTimersByTimeAsync(100)
    expect(state.running).toBe(1)
    expect(state.started).toHaveLength(501)
    await vi.runAllTimersAsync()
    await Promise.all([long, again])
  })
})

describe('rateLimited', () => {
  it('lets a burst begin at once and the others evenly, in order', async () => {
    const { state, work } = tracked()
    const fn = rateLimited({ limit: 2, interval: 100 })(work)
    const all = Promise.all([fn(), fn(), fn(), fn(), fn()])
    await vi.runAllTimersAsync()
    await all
    expect(state.started).toEqual([0, 0, 50, 100, 150])
  })

  it('gives after a silence no more than burst', async () => {
    const { state, work } = tracked()
    const fn = rateLimited({ limit: 10, interval: 100, burst: 1 })(work)
    await vi.advanceTimersByTimeAsync(10_000)
    const all = Promise.all([fn(), fn(), fn()])
    await vi.runAllTimersAsync()
    await all
    expect(state.started).toEqual([10_000, 10_010, 10_020])
  })

  it('refuses with a RateLimitError that says when to come back', async () => {
    const fn = rateLimited({ limit: 1, interval: 100, whenLimited: 'reject', name: 'ping' })(
      async () => 'pong',
    )
    await fn()
    await vi.advanceTimersByTimeAsync(30)
    const error = await fn().catch((it) => it)
    expect(error).toMatchObject({
      code: 'ERR_RATE_LIMITED',
      retryAfter: 70,
      message: '"ping" was called too often: try again in 70 ms',
    })
    await vi.advanceTimersByTimeAsync(error.retryAfter)
    expect(await fn()).toBe('pong')
  })

  it('refuses with a QueueFullError when the line is full', async () => {
    const fn = rateLimited({ limit: 1, maxWaiting: 1 })(async () => {})
    const all = Promise.allSettled([fn(), fn(), fn()])
    await vi.runAllTimersAsync()
    expect(errors(await all)).toEqual(['ok', 'ok', 'ERR_QUEUE_FULL'])
  })

  it('takes nothing from those who leave the line, and leaves no timer', async () => {
    const { state, work } = tracked()
    const fn = rateLimited({ limit: 1, interval: 100 })(work)
    const source = new CancellationTokenSource()
    const first = fn(0)
    const left = Promise.allSettled([1, 2, 3].map(() => source.token.run(() => fn())))
    await vi.advanceTimersByTimeAsync(10)
    source.cancel('stop')
    expect(errors(await left)).toEqual(['ABORT_ERR', 'ABORT_ERR', 'ABORT_ERR'])
    await first
    expect(vi.getTimerCount()).toBe(0)
    const next = fn()
    await vi.runAllTimersAsync()
    await next
    expect(state.started).toEqual([0, 100])
  })

  it('moves on when the first in line leaves', async () => {
    const { state, work } = tracked()
    const fn = rateLimited({ limit: 1, interval: 100 })(work)
    const source = new CancellationTokenSource()
    const all = Promise.allSettled([fn(), source.token.run(() => fn()), fn()])
    source.cancel('stop')
    await vi.runAllTimersAsync()
    expect(errors(await all)).toEqual(['ok', 'ABORT_ERR', 'ok'])
    expect(state.started).toEqual([0, 100])
  })

  it('never begins more than burst and rate allow, at fractional rates', async () => {
    const { state, work } = tracked()
    const fn = rateLimited({ limit: 7, interval: 100, burst: 3 })(work)
    const all = Promise.all(Array.from({ length: 60 }, () => fn(0)))
    await vi.runAllTimersAsync()
    await all
    for (const [i, at] of state.started.entries()) {
      const inWindow = state.started.filter((it) => it >= at && it < at + 100).length
      expect(inWindow, `from the ${i}th`).toBeLessThanOrEqual(3 + 7)
    }
    expect(state.started.at(-1)).toBeLessThan((57 / 7) * 100 + 60)
  })
})

/** A bare permit: `acquire` gives what `lease` makes of its release, and knows nothing of cancellation. */
const permit = (lease: (release: () => void) => unknown) => {
  const queue = new WaitQueue()
  const limiter = {
    free: 1,
    acquire: async () => {
      if (limiter.free) limiter.free--
      else await queue.wait()
      return lease(() => {
        if (!queue.wake()) limiter.free++
      })
    },
  }
  return limiter
}

describe('limiters of others', () => {
  const makers: [string, () => { limiter: LimiterLike; free: () => boolean }][] = [
    [
      'p-limit',
      () => {
        const limiter = pLimit(1)
        return { limiter, free: () => limiter.activeCount === 0 }
      },
    ],
    [
      'p-queue',
      () => {
        const limiter = new PQueue({ concurrency: 1 })
        return { limiter, free: () => limiter.pending === 0 }
      },
    ],
    [
      "p-queue's add",
      () => {
        const queue = new PQueue({ concurrency: 1 })
        return { limiter: (fn) => queue.add(fn), free: () => queue.pending === 0 }
      },
    ],
    ...(
      [
        ['acquire() giving a function', (release) => release],
        ['acquire() giving a disposable', (release) => ({ [Symbol.dispose]: release })],
        ['acquire() giving a lease', (release) => ({ release, [Symbol.dispose]: () => release() })],
      ] as [string, (release: () => void) => unknown][]
    ).map(([name, lease]): (typeof makers)[number] => [
      name,
      () => {
        const limiter = permit(lease)
        return { limiter: limiter as LimiterLike, free: () => limiter.free === 1 }
      },
    ]),
    [
      'run()',
      () => {
        const inner = permit((release) => release)
        return {
          limiter: {
            async run(fn) {
              const release = (await inner.acquire()) as () => void
              try {
                return await fn()
              } finally {
                release()
              }
            },
          },
          free: () => inner.free === 1,
        }
      },
    ],
  ]

  describe.each(makers)('%s', (_, make) => {
    it.each([
      ['concurrentLimited', concurrentLimited],
      ['rateLimited', rateLimited],
    ])('limits with %s, and shares', async (_name, decorate) => {
      const { state, work } = tracked()
      const { limiter, free } = make()
      const [f, g] = [decorate(limiter)(work), decorate(limiter)(work)]
      const all = Promise.all([f(), g(), f()])
      await vi.runAllTimersAsync()
      await all
      expect(state.most).toBe(1)
      expect(free()).toBe(true)
    })

    it('lets the caller go who is cancelled while waiting, and gets its permit back', async () => {
      const { state, work } = tracked()
      const { limiter, free } = make()
      const fn = concurrentLimited(limiter)(work)
      const first = fn(100)
      const source = new CancellationTokenSource()
      const second = source.token.run(() => fn())
      await vi.advanceTimersByTimeAsync(10)
      source.cancel('stop')
      await expect(second).rejects.toMatchObject({ cause: 'stop' })
      expect(state.running).toBe(1)
      await vi.advanceTimersByTimeAsync(90)
      await first
      await vi.advanceTimersByTimeAsync(0)
      expect(free()).toBe(true)
      expect(state.started).toEqual([0])
    })

    it('passes results and errors on', async () => {
      const { limiter, free } = make()
      const error = new Error('no')
      const fn = concurrentLimited(limiter)(async (value: unknown) => {
        if (value === error) throw error
        return value
      })
      expect(await fn('value')).toBe('value')
      await expect(fn(error)).rejects.toBe(error)
      expect(free()).toBe(true)
    })
  })

  it('are told the signal, natively, if they take one', async () => {
    const seen: unknown[] = []
    const source = new CancellationTokenSource()
    const acquire = async (options?: object) => void seen.push(options)
    const run = async <T>(fn: () => PromiseLike<T> | T, options?: object) => {
      seen.push(options)
      return fn()
    }
    for (const limiter of [{ acquire }, { run }]) {
      const fn = concurrentLimited(limiter)(async () => {})
      await fn()
      await source.token.run(() => fn())
    }
    expect(seen).toEqual([{}, { signal: source.token.signal }, {}, { signal: source.token.signal }])
    expect(source.token.signal).toBeInstanceOf(AbortSignal)
  })

  it('that fail or throw reject the call, and leave no listener', async () => {
    const { signal } = new AbortController()
    const added = vi.spyOn(signal, 'addEventListener')
    const removed = vi.spyOn(signal, 'removeEventListener')
    const error = new Error('closed')
    const fail = () => {
      throw error
    }
    for (const limiter of [
      fail,
      { acquire: fail },
      { run: fail },
      { acquire: async () => fail() },
    ]) {
      const work = vi.fn(async () => {})
      const call = CancellationToken.from(signal).run(
        concurrentLimited(limiter as LimiterLike)(work),
      )
      await expect(call).rejects.toBe(error)
      expect(work).not.toHaveBeenCalled()
    }
    expect(added.mock.calls.length).toBe(removed.mock.calls.length)
  })
})

it('rateLimited loses no rate to timers that are rounded', async () => {
  const fn = vi.fn(async () => {})
  const limited = rateLimited({ limit: 900, burst: 1 })(fn)
  let stop = false
  const workers = Array.from({ length: 10 }, async () => {
    while (!stop) await limited()
  })
  await vi.advanceTimersByTimeAsync(1_000)
  stop = true
  expect(fn.mock.calls.length).toBeGreaterThan(895)
  expect(fn.mock.calls.length).toBeLessThan(905)
  await vi.advanceTimersByTimeAsync(100)
  await Promise.all(workers)
})

it('reports a release that rejects', async () => {
  const reported = vi.fn()
  vi.stubGlobal('reportError', reported)
  const limiter: LimiterLike = {
    acquire: async () => () => Promise.reject('not given back') as never,
  }
  expect(await concurrentLimited(limiter)(async () => 'done')()).toBe('done')
  await vi.advanceTimersByTimeAsync(0)
  expect(reported.mock.calls).toEqual([['not given back']])
  vi.unstubAllGlobals()
})

it('reports a release that throws, and settles as the function did', async () => {
  const reported = vi.fn()
  vi.stubGlobal('reportError', reported)
  const thrown = new Error('not given back')
  const release = () => {
    throw thrown
  }
  const own = new Error('own')
  for (const lease of [release, { [Symbol.dispose]: release }]) {
    const limited = concurrentLimited({ acquire: async () => lease })
    expect(await limited(async () => 'done')()).toBe('done')
    await expect(limited(() => Promise.reject(own))()).rejects.toBe(own)
  }
  await vi.advanceTimersByTimeAsync(0)
  expect(reported.mock.calls).toEqual(Array(4).fill([thrown]))
  vi.unstubAllGlobals()
})

it('goes by timers that are driven without the clock', async () => {
  vi.useRealTimers()
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const work = vi.fn(async () => {})
  const limited = rateLimited({ limit: 1, interval: 60_000 })(work)
  const all = Promise.all([limited(), limited(), limited()])
  for (let i = 1; i < 4; i++) {
    expect(work).toHaveBeenCalledTimes(i)
    await vi.advanceTimersByTimeAsync(60_001)
  }
  await all
})

import {
  CancellationToken,
  CancellationTokenSource,
  delay,
  RateLimitError,
  TimeoutError,
} from '@uno-async/core'
import {
  attemptsOf,
  type RetryAttempt,
  RetryError,
  retry,
  retryBudget,
  timeoutHandler,
} from '@uno-async/decorators'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

/** Fails with `number 1`, `number 2`, … and so many times. */
const failing = (times: number) => {
  const fn = vi.fn(async () => {
    const calls = fn.mock.calls.length
    if (calls <= times) throw new Error(`number ${calls}`)
    return calls
  })
  return fn
}
const settle = <T>(promise: Promise<T>) => {
  const outcome: { value?: T; error?: unknown; at?: number } = {}
  const since = performance.now()
  const done = (key: 'value' | 'error') => (it: unknown) => {
    outcome[key] = it as never
    outcome.at = performance.now() - since
  }
  promise.then(done('value'), done('error'))
  return outcome
}
const steady = { backoff: 'constant', baseDelay: 100 } as const

describe('retry', () => {
  it('calls again until it succeeds, after pauses', async () => {
    const fn = failing(2)
    const outcome = settle(retry(steady)(fn)())
    await vi.advanceTimersByTimeAsync(199)
    expect(fn).toHaveBeenCalledTimes(2)
    await vi.advanceTimersByTimeAsync(1)
    expect(outcome).toEqual({ value: 3, at: 200 })
  })

  it('passes `this` and arguments to every attempt', async () => {
    const fn = vi.fn(async function (this: unknown, ...args: unknown[]) {
      if (fn.mock.calls.length < 3) throw new Error('no')
      return [this, args]
    })
    const self = { fn: retry({ baseDelay: 0 })(fn) }
    const outcome = settle(self.fn(1, 'two'))
    await vi.runAllTimersAsync()
    expect(outcome.value).toEqual([self, [1, 'two']])
  })

  it('rethrows the last error as it is after maxAttempts, 3 unless told', async () => {
    for (const [options, times] of [
      [{}, 3],
      [{ maxAttempts: 1 }, 1],
      [{ maxAttempts: 5 }, 5],
    ] as const) {
      const fn = failing(99)
      const outcome = settle(retry(options)(fn)())
      await vi.runAllTimersAsync()
      expect(fn).toHaveBeenCalledTimes(times)
      expect(outcome.error).toMatchObject({ message: `number ${times}` })
      expect(attemptsOf(outcome.error).map((it) => (it as Error).message)).toEqual(
        Array.from({ length: times }, (_, i) => `number ${i + 1}`),
      )
      expect(attemptsOf(outcome.error).at(-1)).toBe(outcome.error)
    }
  })

  it('goes on without end with maxAttempts: Infinity', async () => {
    const fn = failing(500)
    const outcome = settle(retry({ maxAttempts: Infinity, baseDelay: 1, maxDelay: 1 })(fn)())
    await vi.runAllTimersAsync()
    expect(outcome.value).toBe(501)
  })

  it('knows the attempts only of what it gave up with', () => {
    const error = new Error('other')
    expect(attemptsOf(error)).toEqual([error])
    expect(attemptsOf('text')).toEqual(['text'])
    expect(attemptsOf(undefined)).toEqual([undefined])
  })

  it('rejects with a RetryError if told to aggregate', async () => {
    const outcome = settle(retry({ aggregate: true, maxAttempts: 2, name: 'load' })(failing(9))())
    await vi.runAllTimersAsync()
    const error = outcome.error as RetryError
    expect(error).toBeInstanceOf(RetryError)
    expect(error).toBeInstanceOf(AggregateError)
    expect(error).toMatchObject({ name: 'RetryError', code: 'ERR_RETRY_EXHAUSTED' })
    expect(error.message).toBe('"load" failed, the last time in attempt 2')
    expect(error.errors.map(({ message }) => message)).toEqual(['number 1', 'number 2'])
    expect(error.cause).toBe(error.errors[1])
    expect(attemptsOf(error)).toEqual(error.errors)
  })

  it('leaves errors that are no objects as they are', async () => {
    const outcome = settle(retry({ maxAttempts: 2, baseDelay: 0 })(() => Promise.reject('text'))())
    await vi.runAllTimersAsync()
    expect(outcome.error).toBe('text')
  })
})

describe('cancelling retry', () => {
  it('does not call the function when cancelled before', async () => {
    const fn = failing(0)
    const reason = new Error('before')
    await expect(retry({ signal: AbortSignal.abort(reason) })(fn)()).rejects.toBe(reason)
    expect(fn).not.toHaveBeenCalled()
  })

  it('rejects at once during a pause, with the reason itself, and leaves nothing', async () => {
    const controller = new AbortController()
    const added = vi.spyOn(controller.signal, 'addEventListener')
    const removed = vi.spyOn(controller.signal, 'removeEventListener')
    const fn = failing(9)
    const onRetry = vi.fn()
    const outcome = settle(retry({ ...steady, onRetry, signal: controller.signal })(fn)())
    await vi.advanceTimersByTimeAsync(50)
    const reason = new Error('stop')
    controller.abort(reason)
    await vi.advanceTimersByTimeAsync(0)
    expect(outcome).toEqual({ error: reason, at: 50 })
    expect(outcome.error).toBe(reason)
    expect(vi.getTimerCount()).toBe(0)
    expect(added.mock.calls.length).toBeGreaterThan(0)
    expect(removed).toHaveBeenCalledTimes(added.mock.calls.length)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(fn).toHaveBeenCalledTimes(1)
    expect(attemptsOf(reason)).toEqual([reason])
  })

  it('returns a success that arrives after the cancel', async () => {
    const source = new CancellationTokenSource()
    const fn = async () => {
      await delay(100)
      return 'late'
    }
    for (const options of [
      {},
      { timeout: 1_000 },
      { attemptTimeout: 1_000 },
      { shouldRetryResult: () => true },
    ]) {
      const source = new CancellationTokenSource()
      const outcome = settle(retry({ ...options, signal: source.token })(fn)())
      await vi.advanceTimersByTimeAsync(50)
      source.cancel('stop')
      await vi.advanceTimersByTimeAsync(50)
      expect(outcome).toEqual({ value: 'late', at: 100 })
    }
    source.close()
  })

  it('rejects with the reason, and asks nobody, when an attempt fails after the cancel', async () => {
    const hook = vi.fn(() => true)
    for (const options of [{}, { timeout: 1_000 }, { attemptTimeout: 1_000 }]) {
      const source = new CancellationTokenSource()
      const outcome = settle(
        retry({ ...options, signal: source.token, shouldRetry: hook, onRetry: () => void hook() })(
          async () => {
            await delay(100)
            throw new Error('of the attempt')
          },
        )(),
      )
      await vi.advanceTimersByTimeAsync(50)
      source.cancel(new Error('stop'))
      await vi.advanceTimersByTimeAsync(50)
      expect(outcome).toEqual({ error: new Error('stop'), at: 100 })
    }
    expect(hook).not.toHaveBeenCalled()
  })

  it('takes signal as a function of this and the arguments', async () => {
    const source = new CancellationTokenSource()
    const signal = vi.fn(() => source.token)
    const self = { fn: retry({ signal })(async (_: number) => CancellationToken.current) }
    expect(await self.fn(7)).toBe(source.token)
    expect(signal.mock.calls).toEqual([[self, [7]]])
  })

  it('gives every attempt the token of the call', async () => {
    const source = new CancellationTokenSource()
    const tokens: unknown[] = []
    const fn = retry({ baseDelay: 1 })(async () => {
      tokens.push(CancellationToken.current)
      if (tokens.length < 3) throw new Error('no')
    })
    const done = source.token.run(() => fn())
    await vi.runAllTimersAsync()
    await done
    expect(tokens).toEqual([source.token, source.token, source.token])
  })
})

describe('deadlines of retry', () => {
  it('gives up with the last error when the pause would cross the deadline', async () => {
    for (const run of [
      (fn: () => Promise<unknown>) => retry({ ...steady, timeout: 150, maxAttempts: 9 })(fn)(),
      (fn: () => Promise<unknown>) =>
        CancellationToken.timeout(150).run(retry({ ...steady, maxAttempts: 9 })(fn)),
      (fn: () => Promise<unknown>) =>
        timeoutHandler(150)(retry({ ...steady, maxAttempts: 9 })(fn))(),
    ]) {
      const fn = failing(99)
      const outcome = settle(run(fn))
      await vi.advanceTimersByTimeAsync(100)
      expect(outcome).toMatchObject({ error: new Error('number 2'), at: 100 })
      expect(fn).toHaveBeenCalledTimes(2)
    }
  })

  it('neither says that it retries nor asks the budget when the pause would cross the deadline', async () => {
    const onRetry = vi.fn()
    const budget = { deposit: vi.fn(), withdraw: vi.fn(() => true) }
    for (const timeout of [99, 100]) {
      const fails = retry({ ...steady, timeout, onRetry, budget })(failing(99))
      await expect(fails()).rejects.toThrow('number 1')
    }
    expect([onRetry.mock.calls, budget.withdraw.mock.calls]).toEqual([[], []])
  })

  it('gives up with the last error when onRetry takes so long that the pause would cross it', async () => {
    const fn = failing(99)
    const outcome = settle(retry({ ...steady, timeout: 150, onRetry: () => delay(70) })(fn)())
    await vi.advanceTimersByTimeAsync(150)
    expect(outcome).toMatchObject({ error: new Error('number 1'), at: 70 })
    expect(fn).toHaveBeenCalledTimes(1)
  })

  it('rejects with a TimeoutError in the middle of an attempt, which is told', async () => {
    let token = CancellationToken.none
    let calls = 0
    const outcome = settle(
      retry({ ...steady, timeout: 250, name: 'load' })(async () => {
        token = CancellationToken.current
        if (++calls === 1) throw new Error('first')
        await new Promise(() => {})
      })(),
    )
    await vi.advanceTimersByTimeAsync(250)
    expect(outcome).toMatchObject({ at: 250 })
    expect(outcome.error).toBeInstanceOf(TimeoutError)
    expect(outcome.error).toMatchObject({ message: '"load" timed out after 250 ms', timeout: 250 })
    expect(attemptsOf(outcome.error)).toEqual([new Error('first'), outcome.error])
    expect(token.reason).toBe(outcome.error)
  })

  it('takes the timeout of one attempt for a failure of it', async () => {
    const tokens: CancellationToken[] = []
    const outcome = settle(
      retry({ ...steady, attemptTimeout: 50, maxAttempts: 3 })(async () => {
        const token = CancellationToken.current
        tokens.push(token)
        await delay(tokens.length < 3 ? 1_000 : 10, { signal: token })
        return 'done'
      })(),
    )
    await vi.advanceTimersByTimeAsync(310)
    expect(outcome).toEqual({ value: 'done', at: 310 })
    expect(tokens.map(({ cancelled }) => cancelled)).toEqual([true, true, false])
    expect(new Set(tokens.map(({ reason }) => reason)).size).toBe(3)
  })

  it('retries a TimeoutError of an inner timeoutHandler, but never its own', async () => {
    const inner = vi.fn(async () => delay(1_000, { signal: CancellationToken.current }))
    const outcome = settle(retry({ ...steady, maxAttempts: 2 })(timeoutHandler(10)(inner))())
    await vi.advanceTimersByTimeAsync(120)
    expect(inner).toHaveBeenCalledTimes(2)
    expect(outcome).toMatchObject({ error: { code: 'ETIMEDOUT', timeout: 10 }, at: 120 })
  })

  it('disposes the late result of an attempt that was abandoned', async () => {
    const disposed = vi.fn()
    const outcome = settle(
      retry({ attemptTimeout: 50, maxAttempts: 1 })(async () => {
        await delay(100)
        return { [Symbol.asyncDispose]: disposed }
      })(),
    )
    await vi.advanceTimersByTimeAsync(50)
    expect(outcome.error).toBeInstanceOf(TimeoutError)
    expect(disposed).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(50)
    expect(disposed).toHaveBeenCalledTimes(1)
  })

  it('is over at once with a timeout of 0', async () => {
    const fn = failing(0)
    await expect(retry({ timeout: 0 })(fn)()).rejects.toMatchObject({ code: 'ETIMEDOUT' })
    await expect(retry({ attemptTimeout: 0, maxAttempts: 1 })(fn)()).rejects.toMatchObject({
      code: 'ETIMEDOUT',
    })
    expect(fn).not.toHaveBeenCalled()
  })
})

describe('the hooks of retry', () => {
  it('are told what happened, in order, and awaited', async () => {
    const log: unknown[] = []
    const note = (name: string) => (attempt: RetryAttempt) => {
      const { delay, elapsed, remaining, attempt: number, error, args } = attempt
      log.push([name, number, (error as Error).message, delay, elapsed, remaining, ...args])
    }
    const outcome = settle(
      retry({
        ...steady,
        timeout: 1_000,
        shouldRetry: async (attempt) => {
          note('should')(attempt)
          return true
        },
        delay: async (attempt) => {
          note('delay')(attempt)
          return attempt.attempt === 1 ? 70 : undefined
        },
        onRetry: async (attempt) => {
          note('on')(attempt)
          await delay(10)
        },
      })(failing(2) as (arg: string) => Promise<number>)('arg'),
    )
    await vi.advanceTimersByTimeAsync(500)
    expect(outcome).toEqual({ value: 3, at: 190 })
    expect(log).toEqual([
      ['should', 1, 'number 1', 100, 0, 1_000, 'arg'],
      ['delay', 1, 'number 1', 100, 0, 1_000, 'arg'],
      ['on', 1, 'number 1', 70, 0, 1_000, 'arg'],
      ['should', 2, 'number 2', 100, 80, 920, 'arg'],
      ['delay', 2, 'number 2', 100, 80, 920, 'arg'],
      ['on', 2, 'number 2', 100, 80, 920, 'arg'],
    ])
  })

  it('measure from the call, without a timeout too', async () => {
    const elapsed: number[] = []
    const remaining: number[] = []
    const fn = vi.fn(async () => {
      await delay(30)
      throw new Error('no')
    })
    settle(
      retry({
        ...steady,
        onRetry: (it) => {
          elapsed.push(it.elapsed)
          remaining.push(it.remaining)
        },
      })(fn)(),
    )
    await vi.runAllTimersAsync()
    expect([elapsed, remaining]).toEqual([
      [30, 160],
      [Infinity, Infinity],
    ])
  })

  it('retryOn takes whatever `instanceof` does, and refuses a function that would recognise nothing', () => {
    const Bound = TypeError.bind(null) as typeof TypeError
    for (const retryOn of [TypeError, TimeoutError, Bound, class extends Error {}]) {
      expect(() => retry({ retryOn: [Error, retryOn] })).not.toThrow()
    }
    const predicate = (error: { status: number }) => error.status >= 500
    expect(() => retry({ retryOn: predicate as never })).toThrow(
      'Expected `retryOn` to be a class of errors or several, got `[object Function]` (function)',
    )
  })

  it('retryOn and shouldRetry both have to agree', async () => {
    const shouldRetry = vi.fn(({ error }: RetryAttempt) => (error as Error).message !== 'fatal')
    const run = async (error: unknown) => {
      const fn = vi.fn(() => Promise.reject(error))
      settle(retry({ maxAttempts: 2, retryOn: [TypeError, RangeError], shouldRetry })(fn)())
      await vi.runAllTimersAsync()
      return fn.mock.calls.length
    }
    expect(await run(new TypeError())).toBe(2)
    expect(await run(new RangeError('fatal'))).toBe(1)
    shouldRetry.mockClear()
    expect(await run(new SyntaxError())).toBe(1)
    expect(shouldRetry).not.toHaveBeenCalled()
    const fn = failing(9)
    settle(retry({ retryOn: TypeError })(fn)())
    await vi.runAllTimersAsync()
    expect(fn).toHaveBeenCalledTimes(1)
  })

  it('are not asked when there is no attempt left', async () => {
    const hook = vi.fn(() => true)
    const options = {
      maxAttempts: 1,
      shouldRetry: hook,
      shouldRetryResult: hook,
      delay: () => void hook(),
    }
    await expect(retry(options)(async () => 'value')()).resolves.toBe('value')
    await expect(retry(options)(failing(1))()).rejects.toThrow('number 1')
    expect(hook).not.toHaveBeenCalled()
  })

  it.each(['shouldRetry', 'delay', 'onRetry'])('%s that throws rejects the call', async (name) => {
    const mine = new Error('of the hook')
    const hooks = [
      () => {
        throw mine
      },
      () => Promise.reject(mine),
    ]
    for (const hook of hooks) {
      delete mine.cause
      const fn = failing(9)
      const outcome = settle(retry({ [name]: hook })(fn)())
      await vi.runAllTimersAsync()
      expect(outcome.error).toBe(mine)
      expect(mine.cause).toEqual(new Error('number 1'))
      expect(fn).toHaveBeenCalledTimes(1)
    }
  })

  it('keep a cause of their own, and may throw what cannot have one', async () => {
    const own = new Error('mine', { cause: 'own' })
    for (const thrown of [own, 'text', Object.freeze(new Error('frozen'))]) {
      const outcome = settle(
        retry({
          onRetry: () => {
            throw thrown
          },
        })(failing(1))(),
      )
      await vi.runAllTimersAsync()
      expect(outcome.error).toBe(thrown)
    }
    expect(own.cause).toBe('own')
  })

  it.each([NaN, -1, '5'])(
    'delay that gives %s rejects with a RangeError or TypeError',
    async (value) => {
      const outcome = settle(retry({ delay: () => value as number })(failing(1))())
      await vi.runAllTimersAsync()
      expect(outcome.error).toMatchObject({
        message: expect.stringMatching(/^Expected `delay` to be/),
      })
    },
  )

  it('a delay beyond maxDelay ends the retrying', async () => {
    const fn = failing(9)
    const outcome = settle(retry({ maxDelay: 100, delay: () => 101 })(fn)())
    await vi.runAllTimersAsync()
    expect(outcome).toMatchObject({ error: new Error('number 1'), at: 0 })
  })
})

describe('results that are refused', () => {
  it('are tried again, and the last is returned', async () => {
    let calls = 0
    const seen: unknown[] = []
    const outcome = settle(
      retry({
        ...steady,
        shouldRetryResult: (value, { attempt, result }) => {
          seen.push([value, attempt, result])
          return true
        },
      })(async () => ++calls)(),
    )
    await vi.runAllTimersAsync()
    expect(outcome).toEqual({ value: 3, at: 200 })
    expect(seen).toEqual([
      [1, 1, 1],
      [2, 2, 2],
    ])
  })

  it('are disposed, but not the one that is returned', async () => {
    const log: string[] = []
    let calls = 0
    const kinds = [
      () => ({ [Symbol.dispose]: () => log.push('dispose') }),
      () => ({
        [Symbol.asyncDispose]: async () => {
          await delay(5)
          log.push('asyncDispose')
        },
        [Symbol.dispose]: () => log.push('wrong'),
      }),
      () => new Response(new ReadableStream({ cancel: () => void log.push('body') })),
      () => new Response(null),
      () => 'text',
      () => null,
      () => ({ last: true, [Symbol.dispose]: () => log.push('last') }),
    ]
    const outcome = settle(
      retry({ maxAttempts: 7, baseDelay: 0, shouldRetryResult: () => true })(async () =>
        kinds[calls++]?.(),
      )(),
    )
    await vi.runAllTimersAsync()
    expect(log).toEqual(['dispose', 'asyncDispose', 'body'])
    expect(Object(outcome.value)).toHaveProperty('last')
  })

  it('reject the call when shouldRetryResult or the disposing throws', async () => {
    const mine = new Error('mine')
    const fail = () => {
      throw mine
    }
    await expect(retry({ shouldRetryResult: fail })(async () => 1)()).rejects.toBe(mine)
    const outcome = retry({ shouldRetryResult: () => true })(async () => ({
      [Symbol.dispose]: fail,
    }))()
    await expect(outcome).rejects.toBe(mine)
    expect(mine.cause).toBeUndefined()
  })
})

describe('what the server asks for', () => {
  it('comes before the back-off, for errors and for results', async () => {
    const times: number[] = []
    const limited = settle(
      retry({ maxDelay: 5_000 })(async () => {
        times.push(performance.now())
        throw new RateLimitError('slow down', { retryAfter: 1_234 })
      })(),
    )
    const start = performance.now()
    await vi.runAllTimersAsync()
    expect(times.map((it) => it - start)).toEqual([0, 1_234, 2_468])
    expect(limited.error).toMatchObject({ code: 'ERR_RATE_LIMITED' })

    const response = settle(
      retry({ shouldRetryResult: (it) => !(it as Response).ok, maxAttempts: 2 })(
        async () => new Response(null, { status: 503, headers: { 'Retry-After': '3' } }),
      )(),
    )
    await vi.runAllTimersAsync()
    expect(response).toMatchObject({ value: { status: 503 }, at: 3_000 })
  })

  it('ends the retrying when it is beyond maxDelay: it is not clamped', async () => {
    const fn = vi.fn(async () => {
      throw new RateLimitError('slow down', { retryAfter: 10_001 })
    })
    const outcome = settle(retry()(fn)())
    await vi.runAllTimersAsync()
    expect(outcome).toMatchObject({ error: { code: 'ERR_RATE_LIMITED' }, at: 0 })
    expect(fn).toHaveBeenCalledTimes(1)
  })

  it('can be overruled by delay', async () => {
    const outcome = settle(
      retry({ maxAttempts: 2, delay: ({ delay }) => delay / 2 })(async () => {
        throw new RateLimitError('slow down', { retryAfter: 100 })
      })(),
    )
    await vi.runAllTimersAsync()
    expect(outcome.at).toBe(50)
  })
})

describe('the back-off', () => {
  const pauses = async (options: object, attempts = 6) => {
    const seen: number[] = []
    settle(
      retry({
        maxAttempts: attempts,
        delay: ({ delay }) => void seen.push(delay),
        onRetry: () => {},
        ...options,
      })(async () => {
        throw new Error('no')
      })(),
    )
    await vi.runAllTimersAsync()
    return seen
  }
  it.each([
    ['constant', {}, [100, 100, 100, 100, 100]],
    ['linear', {}, [100, 200, 300, 400, 500]],
    ['exponential', {}, [100, 200, 400, 800, 1_000]],
    ['exponential', { factor: 3 }, [100, 300, 900, 1_000, 1_000]],
    ['full-jitter', {}, [50, 100, 200, 400, 500]],
    ['equal-jitter', {}, [75, 150, 300, 600, 750]],
    ['decorrelated-jitter', {}, [200, 350, 550, 550, 550]],
  ])('%s %o', async (backoff, more, expected) => {
    expect(await pauses({ backoff, maxDelay: 1_000, random: () => 0.5, ...more })).toEqual(expected)
  })

  it('is full-jitter unless told, with Math.random', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.25)
    expect(await pauses({}, 3)).toEqual([25, 50])
    vi.restoreAllMocks()
  })

  it.each([
    'constant',
    'linear',
    'exponential',
    'full-jitter',
    'equal-jitter',
    'decorrelated-jitter',
  ])('%s stays finite and within maxDelay at attempt 1 100', async (backoff) => {
    for (const options of [
      { baseDelay: 100 },
      { baseDelay: 0 },
      { baseDelay: Infinity },
      { maxDelay: Infinity, baseDelay: 1, factor: 1e10, delay: () => 0 },
    ]) {
      const seen: number[] = []
      await pauses(
        {
          backoff,
          ...options,
          shouldRetry: (it: RetryAttempt) => seen.push(it.delay),
          delay: () => 0,
        },
        1_100,
      )
      expect(seen).toHaveLength(1_099)
      expect(seen.every((it) => Number.isFinite(it) && it >= 0)).toBe(true)
      if (!('maxDelay' in options)) expect(Math.max(...seen)).toBeLessThanOrEqual(10_000)
    }
  })

  it('keeps the state of decorrelated jitter to one call', async () => {
    const options = { backoff: 'decorrelated-jitter', random: () => 1, maxDelay: 10_000 } as const
    const seen: number[][] = []
    const fn = retry({
      ...options,
      delay: ({ delay, args }) => void seen[args[0] as number]?.push(delay),
    })(async (_: number) => {
      throw new Error('no')
    })
    seen.push([], [])
    settle(fn(0))
    await vi.advanceTimersByTimeAsync(200)
    settle(fn(1))
    await vi.runAllTimersAsync()
    expect(seen).toEqual([
      [300, 900],
      [300, 900],
    ])
  })
})

describe('retryBudget', () => {
  it('allows a ratio of the calls, and some per second', () => {
    const budget = retryBudget({ ratio: 0.1, minPerSecond: 0, ttl: 1_000 })
    expect(budget.withdraw()).toBe(false)
    for (let i = 0; i < 25; i++) budget.deposit()
    expect([1, 2, 3].map(() => budget.withdraw())).toEqual([true, true, false])
    const some = retryBudget({ ratio: 0, minPerSecond: 2, ttl: 1_000 })
    expect([1, 2, 3].map(() => some.withdraw())).toEqual([true, true, false])
  })

  it('forgets what is older than ttl', () => {
    const budget = retryBudget({ ratio: 1, minPerSecond: 0, ttl: 1_000 })
    budget.deposit()
    vi.advanceTimersByTime(899)
    budget.deposit()
    vi.advanceTimersByTime(200)
    expect([budget.withdraw(), budget.withdraw()]).toEqual([true, false])
    vi.advanceTimersByTime(60_000)
    budget.deposit()
    expect([budget.withdraw(), budget.withdraw()]).toEqual([true, false])
  })

  it('is shared, and refused the call rejects with the last error', async () => {
    const budget = retryBudget({ ratio: 0.5, minPerSecond: 0 })
    const fns = [failing(9), failing(9), failing(9), failing(9)]
    const outcomes = fns.map((fn) => settle(retry({ budget, maxAttempts: 9, baseDelay: 1 })(fn)()))
    await vi.runAllTimersAsync()
    const calls = fns.map((fn) => fn.mock.calls.length)
    expect(calls.reduce((sum, it) => sum + it, 0)).toBe(4 + 2)
    for (const { error } of outcomes) expect((error as Error).message).toMatch(/^number/)
  })

  it('may be your own', async () => {
    const budget = { deposit: vi.fn(), withdraw: vi.fn(() => false) }
    const fn = failing(1)
    await expect(retry({ budget })(fn)()).rejects.toThrow('number 1')
    expect([budget.deposit.mock.calls.length, budget.withdraw.mock.calls.length]).toEqual([1, 1])
  })
})

describe('a hook that never answers', () => {
  const stuck = () => new Promise<never>(() => {})
  it.each(['onRetry', 'shouldRetry', 'delay'])(
    '%s: cancelled, the call rejects at once',
    async (hook) => {
      const source = new CancellationTokenSource()
      const reason = new Error('stop')
      const outcome = settle(
        source.token.run(() => retry({ ...steady, [hook]: stuck })(failing(9))()),
      )
      await vi.advanceTimersByTimeAsync(5)
      source.cancel(reason)
      await vi.advanceTimersByTimeAsync(0)
      expect(outcome).toEqual({ error: reason, at: 5 })
      expect(reason).not.toHaveProperty('cause')
      const timed = settle(
        retry({ ...steady, baseDelay: 1, [hook]: stuck, timeout: 20 })(failing(9))(),
      )
      await vi.advanceTimersByTimeAsync(20)
      expect(timed).toMatchObject({ error: { name: 'TimeoutError' }, at: 20 })
      expect(attemptsOf(timed.error)).toMatchObject([{ message: 'number 1' }, timed.error])
    },
  )

  it('shouldRetryResult: the result is disposed, once', async () => {
    const dispose = vi.fn()
    const source = new CancellationTokenSource()
    const fn = retry({ shouldRetryResult: stuck as never })(async () => ({
      [Symbol.dispose]: dispose,
    }))
    const outcome = settle(source.token.run(() => fn()))
    await vi.advanceTimersByTimeAsync(5)
    source.cancel()
    await vi.advanceTimersByTimeAsync(0)
    expect([outcome.error, dispose.mock.calls.length]).toEqual([source.token.error, 1])
  })
})

it('keeps an error that throws when it is looked at', async () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  const hostile = {
    get headers() {
      throw new Error('getter')
    },
  }
  for (const error of [proxy, hostile]) {
    const fn = vi.fn(() => Promise.reject(error))
    const outcome = settle(retry({ baseDelay: 0, maxAttempts: 2 })(fn)())
    await vi.runAllTimersAsync()
    expect(Object.is(outcome.error, error)).toBe(true)
    expect(fn).toHaveBeenCalledTimes(2)
    const picky = settle(retry({ retryOn: TypeError })(fn)())
    await vi.runAllTimersAsync()
    expect(Object.is(picky.error, error)).toBe(true)
    const patient = settle(
      timeoutHandler({ timeout: 5, mode: 'cooperative' })(() => delay(10).then(fn))(),
    )
    await vi.runAllTimersAsync()
    expect(Object.is(patient.error, error)).toBe(true)
  }
})

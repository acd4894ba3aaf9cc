import {
  CancellationToken,
  CancellationTokenSource,
  CancelledError,
  delay,
  TimeoutError,
} from '@uno-async/core'
import { cancellable, retry, timeoutHandler } from '@uno-async/decorators'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const never = () => new Promise<never>(() => {})
const settle = (promise: Promise<unknown>) => {
  const outcome: { value?: unknown; error?: unknown; at?: number } = {}
  const since = performance.now()
  promise.then(
    (value) => Object.assign(outcome, { value, at: performance.now() - since }),
    (error) => Object.assign(outcome, { error, at: performance.now() - since }),
  )
  return outcome
}

describe('cancellable', () => {
  it('rejects at once, and handles what comes late', async () => {
    const source = new CancellationTokenSource()
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    const fn = cancellable(async () => {
      await delay(100)
      throw new Error('late')
    })
    const outcome = settle(source.token.run(fn))
    await vi.advanceTimersByTimeAsync(50)
    const reason = new Error('stop')
    source.cancel(reason)
    await vi.advanceTimersByTimeAsync(0)
    expect(outcome.error).toBe(reason)
    expect(outcome.at).toBe(50)
    await vi.advanceTimersByTimeAsync(100)
    process.off('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
  })

  it('rejects with the reason of a plain AbortSignal, the same object, or a CancelledError caused by it', async () => {
    for (const reason of [new RangeError('mine'), 'text']) {
      const controller = new AbortController()
      const outcome = settle(cancellable({ signal: controller.signal })(never)())
      controller.abort(reason)
      await vi.advanceTimersByTimeAsync(0)
      if (reason instanceof Error) expect(outcome.error).toBe(reason)
      else expect(outcome.error).toMatchObject({ name: 'AbortError', cause: 'text' })
    }
  })

  it('cooperative waits for the function, whose outcome it is', async () => {
    for (const [value, error] of [['late'], [undefined, new Error('own')]] as const) {
      const source = new CancellationTokenSource()
      const fn = cancellable({ mode: 'cooperative', signal: source.token })(async () => {
        expect(CancellationToken.current).toBe(source.token)
        await delay(100)
        if (error) throw error
        return value
      })
      const outcome = settle(fn())
      source.cancel()
      await vi.advanceTimersByTimeAsync(99)
      expect(outcome).toEqual({})
      await vi.advanceTimersByTimeAsync(1)
      expect(outcome).toEqual(error ? { error, at: 100 } : { value, at: 100 })
    }
  })

  it('is governed by all of: the option, the current token, the argument', async () => {
    for (const which of [0, 1, 2]) {
      const sources = [0, 1, 2].map(() => new CancellationTokenSource()) as [
        CancellationTokenSource,
        CancellationTokenSource,
        CancellationTokenSource,
      ]
      const fn = cancellable({ signal: sources[0].token, signalArgument: 0 })(
        (_: CancellationToken) => never(),
      )
      const outcome = settle(sources[1].token.run(() => fn(sources[2].token)))
      sources[which]?.cancel(new Error(`of ${which}`))
      await vi.advanceTimersByTimeAsync(0)
      expect(outcome.error).toEqual(new Error(`of ${which}`))
    }
  })

  it('makes no token where nothing can cancel', async () => {
    const fn = cancellable({ signalArgument: 1 })(async (a: number, b?: object) => [
      a,
      b,
      CancellationToken.current,
    ])
    const { none } = CancellationToken
    expect(await fn(1)).toEqual([1, { signal: none.signal }, none])
    const options = { x: 1 }
    expect((await fn(1, options))[1]).toBe(options)
  })

  it('leaves no listener on the signal', async () => {
    const { signal } = new AbortController()
    const added = vi.spyOn(signal, 'addEventListener')
    const removed = vi.spyOn(signal, 'removeEventListener')
    const fn = cancellable({ signal })(async (fail: boolean) => {
      await null
      if (fail) throw new Error('no')
    })
    await fn(false)
    await fn(true).catch(() => {})
    expect(added).toHaveBeenCalledTimes(2)
    expect(removed).toHaveBeenCalledTimes(2)
  })

  it('settles once when success and cancel come together', async () => {
    const source = new CancellationTokenSource()
    const fn = cancellable({ signal: source.token })(async () => 'value')
    const call = fn()
    source.cancel('stop')
    await expect(call).rejects.toMatchObject({ cause: 'stop' })
  })
})

describe('signalArgument', () => {
  const fn = timeoutHandler({ timeout: 50, signalArgument: 1 })(
    async (_: string, carrier?: unknown) => [carrier, CancellationToken.current] as const,
  )

  it('gives { signal } where the caller passed nothing', async () => {
    for (const nothing of [undefined, null]) {
      const [carrier, token] = await fn('a', nothing)
      expect(carrier).toEqual({ signal: token.signal })
    }
    const [carrier, token] = await fn('a')
    expect(carrier).toEqual({ signal: token.signal })
  })

  it('gives the same kind of thing as the caller passed: a copy', async () => {
    const source = new CancellationTokenSource()
    const { signal } = new AbortController()
    const plain = Object.freeze({ headers: 1, signal })
    const [a, t] = await fn('a', plain)
    expect(a).toEqual({ headers: 1, signal: t.signal })
    expect(a).not.toBe(plain)
    const [b, u] = await fn('a', { signal: source.token, x: 1 })
    expect((b as { signal: unknown }).signal).toBe(u)
    const [c, v] = await fn('a', signal)
    expect(c).toBe(v.signal)
    expect(c).toBeInstanceOf(AbortSignal)
    const [d, w] = await fn('a', source.token)
    expect(d).toBe(w)
    const [e, x] = await fn('a', { x: 1 })
    expect(e).toEqual({ x: 1, signal: x.signal })
  })

  it('keeps the class of options that have one', async () => {
    class Query {
      limit = 3
      constructor(readonly signal?: AbortSignal) {}
      get skip() {
        return this.limit * 2
      }
    }
    const given = new Query(new AbortController().signal)
    const [copy, token] = await fn('a', given)
    expect(copy).toBeInstanceOf(Query)
    expect(copy).toMatchObject({ limit: 3, skip: 6, signal: token.signal })
    expect(copy).not.toBe(given)
    const [bare] = await fn('a', Object.create(null))
    expect(Object.getPrototypeOf(bare)).toBe(null)
  })

  it('is cancelled by what the caller passed, and passes on the timeout', async () => {
    for (const pass of [
      (it: CancellationToken) => it,
      (it: CancellationToken) => it.signal,
      (it: CancellationToken) => ({ signal: it }),
      (it: CancellationToken) => ({ signal: it.signal }),
    ]) {
      const source = new CancellationTokenSource()
      const hang = timeoutHandler({ timeout: 50, signalArgument: 0 })((_: unknown) => never())
      const outcome = settle(hang(pass(source.token)))
      const reason = new Error('of the caller')
      source.cancel(reason)
      await vi.advanceTimersByTimeAsync(0)
      expect(outcome.error).toBe(reason)
    }
    let signal: AbortSignal | undefined
    const outcome = settle(
      timeoutHandler({ timeout: 50, signalArgument: 0 })((options?: { signal?: AbortSignal }) => {
        signal = options?.signal
        return never()
      })(),
    )
    await vi.advanceTimersByTimeAsync(50)
    expect(signal?.reason).toBe(outcome.error)
  })

  it.each(['text', 1, true, { signal: 'text' }, { signal: {} }])('rejects %s', async (carrier) => {
    await expect(fn('a', carrier)).rejects.toThrow(TypeError)
  })

  it('works through stacked decorators, for each attempt', async () => {
    const signals = new Set<unknown>()
    const stacked = retry({ baseDelay: 0, signalArgument: 0, attemptTimeout: 50 })(
      timeoutHandler({ timeout: 10, signalArgument: 0 })(async (it?: { signal?: AbortSignal }) => {
        signals.add(it?.signal)
        await delay(100, { signal: it?.signal })
      }),
    )
    const outcome = settle(stacked())
    await vi.runAllTimersAsync()
    expect(outcome.error).toMatchObject({ code: 'ETIMEDOUT', timeout: 10 })
    expect(signals.size).toBe(3)
  })
})

describe('timeoutHandler', () => {
  it('rejects with a TimeoutError that says who and how long, and cancels the token with it', async () => {
    let token = CancellationToken.none
    const outcome = settle(
      timeoutHandler(50)(async function load() {
        token = CancellationToken.current
        await never()
      })(),
    )
    await vi.advanceTimersByTimeAsync(49)
    expect(outcome).toEqual({})
    await vi.advanceTimersByTimeAsync(1)
    expect(outcome.error).toBeInstanceOf(TimeoutError)
    expect(outcome.error).toMatchObject({
      message: '"load" timed out after 50 ms',
      timeout: 50,
      operation: 'load',
    })
    expect(token.reason).toBe(outcome.error)
  })

  it('takes name and message', async () => {
    const named = settle(timeoutHandler({ timeout: 5, name: 'job' })(never)())
    const worded = settle(timeoutHandler({ timeout: 5, message: 'too slow' })(never)())
    await vi.advanceTimersByTimeAsync(5)
    expect(named.error).toMatchObject({ message: '"job" timed out after 5 ms' })
    expect(worded.error).toMatchObject({ message: 'too slow', timeout: 5 })
  })

  it('takes the time from the arguments', async () => {
    const fn = timeoutHandler({ timeout: ([after]) => after as number })((_: number) => never())
    const outcomes = [settle(fn(10)), settle(fn(20)), settle(fn(NaN)), settle(fn(-1))]
    await vi.advanceTimersByTimeAsync(20)
    expect(outcomes.map(({ at }) => at)).toEqual([10, 20, 0, 0])
    expect(outcomes[2]?.error).toBeInstanceOf(RangeError)
  })

  it('never reports the cancel of the caller as a timeout', async () => {
    for (const mode of ['race', 'cooperative'] as const) {
      const source = new CancellationTokenSource()
      const fallback = vi.fn()
      const fn = timeoutHandler({ timeout: 50, mode, fallback, signal: source.token })(async () =>
        delay(1_000, { signal: CancellationToken.current }),
      )
      const outcome = settle(fn())
      await vi.advanceTimersByTimeAsync(10)
      source.cancel('mine')
      await vi.advanceTimersByTimeAsync(0)
      expect(outcome.error).toBe(source.token.error)
      expect(outcome.error).toBeInstanceOf(CancelledError)
      expect(fallback).not.toHaveBeenCalled()
    }
    // The caller's own deadline is the caller's.
    const fallback = vi.fn()
    const outer = CancellationToken.timeout(10)
    const outcome = settle(outer.run(timeoutHandler({ timeout: 50, fallback })(never)))
    await vi.advanceTimersByTimeAsync(10)
    expect(outcome.error).toBe(outer.error)
    expect(fallback).not.toHaveBeenCalled()
  })

  it('closes the token after a success, without a cancel', async () => {
    const source = new CancellationTokenSource()
    const token = await timeoutHandler({ timeout: 50, signal: source.token })(
      async () => CancellationToken.current,
    )()
    expect(token.canBeCancelled).toBe(false)
    source.cancel()
    await vi.advanceTimersByTimeAsync(100)
    expect(token.cancelled).toBe(false)
  })

  it('keeps the process alive meanwhile', async () => {
    vi.useRealTimers()
    const set = vi.spyOn(globalThis, 'setTimeout')
    const call = timeoutHandler(20)(never)()
    expect(set.mock.results.map(({ value }) => value.hasRef())).toEqual([true])
    await expect(call).rejects.toThrow(TimeoutError)
    vi.restoreAllMocks()
    vi.useFakeTimers()
  })

  it('does nothing with Infinity', async () => {
    const set = vi.spyOn(globalThis, 'setTimeout')
    expect(await timeoutHandler(Infinity)(async () => CancellationToken.current)()).toBe(
      CancellationToken.none,
    )
    expect(set).not.toHaveBeenCalled()
  })

  it('is over at once with 0', async () => {
    const fn = vi.fn(async () => {})
    await expect(timeoutHandler(0)(fn)()).rejects.toThrow(TimeoutError)
    expect(fn).not.toHaveBeenCalled()
  })

  it('cooperative returns a value that comes after the timeout', async () => {
    const fn = timeoutHandler({ timeout: 50, mode: 'cooperative' })(async () => {
      await delay(80)
      return 'late'
    })
    const outcome = settle(fn())
    await vi.advanceTimersByTimeAsync(80)
    expect(outcome).toEqual({ value: 'late', at: 80 })
  })

  it('cooperative rejects with the TimeoutError when the function obeys, however it says so', async () => {
    for (const how of [
      (error: unknown) => error,
      (error: unknown) => new Error('wrapped', { cause: error }),
      () => new DOMException('aborted', 'AbortError'),
    ]) {
      const fn = timeoutHandler({ timeout: 50, mode: 'cooperative' })(async () => {
        const { signal } = CancellationToken.current
        await delay(1_000, { signal }).catch((error) => {
          throw how(error)
        })
      })
      const outcome = settle(fn())
      await vi.advanceTimersByTimeAsync(50)
      expect(outcome.error).toBeInstanceOf(TimeoutError)
    }
  })

  it('cooperative rejects with another error of the function as it is', async () => {
    const own = new Error('own')
    const fn = timeoutHandler({ timeout: 50, mode: 'cooperative' })(async () => {
      await delay(80)
      throw own
    })
    const outcome = settle(fn())
    await vi.advanceTimersByTimeAsync(80)
    expect(outcome.error).toBe(own)
  })

  it('cooperative waits no longer than grace, and tells onLate', async () => {
    const onLate = vi.fn()
    const fn = timeoutHandler({ timeout: 50, mode: 'cooperative', grace: 20, onLate })(async () => {
      await delay(100)
      return 'late'
    })
    const outcome = settle(fn())
    await vi.advanceTimersByTimeAsync(69)
    expect(outcome).toEqual({})
    await vi.advanceTimersByTimeAsync(1)
    expect(outcome).toMatchObject({ error: { code: 'ETIMEDOUT', timeout: 50 }, at: 70 })
    await vi.advanceTimersByTimeAsync(30)
    expect(onLate.mock.calls).toEqual([[{ status: 'fulfilled', value: 'late' }]])
  })

  it('tells onLate what became of the function, once, and only if it was left', async () => {
    const onLate = vi.fn()
    const work = timeoutHandler({ timeout: 50, onLate })(async (after: number, error?: Error) => {
      await delay(after)
      if (error) throw error
      return after
    })
    const reason = new Error('late')
    const outcomes = [
      settle(work(10)),
      settle(work(60)),
      settle(work(70, reason)),
      settle(work(20, reason)),
    ]
    await vi.advanceTimersByTimeAsync(100)
    expect(outcomes.map(({ at }) => at)).toEqual([10, 50, 50, 20])
    expect(onLate.mock.calls).toEqual([
      [{ status: 'fulfilled', value: 60 }],
      [{ status: 'rejected', reason }],
    ])
  })

  it('reports what onLate throws', async () => {
    const reported = vi.fn()
    vi.stubGlobal('reportError', reported)
    const mine = new Error('of the hook')
    settle(
      timeoutHandler({
        timeout: 5,
        onLate: () => {
          throw mine
        },
      })(() => delay(10))(),
    )
    await vi.advanceTimersByTimeAsync(10)
    vi.unstubAllGlobals()
    expect(reported.mock.calls).toEqual([[mine]])
  })

  it('fallback gives the result, or the error, instead', async () => {
    const error = new Error('of the fallback')
    const fallback = vi.fn(async (_error: TimeoutError, [id]: readonly unknown[]) => {
      if (id === 2) throw error
      return `cached ${id}`
    })
    const fn = timeoutHandler({ timeout: 5, fallback })((_: number) => never())
    const outcomes = [settle(fn(1)), settle(fn(2))]
    await vi.advanceTimersByTimeAsync(5)
    expect(outcomes).toEqual([
      { value: 'cached 1', at: 5 },
      { error, at: 5 },
    ])
    expect(fallback.mock.calls[0]?.[0]).toBeInstanceOf(TimeoutError)
    const own = new Error('own')
    await expect(
      timeoutHandler({ timeout: 5, fallback })(() => Promise.reject(own))(),
    ).rejects.toBe(own)
  })

  it.each(['race', 'cooperative'] as const)(
    'mode %s cancels the fallback as it cancels the function',
    async (mode) => {
      const source = new CancellationTokenSource()
      const seen: CancellationToken[] = []
      const fallback = async () => {
        seen.push(CancellationToken.current)
        await delay(10)
        return 'cached'
      }
      const fn = timeoutHandler({ timeout: 5, mode, fallback })(() =>
        delay(60_000, { signal: CancellationToken.current }),
      )
      const outcome = settle(source.token.run(() => fn()))
      await vi.advanceTimersByTimeAsync(7)
      source.cancel('enough')
      await vi.advanceTimersByTimeAsync(10)
      expect(seen).toEqual([source.token])
      expect(await outcome).toEqual(
        mode === 'race' ? { error: source.token.error, at: 7 } : { value: 'cached', at: 15 },
      )
    },
  )
})

it('signalArgument gives { signal } where the caller passed nothing and nothing governs the call', async () => {
  const fn = async ({ signal }: { signal?: AbortSignal } = {}) => signal
  const bare = async (options?: { signal: AbortSignal }) => options?.signal
  for (const call of [fn, bare]) {
    expect(await cancellable({ signalArgument: 0 })(call)()).toBe(CancellationToken.none.signal)
  }
})

it('timeoutHandler does not call the function when `timeout` cancels what governs the call', async () => {
  const source = new CancellationTokenSource()
  const reason = new Error('meanwhile')
  const fn = vi.fn(async () => 1)
  const timeout = () => {
    source.cancel(reason)
    return 50
  }
  await expect(timeoutHandler({ signal: source.token, timeout })(fn)()).rejects.toBe(reason)
  expect(fn).not.toHaveBeenCalled()
})

import {
  CancellationToken,
  CancellationTokenSource,
  CancelledError,
  delay,
  shield,
  TimeoutError,
} from '@uno-async/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { hooksOf, outcome } from './helpers.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const never = new Promise<never>(() => {})

describe('race', () => {
  it('is what the promise came to, and leaves no listener', async () => {
    const source = new CancellationTokenSource({ timeout: 50 })
    const error = new Error('mine')
    const won = source.token.race(Promise.resolve('value'))
    const lost = source.token.race(Promise.reject(error))
    expect(hooksOf(source.token)).toBe(2)
    expect(await won).toBe('value')
    await expect(lost).rejects.toBe(error)
    expect([hooksOf(source.token), vi.getTimerCount()]).toEqual([0, 0])
    source.cancel()
    expect(await won).toBe('value')
  })

  it('rejects as soon as it is cancelled, with what throwIfCancelled throws', async () => {
    const source = new CancellationTokenSource()
    const racing = source.token.race(never)
    source.cancel('why')
    const { rejected } = (await outcome(racing)) as { rejected: unknown }
    expect(rejected).toBe(source.token.error)
    expect(rejected).toMatchObject({ cause: 'why' })
    const error = new Error('mine')
    await expect(CancellationToken.cancelled(error).race(never)).rejects.toBe(error)
  })

  it('rejects on a token that is cancelled already, also when the promise has settled', async () => {
    const token = CancellationToken.cancelled()
    await expect(token.race(never)).rejects.toBe(token.reason)
    await expect(token.race(Promise.resolve(1))).rejects.toBe(token.reason)
    await expect(token.race(Promise.reject(new Error('x')))).rejects.toBe(token.reason)
  })

  it('takes any thenable, and a thenable that throws', async () => {
    const { token } = new CancellationTokenSource()
    // biome-ignore lint/suspicious/noThenProperty: that is what is tested
    const thenable = { then: (done: (value: number) => void) => done(5) } as PromiseLike<number>
    expect(await token.race(thenable)).toBe(5)
    const throwing = {
      // biome-ignore lint/suspicious/noThenProperty: that is what is tested
      get then(): never {
        throw new Error('getter')
      },
    } as PromiseLike<number>
    await expect(token.race(throwing)).rejects.toThrow('getter')
    expect(hooksOf(token)).toBe(0)
  })

  it('under none is the promise', async () => {
    expect(await CancellationToken.none.race(Promise.resolve(1))).toBe(1)
    await expect(CancellationToken.none.race(Promise.reject(new Error('x')))).rejects.toThrow('x')
  })
})

describe('delay', () => {
  it('resolves after so many milliseconds', async () => {
    const waiting = delay(50)
    vi.advanceTimersByTime(49)
    expect(await outcome(waiting)).toBe('pending')
    vi.advanceTimersByTime(1)
    expect(await outcome(waiting)).toEqual({ resolved: undefined })
    expect(vi.getTimerCount()).toBe(0)
  })

  it('rejects at once when cancelled, and leaves no timer', async () => {
    const source = new CancellationTokenSource()
    const waiting = delay(50, { signal: source.token })
    source.cancel()
    expect([hooksOf(source.token), vi.getTimerCount()]).toEqual([0, 0])
    await expect(waiting).rejects.toBe(source.token.reason)
    await expect(delay(50, { signal: source.token })).rejects.toBe(source.token.reason)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('leaves no listener', async () => {
    const source = new CancellationTokenSource()
    const waiting = delay(50, { signal: source.token })
    expect(hooksOf(source.token)).toBe(1)
    vi.advanceTimersByTime(50)
    await waiting
    expect(hooksOf(source.token)).toBe(0)
  })

  it('rejects with the reason of a plain AbortSignal, the same object', async () => {
    const controller = new AbortController()
    const waiting = delay(50, { signal: controller.signal })
    controller.abort()
    await expect(waiting).rejects.toBe(controller.signal.reason)
  })

  it('of Infinity waits for the cancellation', async () => {
    const source = new CancellationTokenSource()
    const waiting = delay(Infinity, { signal: source.token })
    vi.advanceTimersByTime(2 ** 40)
    expect(await outcome(waiting)).toBe('pending')
    source.cancel()
    await expect(waiting).rejects.toBeInstanceOf(CancelledError)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('of 2^31 ms does not resolve early', async () => {
    const waiting = delay(2 ** 31)
    vi.advanceTimersByTime(2 ** 31 - 1)
    expect(await outcome(waiting)).toBe('pending')
    vi.advanceTimersByTime(1)
    await waiting
  })

  it('of 0 resolves in the next turn, in order', async () => {
    const log: number[] = []
    const all = [0, 0, 0].map((ms, i) => delay(ms).then(() => log.push(i)))
    await Promise.resolve()
    expect(log).toEqual([])
    vi.advanceTimersByTime(0)
    await Promise.all(all)
    expect(log).toEqual([0, 1, 2])
  })

  it('keeps apart what keeps the process alive and what does not', async () => {
    const [kept, loose] = [delay(50), delay(50, { unref: true })]
    expect(vi.getTimerCount()).toBe(2)
    vi.advanceTimersByTime(50)
    await Promise.all([kept, loose])
  })
})

describe('shield', () => {
  it('cannot be reached by what is cancelled outside, which stays so', async () => {
    const source = new CancellationTokenSource()
    source.cancel()
    const inner = source.token.run(() =>
      shield(async (token) => {
        expect(CancellationToken.current).toBe(token)
        const waiting = delay(50, { signal: token })
        vi.advanceTimersByTime(50)
        await waiting
        return token.cancelled
      }),
    )
    expect(await inner).toBe(false)
    expect(source.token.cancelled).toBe(true)
    source.token.run(() => expect(CancellationToken.current.cancelled).toBe(true))
  })

  it('is bounded by its own timeout', async () => {
    const inner = shield((token) => delay(1_000, { signal: token }), { timeout: 50 })
    vi.advanceTimersByTime(50)
    await expect(inner).rejects.toBeInstanceOf(TimeoutError)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('frees its timer when fn has ended, however it does', async () => {
    const error = new Error('mine')
    const tokens: CancellationToken[] = []
    const listen = (token: CancellationToken) => {
      tokens.push(token)
      token.onCancelled(() => {})
      expect(vi.getTimerCount()).toBe(1)
    }
    const options = { timeout: 50 }
    expect(
      shield((token) => {
        listen(token)
        return 5
      }, options),
    ).toBe(5)
    expect(vi.getTimerCount()).toBe(0)
    expect(() =>
      shield((token) => {
        listen(token)
        throw error
      }, options),
    ).toThrow(error)
    expect(vi.getTimerCount()).toBe(0)
    await shield(async (token) => listen(token), options)
    expect(vi.getTimerCount()).toBe(0)
    const failing = shield(async (token) => {
      listen(token)
      throw error
    }, options)
    await expect(failing).rejects.toBe(error)
    expect(vi.getTimerCount()).toBe(0)
    expect(tokens.map(({ canBeCancelled }) => canBeCancelled)).toEqual([false, false, false, false])
  })

  it('gives what fn gives, the same promise', () => {
    const promise = Promise.resolve()
    expect(shield(() => promise)).toBe(promise)
  })

  it('gives with a timeout a promise of the same class', async () => {
    class Own<T> extends Promise<T> {}
    const given = shield(() => Own.resolve(5), { timeout: 50 })
    expect(given).toBeInstanceOf(Own)
    expect(await given).toBe(5)
  })

  it('starts what starts when it is awaited once, and frees its timer when that has ended', async () => {
    let started = 0
    const query = (token: CancellationToken) => ({
      // biome-ignore lint/suspicious/noThenProperty: a lazy one, such as query builders are
      then(ok: (row: string) => void) {
        started++
        token.onCancelled(() => {})
        ok(`row ${started}`)
      },
    })
    for (const timeout of [Infinity, 50]) {
      started = 0
      expect(await shield(query, { timeout })).toBe('row 1')
      expect(started).toBe(1)
      expect(vi.getTimerCount()).toBe(0)
    }
  })

  it('frees its timer when what fn gives does not let itself be looked at', () => {
    const error = new Error('mine')
    const hostile = (token: CancellationToken) => {
      token.onCancelled(() => {})
      return Object.defineProperty({}, 'then', {
        get() {
          throw error
        },
      })
    }
    expect(() => shield(hostile, { timeout: 50 })).toThrow(error)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('without a timeout is none', () => {
    shield((token) => expect(token).toBe(CancellationToken.none))
  })

  it('puts the outer token back', () => {
    const { token } = new CancellationTokenSource()
    token.run(() => {
      expect(() =>
        shield(() => {
          throw new Error('x')
        }),
      ).toThrow('x')
      shield(() => {}, { timeout: 5 })
      expect(CancellationToken.current).toBe(token)
    })
    expect(CancellationToken.current).toBe(CancellationToken.none)
  })
})

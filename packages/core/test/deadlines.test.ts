import { CancellationToken, CancellationTokenSource, delay, TimeoutError } from '@uno-async/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { asHost, hooksOf, outcome } from './helpers.js'

vi.setConfig({ testTimeout: 30_000 })

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

describe('when nobody looked until it was all over, the reason is of what came first', () => {
  const never = Infinity
  // when each has its deadline, and when it is cancelled
  it.each`
    what                                       | own      | line                         | sides                        | first
    ${'its own of two deadlines'}              | ${10}    | ${{ at: 50, cancel: never }} | ${undefined}                 | ${'own'}
    ${"its parent's of two deadlines"}         | ${50}    | ${{ at: 10, cancel: never }} | ${undefined}                 | ${'line'}
    ${'a cancel before a deadline'}            | ${10}    | ${{ at: never, cancel: 5 }}  | ${undefined}                 | ${'cancelled line'}
    ${'a deadline before a cancel'}            | ${10}    | ${{ at: never, cancel: 15 }} | ${undefined}                 | ${'own'}
    ${'a deadline at the time of a cancel'}    | ${10}    | ${{ at: never, cancel: 10 }} | ${undefined}                 | ${'own'}
    ${"a parent's deadline before its cancel"} | ${90}    | ${{ at: 20, cancel: 30 }}    | ${undefined}                 | ${'line'}
    ${'the second of two that cancelled'}      | ${never} | ${{ at: never, cancel: 7 }}  | ${{ at: never, cancel: 5 }}  | ${'cancelled sides'}
    ${'the first of two that cancelled'}       | ${never} | ${{ at: never, cancel: 5 }}  | ${{ at: never, cancel: 7 }}  | ${'cancelled line'}
    ${'one deadline before another'}           | ${never} | ${{ at: 30, cancel: never }} | ${{ at: 20, cancel: never }} | ${'sides'}
    ${'a deadline before what cancels beside'} | ${40}    | ${{ at: 8, cancel: never }}  | ${{ at: never, cancel: 9 }}  | ${'line'}
    ${'what cancels beside before a deadline'} | ${40}    | ${{ at: 8, cancel: never }}  | ${{ at: never, cancel: 7 }}  | ${'cancelled sides'}
  `('$what', ({ own, line, sides, first }) => {
    vi.advanceTimersByTime(1_000)
    const made = Object.entries({ line, sides })
      .filter(([, spec]) => spec)
      .map(([name, { at, cancel }]) => {
        const top = new CancellationTokenSource({ timeout: at, name })
        const middle = new CancellationTokenSource({ signal: top.token, timeout: 500 })
        return { name, cancel, top, middle }
      })
    const signal = made.map(({ middle }) => middle.token)
    const { token } = new CancellationTokenSource({ signal, timeout: own, name: 'own' })
    for (let now = 0; now < 100; now++) {
      for (const { name, cancel, top } of made) {
        if (now === cancel) top.cancel(`cancelled ${name}`)
      }
      vi.advanceTimersByTime(1)
    }
    expect((token.reason as TimeoutError).operation ?? token.reason).toBe(first)
    expect(token.cancelled).toBe(true)
  })
})

describe('a deadline', () => {
  it('cancels with a TimeoutError that says how long', () => {
    const source = new CancellationTokenSource({ timeout: 50, name: 'job' })
    const told = vi.fn()
    source.token.onCancelled(told)
    expect(source.token.remaining).toBe(50)
    vi.advanceTimersByTime(49)
    expect([told.mock.calls.length, source.token.cancelled, source.token.remaining]).toEqual([
      0,
      false,
      1,
    ])
    vi.advanceTimersByTime(1)
    expect(told).toHaveBeenCalledTimes(1)
    const reason = source.token.reason as TimeoutError
    expect(reason).toBeInstanceOf(TimeoutError)
    expect(reason).toMatchObject({
      message: '"job" timed out after 50 ms',
      timeout: 50,
      operation: 'job',
    })
    expect(told.mock.calls[0]?.[0]).toBe(reason)
    expect([source.token.remaining, source.cancel(), vi.getTimerCount()]).toEqual([0, false, 0])
  })

  it('is seen by a loop that only polls, with no timer at all', async () => {
    vi.useRealTimers()
    const timer = vi.spyOn(globalThis, 'setTimeout')
    const source = new CancellationTokenSource({ timeout: 5 })
    const child = new CancellationTokenSource({ signal: source.token })
    while (!child.token.cancelled) await undefined
    expect(child.token.reason).toBeInstanceOf(TimeoutError)
    expect(timer).not.toHaveBeenCalled()
  })

  it('in the past or now cancels at once', () => {
    vi.advanceTimersByTime(100)
    const now = performance.now()
    for (const deadline of [now, now - 1, 0, -1, -Infinity]) {
      const { token } = new CancellationTokenSource({ deadline })
      expect(token.cancelled).toBe(true)
      expect(token.reason).toBeInstanceOf(TimeoutError)
      expect((token.reason as TimeoutError).timeout).toBe(0)
      expect([token.deadline, token.remaining]).toEqual([deadline, 0])
    }
    expect(new CancellationTokenSource({ timeout: 0 }).token.cancelled).toBe(true)
    expect(CancellationToken.timeout(0).cancelled).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
  })

  it.each([2 ** 31 - 1, 2 ** 31, 2 ** 32 + 5, 2 ** 53])('of %d ms comes when it is time', (ms) => {
    const told = vi.fn()
    const registration = CancellationToken.timeout(ms).onCancelled(told)
    vi.advanceTimersByTime(2 ** 31 - 2)
    expect([told.mock.calls.length, vi.getTimerCount()]).toEqual([0, 1])
    if (ms < 2 ** 53) {
      vi.advanceTimersByTime(ms - 2 ** 31 + 1)
      expect(told).toHaveBeenCalledTimes(0)
      vi.advanceTimersByTime(1)
      expect(told).toHaveBeenCalledTimes(1)
    }
    registration.dispose()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('never asks the host for more than it can wait', () => {
    const timer = vi.spyOn(globalThis, 'setTimeout')
    CancellationToken.timeout(2 ** 40).onCancelled(() => {})
    expect(timer.mock.calls.map(([, wait]) => wait)).toEqual([2 ** 31 - 1])
  })

  it('of Infinity is none', () => {
    const source = new CancellationTokenSource({ timeout: Infinity, deadline: Infinity })
    source.token.onCancelled(() => {})
    expect([source.token.deadline, source.token.remaining, vi.getTimerCount()]).toEqual([
      Infinity,
      Infinity,
      0,
    ])
    expect(CancellationToken.timeout(Infinity).deadline).toBe(Infinity)
  })

  it('is the earlier one of timeout and deadline', () => {
    const now = performance.now()
    const at = (timeout: number, after: number) =>
      new CancellationTokenSource({ timeout, deadline: now + after }).token.remaining
    expect([at(10, 20), at(20, 10)]).toEqual([10, 10])
  })

  it('waits in a timer only while somebody listens', () => {
    const source = new CancellationTokenSource({ timeout: 50 })
    const child = new CancellationTokenSource({ signal: source.token })
    expect(vi.getTimerCount()).toBe(0)
    const registration = child.token.onCancelled(() => {})
    expect(vi.getTimerCount()).toBe(1)
    registration.dispose()
    expect(vi.getTimerCount()).toBe(0)
    child.token.signal.throwIfAborted()
    expect(vi.getTimerCount()).toBe(1)
    child.close()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('later than that of the parent arms one timer, and the reason is of the parent', () => {
    const parent = new CancellationTokenSource({ timeout: 50, name: 'parent' })
    const child = new CancellationTokenSource({ signal: parent.token, timeout: 100 })
    const told = vi.fn()
    child.token.onCancelled(told)
    expect([child.token.remaining, vi.getTimerCount()]).toEqual([50, 1])
    vi.advanceTimersByTime(50)
    expect(told).toHaveBeenCalledWith(parent.token.reason, undefined)
    expect([child.token.remaining, vi.getTimerCount(), hooksOf(parent.token)]).toEqual([0, 0, 0])
  })

  it('earlier than that of the parent leaves the parent alone', () => {
    const parent = new CancellationTokenSource({ timeout: 100 })
    const child = new CancellationTokenSource({ signal: parent.token, timeout: 50 })
    child.token.onCancelled(() => {})
    vi.advanceTimersByTime(50)
    expect([child.token.cancelled, parent.token.cancelled]).toEqual([true, false])
    expect([parent.token.owns(child.token.reason), vi.getTimerCount()]).toEqual([false, 0])
  })

  it('of one millisecond is one host timer for all', () => {
    asHost()
    const sources = Array.from(
      { length: 1_000 },
      () => new CancellationTokenSource({ timeout: 50 }),
    )
    const log: number[] = []
    const registrations = sources.map(({ token }, i) => token.onCancelled(() => log.push(i)))
    expect(vi.getTimerCount()).toBe(1)
    for (const registration of registrations.slice(2)) registration.dispose()
    vi.advanceTimersByTime(50)
    expect([log, vi.getTimerCount()]).toEqual([[0, 1], 0])
  })

  it.each([
    ['at once', () => {}],
    ['by who looks at it too', ({ token }: CancellationTokenSource) => void token.cancelled],
    ['by who wants to move it', (source: CancellationTokenSource) => source.cancelAfter(1_000)],
  ])('that is seen before its timer fires stays, and all hear of it, closed %s', (_how, after) => {
    const source = new CancellationTokenSource({ timeout: 50 })
    const child = new CancellationTokenSource({ signal: source.token })
    const told = vi.fn()
    child.token.onCancelled(told)
    const now = performance.now()
    vi.spyOn(performance, 'now').mockReturnValue(now + 60)
    expect(child.token.cancelled).toBe(true)
    expect(told).not.toHaveBeenCalled()
    after(source)
    source.close()
    expect(told.mock.calls[0]?.[0]).toBe(child.token.reason)
    expect(child.token.reason).toBeInstanceOf(TimeoutError)
    expect([source.token.cancelled, vi.getTimerCount()]).toEqual([true, 0])
  })

  it('that passed and nobody saw is forgotten by close', () => {
    const source = new CancellationTokenSource({ timeout: 50 })
    const { signal } = source.token
    const now = performance.now()
    vi.spyOn(performance, 'now').mockReturnValue(now + 60)
    source.close()
    expect([signal.aborted, source.token.cancelled, vi.getTimerCount()]).toEqual([false, false, 0])
  })

  it('stays known after what it cancelled', () => {
    const parent = new CancellationTokenSource({ timeout: 50 })
    const child = new CancellationTokenSource({ signal: parent.token })
    const { deadline } = child.token
    child.token.onCancelled(() => {})
    vi.advanceTimersByTime(80)
    expect([child.token.deadline, child.token.remaining]).toEqual([deadline, 0])
  })
})

describe('cancelAfter', () => {
  it('replaces the deadline, earlier and later', () => {
    const source = new CancellationTokenSource({ timeout: 50 })
    const told = vi.fn()
    source.token.onCancelled(told)
    source.cancelAfter(100)
    vi.advanceTimersByTime(60)
    expect([told.mock.calls.length, source.token.remaining]).toEqual([0, 40])
    source.cancelAfter(10)
    vi.advanceTimersByTime(10)
    expect(told).toHaveBeenCalledTimes(1)
    expect((source.token.reason as TimeoutError).timeout).toBe(10)
    source.cancelAfter(1_000)
    expect([source.token.remaining, vi.getTimerCount()]).toEqual([0, 0])
  })

  it('of Infinity clears it', () => {
    const source = new CancellationTokenSource({ timeout: 50 })
    source.token.onCancelled(() => {})
    source.cancelAfter(Infinity)
    expect([source.token.deadline, vi.getTimerCount()]).toEqual([Infinity, 0])
  })

  it('of 0 cancels, as seen at once and told by the timer', () => {
    const source = new CancellationTokenSource()
    const told = vi.fn()
    source.token.onCancelled(told)
    source.cancelAfter(0)
    expect(source.token.cancelled).toBe(true)
    vi.advanceTimersByTime(0)
    expect(told).toHaveBeenCalledTimes(1)
  })

  it('of a parent gives a listening child the alarm it now needs, and takes it away', () => {
    const parent = new CancellationTokenSource({ timeout: 10 })
    const child = new CancellationTokenSource({ signal: parent.token, timeout: 50 })
    const told = vi.fn()
    child.token.onCancelled(told)
    parent.cancelAfter(100)
    expect(vi.getTimerCount()).toBe(2)
    parent.cancelAfter(20)
    expect(vi.getTimerCount()).toBe(1)
    parent.cancelAfter(Infinity)
    expect(vi.getTimerCount()).toBe(1)
    vi.advanceTimersByTime(50)
    expect([told.mock.calls.length, parent.token.cancelled, vi.getTimerCount()]).toEqual([
      1,
      false,
      0,
    ])
  })

  it('without a listener arms nothing', () => {
    const source = new CancellationTokenSource()
    source.cancelAfter(50)
    expect([source.token.remaining, vi.getTimerCount()]).toEqual([50, 0])
  })
})

describe('CancellationToken.timeout', () => {
  it('is cancelled by its signal too, and says its message', () => {
    const outer = new CancellationTokenSource()
    const token = CancellationToken.timeout(50, { signal: outer.token, message: 'too slow' })
    const other = CancellationToken.timeout(50, { signal: outer.token })
    vi.advanceTimersByTime(50)
    expect(token.reason).toBeInstanceOf(TimeoutError)
    expect([token.reason, other.reason].map((it) => (it as Error).message)).toEqual([
      'too slow',
      'Timed out after 50 ms',
    ])
    const late = CancellationToken.timeout(50, { signal: outer.token })
    outer.cancel('why')
    expect(late.reason).toBe('why')
  })
})

describe('a host timer', () => {
  it('that fires early is set again', () => {
    const start = performance.now()
    const now = vi.spyOn(performance, 'now').mockReturnValue(start + 0.4)
    const told = vi.fn()
    new CancellationTokenSource({ timeout: 50 }).token.onCancelled(told)
    now.mockReturnValue(start + 49.6)
    vi.advanceTimersByTime(50)
    expect([told.mock.calls.length, vi.getTimerCount()]).toEqual([0, 1])
    now.mockReturnValue(start + 50.5)
    vi.advanceTimersByTime(1)
    expect([told.mock.calls.length, vi.getTimerCount()]).toEqual([1, 0])
  })

  it('of one millisecond that fires early is set again', () => {
    const start = performance.now()
    const now = vi.spyOn(performance, 'now').mockReturnValue(start + 0.9)
    const told = vi.fn()
    new CancellationTokenSource({ timeout: 1 }).token.onCancelled(told)
    now.mockReturnValue(start + 1.1)
    vi.advanceTimersByTime(1)
    expect([told.mock.calls.length, vi.getTimerCount()]).toEqual([0, 1])
    now.mockReturnValue(start + 2)
    vi.advanceTimersByTime(1)
    expect(told).toHaveBeenCalledTimes(1)
  })

  it('serves all of its millisecond, none of them early', () => {
    asHost()
    const start = performance.now()
    const now = vi.spyOn(performance, 'now')
    const seen: boolean[] = []
    for (const at of [0.1, 0.9, 0.5]) {
      now.mockReturnValue(start + at)
      const { token } = new CancellationTokenSource({ timeout: 50 })
      const { deadline } = token
      token.onCancelled(() => seen.push(deadline <= performance.now()))
    }
    expect(vi.getTimerCount()).toBe(1)
    now.mockReturnValue(start + 50.2)
    vi.advanceTimersByTime(50)
    expect(seen).toEqual([])
    now.mockReturnValue(start + 51.2)
    vi.advanceTimersByTime(1)
    expect(seen).toEqual([true, true, true])
  })

  it('of the millisecond that is ringing can be set and cleared again', async () => {
    asHost()
    const source = new CancellationTokenSource()
    const rung = vi.fn()
    const late: Promise<void>[] = []
    CancellationToken.timeout(50).onCancelled(() => {
      late.push(delay(0, { signal: source.token }))
    })
    CancellationToken.timeout(50).onCancelled(rung)
    vi.advanceTimersByTime(50)
    expect([rung.mock.calls.length, vi.getTimerCount()]).toEqual([1, 1])
    source.cancel('why')
    expect(vi.getTimerCount()).toBe(0)
    expect(await outcome(late[0] as Promise<void>)).toMatchObject({ rejected: { cause: 'why' } })
  })

  it('that was set under other timers is left to them', () => {
    vi.useRealTimers()
    const deadline = performance.now() + 1e6
    const listen = (callback: () => void) =>
      new CancellationTokenSource({ deadline }).token.onCancelled(callback)
    const real = listen(() => {})
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const told = vi.fn()
    const fake = listen(told)
    expect(vi.getTimerCount()).toBe(1)
    real.dispose()
    expect(vi.getTimerCount()).toBe(1)
    vi.advanceTimersByTime(1e6)
    expect(told).toHaveBeenCalledTimes(1)
    fake.dispose()
    vi.useRealTimers()
  })

  it('whose callback throws still rings for the others', () => {
    const report = vi.fn()
    vi.stubGlobal('reportError', report)
    const told = vi.fn()
    const { token } = new CancellationTokenSource({ timeout: 50 })
    token.onCancelled(() => {
      throw new Error('mine')
    })
    CancellationToken.timeout(50).onCancelled(told)
    vi.advanceTimersByTime(50)
    expect([told.mock.calls.length, report.mock.calls.length]).toEqual([1, 1])
    vi.unstubAllGlobals()
  })
})

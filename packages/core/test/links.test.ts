import { CancellationToken, CancellationTokenSource, TimeoutError } from '@uno-async/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { hooksOf, linksOf } from './helpers.js'

vi.setConfig({ testTimeout: 30_000 })

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const sources = (count: number) =>
  Array.from({ length: count }, () => new CancellationTokenSource())

describe('any', () => {
  it('of nothing that can be cancelled is none', () => {
    const closed = new CancellationTokenSource()
    closed.close()
    const { none } = CancellationToken
    expect(CancellationToken.any()).toBe(none)
    expect(CancellationToken.any(null, undefined, none, closed.token)).toBe(none)
  })

  it('of one token is that token, however often it is named', () => {
    const { token } = new CancellationTokenSource()
    expect(CancellationToken.any(token)).toBe(token)
    expect(CancellationToken.any(token, undefined, CancellationToken.none, token)).toBe(token)
    const controller = new AbortController()
    const adapter = CancellationToken.from(controller.signal)
    expect(CancellationToken.any(controller.signal, adapter)).toBe(adapter)
  })

  it('of duplicates calls back once', () => {
    const [a, b] = sources(2)
    const token = CancellationToken.any(a?.token, b?.token, a?.token)
    const told = vi.fn()
    token.onCancelled(told)
    expect(hooksOf(a?.token as CancellationToken)).toBe(1)
    a?.cancel(1)
    b?.cancel(2)
    expect(told.mock.calls).toEqual([[1, undefined]])
  })

  it('of two that are cancelled has the reason of the first in the list', () => {
    const [a, b, c] = sources(3) as [CancellationTokenSource, ...CancellationTokenSource[]]
    b?.cancel('b')
    a.cancel('a')
    expect(CancellationToken.any(a.token, b?.token).reason).toBe('a')
    expect(CancellationToken.any(b?.token, a.token).reason).toBe('b')
    expect(CancellationToken.any(c?.token, a.token, b?.token).reason).toBe('a')
    const two = [AbortSignal.abort('x'), AbortSignal.abort('y')] as const
    expect(CancellationToken.any(...two).reason).toBe('x')
    expect(new CancellationTokenSource({ signal: [...two].reverse() }).token.reason).toBe('y')
  })

  it('of any of any links straight to the sources', () => {
    const [a, b, c, d] = sources(4).map(({ token }) => token)
    let token = CancellationToken.any(CancellationToken.any(CancellationToken.any(a, b), c), d)
    for (let i = 0; i < 10; i++) token = CancellationToken.any(token, a)
    token.onCancelled(() => {})
    expect(linksOf(token)).toBe(4)
    expect([a, b, c, d].map((each) => hooksOf(each as CancellationToken))).toEqual([1, 1, 1, 1])
  })

  it('has the reason of whoever was cancelled first, when nobody looked', () => {
    const [a, b] = sources(2) as [CancellationTokenSource, CancellationTokenSource]
    const token = CancellationToken.any(a.token, b.token)
    const child = new CancellationTokenSource({ signal: token })
    b.cancel('b')
    a.cancel('a')
    expect([token.reason, child.token.reason]).toEqual(['b', 'b'])
  })

  it('keeps its reason once somebody looked', () => {
    const a = new CancellationTokenSource({ timeout: 10 })
    const b = new CancellationTokenSource()
    const token = CancellationToken.any(a.token, b.token)
    b.cancel('b')
    expect(token.reason).toBe('b')
    vi.setSystemTime(0)
    vi.advanceTimersByTime(20)
    expect(token.reason).toBe('b')
    expect(a.token.reason).toBeInstanceOf(TimeoutError)
  })

  it('made inside a callback is born cancelled', () => {
    const [a, b] = sources(2) as [CancellationTokenSource, CancellationTokenSource]
    const told = vi.fn()
    a.token.onCancelled(() => {
      const derived = CancellationToken.any(b.token, a.token)
      told(derived.cancelled, new CancellationTokenSource({ signal: derived }).token.reason)
    })
    a.cancel('a')
    expect(told).toHaveBeenCalledWith(true, 'a')
  })
})

describe('from', () => {
  it('gives a token back as it is, and none for nothing', () => {
    const { token } = new CancellationTokenSource()
    expect(CancellationToken.from(token)).toBe(token)
    expect(CancellationToken.from(null)).toBe(CancellationToken.none)
    expect(CancellationToken.from(undefined)).toBe(CancellationToken.none)
  })

  it('knows the signal of a token', () => {
    const { token } = new CancellationTokenSource()
    expect(CancellationToken.from(token.signal)).toBe(token)
  })
})

describe('a parent', () => {
  it('knows a derived token only while that has a registration', () => {
    const parent = new CancellationTokenSource()
    const middle = new CancellationTokenSource({ signal: parent.token })
    const leaf = new CancellationTokenSource({ signal: middle.token })
    expect(hooksOf(parent.token)).toBe(0)
    const first = leaf.token.onCancelled(() => {})
    const second = leaf.token.onCancelled(() => {})
    expect([hooksOf(parent.token), hooksOf(middle.token), hooksOf(leaf.token)]).toEqual([1, 1, 2])
    first.dispose()
    first.dispose()
    expect(hooksOf(parent.token)).toBe(1)
    second.dispose()
    expect([hooksOf(parent.token), hooksOf(middle.token), hooksOf(leaf.token)]).toEqual([0, 0, 0])
    const again = leaf.token.onCancelled(() => {})
    expect(hooksOf(parent.token)).toBe(1)
    again.dispose()
    expect(hooksOf(parent.token)).toBe(0)
  })

  it('knows a derived token that has a native signal, until it is closed', () => {
    const parent = new CancellationTokenSource()
    const child = new CancellationTokenSource({ signal: parent.token })
    child.token.signal.throwIfAborted()
    child.token.onCancelled(() => {}).dispose()
    expect(hooksOf(parent.token)).toBe(1)
    child.close()
    expect(hooksOf(parent.token)).toBe(0)
  })

  it('forgets a child that was cancelled', () => {
    const parent = new CancellationTokenSource()
    const child = new CancellationTokenSource({ signal: parent.token, timeout: 10 })
    child.token.onCancelled(() => {})
    child.token.signal.throwIfAborted()
    child.cancel()
    expect([hooksOf(parent.token), linksOf(child.token), vi.getTimerCount()]).toEqual([0, 0, 0])
  })

  it('cancels 130 000 children and a child of 130 000 parents', () => {
    const parent = new CancellationTokenSource()
    const children = Array.from(
      { length: 130_000 },
      () => new CancellationTokenSource({ signal: parent.token }),
    )
    const last = new CancellationTokenSource({ signal: children.map(({ token }) => token) })
    let told = 0
    for (const { token } of children) token.onCancelled(() => told++)
    last.token.onCancelled(() => told++)
    parent.cancel('all')
    expect(told).toBe(130_001)
    expect(last.token.reason).toBe('all')
  })

  it('cancels a chain of 100 000 sources without recursion', () => {
    const root = new CancellationTokenSource()
    let last = root
    for (let i = 0; i < 100_000; i++) last = new CancellationTokenSource({ signal: last.token })
    const told = vi.fn()
    expect([last.token.cancelled, last.token.canBeCancelled]).toEqual([false, true])
    expect(last.token.deadline).toBe(Infinity)
    last.token.onCancelled(told).dispose()
    expect(hooksOf(root.token)).toBe(0)
    last.token.onCancelled(told)
    root.cancel('deep')
    expect(told.mock.calls).toEqual([['deep', undefined]])
  })

  it('reaches a child through a lattice of 1 000 diamonds once', () => {
    const root = new CancellationTokenSource()
    let last = root.token
    for (let i = 0; i < 1_000; i++) {
      const [a, b] = [0, 1].map(() => new CancellationTokenSource({ signal: last }).token)
      last = new CancellationTokenSource({ signal: [a, b] as [typeof last, typeof last] }).token
    }
    const told = vi.fn()
    last.onCancelled(told)
    root.cancel()
    expect(told).toHaveBeenCalledTimes(1)
    expect(hooksOf(root.token)).toBe(0)
  })
})

describe('close', () => {
  it('makes cancel false for ever and drops the callbacks', () => {
    const source = new CancellationTokenSource({ timeout: 10 })
    const told = vi.fn()
    const registration = source.token.onCancelled(told)
    source.close()
    source.close()
    registration.dispose()
    expect(vi.getTimerCount()).toBe(0)
    expect(source.cancel()).toBe(false)
    vi.advanceTimersByTime(100)
    source.token.onCancelled(told)
    expect(told).not.toHaveBeenCalled()
    const { cancelled, canBeCancelled, deadline, reason } = source.token
    expect({ cancelled, canBeCancelled, deadline, reason }).toEqual({
      cancelled: false,
      canBeCancelled: false,
      deadline: Infinity,
      reason: undefined,
    })
  })

  it('is not a cancel: the native signal stays as it is', () => {
    const parent = new CancellationTokenSource()
    const source = new CancellationTokenSource({ signal: parent.token })
    const { signal } = source.token
    source[Symbol.dispose]()
    parent.cancel()
    expect([signal.aborted, source.token.cancelled, source.token.signal === signal]).toEqual([
      false,
      false,
      true,
    ])
  })

  it('keeps cancelAfter from doing anything', () => {
    const source = new CancellationTokenSource()
    source.close()
    source.cancelAfter(0)
    expect([source.token.cancelled, source.token.deadline]).toEqual([false, Infinity])
  })

  it('of one of two parents leaves the other', () => {
    const [a, b] = sources(2) as [CancellationTokenSource, CancellationTokenSource]
    const token = CancellationToken.any(a.token, b.token)
    const told = vi.fn()
    token.onCancelled(told)
    a.close()
    expect([token.canBeCancelled, a.cancel('a'), token.cancelled]).toEqual([true, false, false])
    b.cancel('b')
    expect(told.mock.calls).toEqual([['b', undefined]])
  })

  it('of all parents makes a derived token one that cannot be cancelled', () => {
    const [a, b] = sources(2) as [CancellationTokenSource, CancellationTokenSource]
    const token = CancellationToken.any(a.token, b.token)
    a.close()
    b.close()
    expect(token.canBeCancelled).toBe(false)
    expect(CancellationToken.any(token)).toBe(CancellationToken.none)
  })

  it('passes nothing on from the parents', () => {
    const parent = new CancellationTokenSource()
    const middle = new CancellationTokenSource({ signal: parent.token })
    const leaf = new CancellationTokenSource({ signal: middle.token })
    const told = vi.fn()
    leaf.token.onCancelled(told)
    middle.close()
    expect(hooksOf(parent.token)).toBe(0)
    parent.cancel()
    expect([leaf.token.cancelled, leaf.cancel('own')]).toEqual([false, true])
    expect(told.mock.calls).toEqual([['own', undefined]])
  })

  it('of a parent leaves a child its own, later deadline', () => {
    const parent = new CancellationTokenSource({ timeout: 100 })
    const child = new CancellationTokenSource({ signal: parent.token, timeout: 200 })
    const told = vi.fn()
    child.token.onCancelled(told)
    parent.close()
    expect([child.token.remaining, vi.getTimerCount()]).toEqual([200, 1])
    vi.advanceTimersByTime(200)
    expect(told).toHaveBeenCalledTimes(1)
  })

  it('of what is cancelled changes nothing', () => {
    const source = new CancellationTokenSource()
    source.cancel('why')
    source.close()
    expect(source.token).toMatchObject({ cancelled: true, canBeCancelled: true, reason: 'why' })
  })

  it.each(['looked at', 'never looked at'])('does not undo the cancel of a parent, %s', (how) => {
    const parent = new CancellationTokenSource()
    const controller = new AbortController()
    for (const signal of [parent.token, controller.signal]) {
      const source = new CancellationTokenSource({ signal })
      parent.cancel('why')
      controller.abort('why')
      if (how === 'looked at') expect(source.token.cancelled).toBe(true)
      source.close()
      expect(source.token).toMatchObject({ cancelled: true, reason: 'why' })
    }
  })

  it('in its own callback still tells the others', () => {
    const source = new CancellationTokenSource()
    const child = new CancellationTokenSource({ signal: source.token })
    const log: string[] = []
    source.token.onCancelled(() => {
      log.push('first')
      source.close()
    })
    source.token.onCancelled(() => log.push('second'))
    child.token.onCancelled(() => log.push('child'))
    source.cancel()
    expect(log).toEqual(['first', 'second', 'child'])
  })

  it('ends with using', () => {
    let token: CancellationToken
    {
      using source = new CancellationTokenSource()
      token = source.token
      expect(token.canBeCancelled).toBe(true)
    }
    expect(token.canBeCancelled).toBe(false)
  })
})

import * as ours from '@uno-async/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { hooksOf, outcome } from './helpers.js'

type Core = typeof ours

vi.resetModules()
// What is built is loaded by Node itself, which knows nothing of resetModules.
let theirs = (await import('@uno-async/core')) as Core
if (theirs.CancellationToken === ours.CancellationToken) {
  const url = new URL('../dist/index.js?copy', import.meta.url).href
  theirs = (await import(/* @vite-ignore */ url)) as Core
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('are two', () => {
  expect(theirs.CancellationToken).not.toBe(ours.CancellationToken)
  expect(theirs.TimeoutError).not.toBe(ours.TimeoutError)
})

describe.each([
  ['mine and yours', ours, theirs],
  ['yours and mine', theirs, ours],
])('%s', (_title, a, b) => {
  it('know each others tokens', () => {
    const { token } = new a.CancellationTokenSource()
    expect(b.CancellationToken.is(token)).toBe(true)
    expect(b.CancellationToken.from(token)).toBe(token)
    expect(b.CancellationToken.any(token, undefined)).toBe(token)
    expect(b.CancellationToken.any(a.CancellationToken.none)).toBe(b.CancellationToken.none)
  })

  it('link each others tokens, and leave nothing', () => {
    const root = new a.CancellationTokenSource()
    const child = new b.CancellationTokenSource({ signal: root.token })
    const leaf = a.CancellationToken.any(child.token, new b.CancellationTokenSource().token)
    const { signal } = leaf
    const log: unknown[] = []
    root.token.onCancelled((reason) => log.push(['root', reason]))
    child.token.onCancelled((reason) => log.push(['child', reason]))
    leaf.onCancelled((reason) => log.push(['leaf', reason]))
    child.token.onCancelled(() => {}).dispose()
    root.cancel('why')
    expect(log).toEqual([
      ['root', 'why'],
      ['child', 'why'],
      ['leaf', 'why'],
    ])
    expect([signal.aborted, leaf.error, hooksOf(root.token)]).toEqual([true, root.token.error, 0])
    expect(root.token.error).toBe(child.token.error)
  })

  it('idle leave nothing with each other', () => {
    const root = new a.CancellationTokenSource()
    const child = new b.CancellationTokenSource({ signal: root.token })
    const registration = child.token.onCancelled(() => {})
    expect(hooksOf(root.token)).toBe(1)
    registration.dispose()
    expect(hooksOf(root.token)).toBe(0)
  })

  it('share deadlines', async () => {
    const root = new a.CancellationTokenSource({ timeout: 100 })
    const child = new b.CancellationTokenSource({ signal: root.token, timeout: 200 })
    const waiting = b.delay(1_000, { signal: child.token })
    expect([child.token.remaining, vi.getTimerCount()]).toEqual([100, 2])
    root.cancelAfter(300)
    expect(vi.getTimerCount()).toBe(3)
    root.cancelAfter(50)
    vi.advanceTimersByTime(50)
    const { rejected } = (await outcome(waiting)) as { rejected: Error }
    expect(rejected).toBe(root.token.reason)
    expect([rejected instanceof a.TimeoutError, rejected instanceof b.TimeoutError]).toEqual([
      true,
      true,
    ])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('close each others', () => {
    const root = new a.CancellationTokenSource()
    const child = new b.CancellationTokenSource({ signal: root.token })
    child.token.onCancelled(() => {})
    child.close()
    expect([hooksOf(root.token), root.cancel(), child.token.cancelled]).toEqual([0, true, false])
  })

  it('know each others signals', () => {
    const source = new a.CancellationTokenSource()
    const told = vi.fn()
    b.CancellationToken.from(source.token.signal).onCancelled(told)
    source.cancel('why')
    expect(told.mock.calls).toEqual([['why', undefined]])
  })

  it('know each others errors, and not the siblings of a subclass', () => {
    const names = [
      'UnoAsyncError',
      'CancelledError',
      'TimeoutError',
      'ClosedError',
      'QueueFullError',
      'RateLimitError',
    ] as const
    for (const name of names) {
      const error = new a[name]('x')
      const matching = names.filter((other) => error instanceof b[other])
      expect(matching).toEqual([...new Set(['UnoAsyncError', name])])
    }
    expect(b.isCancelled(new a.CancelledError())).toBe(true)
    expect(b.isTimeout(new a.TimeoutError())).toBe(true)
    class Mine extends a.TimeoutError {}
    class Named extends a.TimeoutError {
      override get name() {
        return 'Named'
      }
    }
    class Sibling extends b.TimeoutError {}
    for (const error of [new Mine(), new Named()]) {
      expect([
        error instanceof b.TimeoutError,
        b.isTimeout(error),
        error instanceof Sibling,
      ]).toEqual([true, true, false])
      expect(error instanceof b.CancelledError).toBe(false)
    }
  })

  it('agree on the current token', () => {
    const { token } = new a.CancellationTokenSource()
    token.run(() => {
      expect(b.CancellationToken.current).toBe(token)
      b.shield((inner) => expect(a.CancellationToken.current).toBe(inner))
      expect(a.CancellationToken.current).toBe(token)
    })
    expect(b.CancellationToken.current).toBe(b.CancellationToken.none)
  })

  it('agree on variables', () => {
    const [mine, yours] = [new a.AsyncVariable<number>(), new b.AsyncVariable<number>()]
    const seen = mine.run(1, () => yours.run(2, () => b.captureContext()))
    expect(seen(() => [mine.get(), yours.get()])).toEqual([1, 2])
  })

  it('wait in each others queues', async () => {
    const source = new a.CancellationTokenSource()
    const queue = new b.WaitQueue<number>()
    const waiting = [queue.wait({ signal: source.token }), queue.wait()]
    source.cancel('why')
    expect([queue.wake(5), hooksOf(source.token)]).toEqual([true, 0])
    expect(await outcome(waiting[0] as Promise<number>)).toEqual({ rejected: source.token.error })
    expect(await waiting[1]).toBe(5)
  })
})

it('agree on async context, whoever enabled it', async () => {
  expect(theirs.enableAsyncContext()).toBe(true)
  const { token } = new ours.CancellationTokenSource()
  const seen = token.run(async () => {
    await undefined
    return [ours.CancellationToken.current, theirs.CancellationToken.current]
  })
  expect(await seen).toEqual([token, token])
})

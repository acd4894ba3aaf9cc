import { createContext, runInContext } from 'node:vm'
import { CancellationToken, CancellationTokenSource, CancelledError, delay } from '@uno-async/core'
import { describe, expect, it, vi } from 'vitest'
import { listeners, PolyfilledSignal, polyfilled } from './helpers.js'

describe('token.signal', () => {
  it('is native, and the same object before and after', () => {
    const source = new CancellationTokenSource()
    const { signal } = source.token
    expect(signal).toBeInstanceOf(AbortSignal)
    expect(source.token.signal).toBe(signal)
    source.cancel('why')
    expect(source.token.signal).toBe(signal)
    expect([signal.aborted, signal.reason]).toEqual([true, 'why'])
  })

  it('made after the cancel is aborted', () => {
    const token = CancellationToken.cancelled('why')
    expect([token.signal.aborted, token.signal.reason]).toEqual([true, 'why'])
    expect(token.signal).toBe(token.signal)
    expect(CancellationToken.cancelled().signal.reason).toBeInstanceOf(CancelledError)
  })

  it('of a derived token aborts with the source', () => {
    const source = new CancellationTokenSource()
    const token = CancellationToken.any(source.token, new CancellationTokenSource().token)
    const child = new CancellationTokenSource({ signal: token })
    const { signal } = child.token
    source.cancel('why')
    expect([signal.aborted, signal.reason]).toEqual([true, 'why'])
  })

  it('serves a function of the platform as it is', async () => {
    const source = new CancellationTokenSource()
    const target = new EventTarget()
    const heard = vi.fn()
    target.addEventListener('x', heard, source.token)
    target.dispatchEvent(new Event('x'))
    source.cancel()
    target.dispatchEvent(new Event('x'))
    expect(heard).toHaveBeenCalledTimes(1)
  })

  it('of a foreign native signal is that signal', () => {
    const { signal } = new AbortController()
    expect(CancellationToken.from(signal).signal).toBe(signal)
  })

  it('that throws in a listener of the platform stops nobody', () => {
    const source = new CancellationTokenSource()
    const told = vi.fn()
    source.token.signal.onabort = () => source.cancel('again')
    source.token.onCancelled(told)
    expect(source.cancel('why')).toBe(true)
    expect(told.mock.calls).toEqual([['why', undefined]])
  })
})

describe('a foreign signal', () => {
  it('gets at most one listener however often it is wrapped, none while idle', () => {
    const { signal } = new AbortController()
    const token = CancellationToken.from(signal)
    const children = Array.from({ length: 1_000 }, () => new CancellationTokenSource({ signal }))
    expect([CancellationToken.from(signal) === token, listeners(signal)]).toEqual([true, 0])
    const registrations = children.map(({ token }) => token.onCancelled(() => {}))
    registrations.push(token.onCancelled(() => {}))
    expect(listeners(signal)).toBe(1)
    for (const registration of registrations) registration.dispose()
    expect(listeners(signal)).toBe(0)
  })

  it('passes its reason on unchanged, the same object everywhere', () => {
    const controller = new AbortController()
    const child = new CancellationTokenSource({ signal: controller.signal })
    const told = vi.fn()
    child.token.onCancelled(told)
    controller.abort()
    const { reason } = controller.signal
    expect(told.mock.calls[0]?.[0]).toBe(reason)
    for (const it of [child.token.reason, child.token.error, child.token.signal.reason]) {
      expect(it).toBe(reason)
    }
    expect(listeners(controller.signal)).toBe(0)
  })

  it('that is aborted already is never listened to', () => {
    const signal = AbortSignal.abort('why')
    const told = vi.fn()
    new CancellationTokenSource({ signal }).token.onCancelled(told)
    expect([told.mock.calls, listeners(signal)]).toEqual([[['why', undefined]], 0])
  })

  it('is seen by polling without a listener', () => {
    const controller = new AbortController()
    const token = CancellationToken.any(controller.signal, new CancellationTokenSource().token)
    expect(token.cancelled).toBe(false)
    controller.abort('why')
    expect([token.cancelled, token.reason]).toEqual([true, 'why'])
  })

  it('and the source of its own token may go round in a circle', () => {
    const source = new CancellationTokenSource()
    const again = new CancellationTokenSource({ signal: source.token.signal })
    const told = vi.fn()
    again.token.onCancelled(told)
    source.cancel('why')
    expect(told.mock.calls).toEqual([['why', undefined]])
  })

  it('of a child that is cancelled loses the listener', () => {
    const { signal } = new AbortController()
    const source = new CancellationTokenSource({ signal })
    source.token.signal.throwIfAborted()
    expect(listeners(signal)).toBe(1)
    source.cancel()
    expect(listeners(signal)).toBe(0)
  })
})

describe('a polyfilled signal', () => {
  it('works by its shape', () => {
    const signal = polyfilled()
    const token = CancellationToken.from(signal)
    const told = vi.fn()
    token.onCancelled(told).dispose()
    expect(signal.listeners.size).toBe(0)
    token.onCancelled(told)
    token.onCancelled(told)
    expect(signal.listeners.size).toBe(1)
    signal.abort('why')
    expect(told).toHaveBeenCalledTimes(2)
    expect([token.reason, signal.listeners.size]).toEqual(['why', 0])
  })

  it('gives a native one', () => {
    const signal = polyfilled()
    const token = CancellationToken.from(signal)
    const native = token.signal
    expect(native).toBeInstanceOf(AbortSignal)
    expect(CancellationToken.from(native)).toBe(token)
    signal.abort('why')
    expect([native.aborted, native.reason]).toEqual([true, 'why'])
  })

  it('without a reason gives the default one', () => {
    const signal = polyfilled()
    signal.abort()
    expect(CancellationToken.from(signal).reason).toBeInstanceOf(CancelledError)
  })
})

describe('another realm', () => {
  const context = createContext({ PolyfilledSignal: undefined })
  const foreign = <T>(code: string): T => runInContext(code, context) as T

  it('brings signals', async () => {
    const Signal = foreign<typeof PolyfilledSignal>(`(${PolyfilledSignal.toString()})`)
    const signal = new Signal()
    const waiting = delay(1e6, { signal: signal as never })
    const error = foreign<Error>('new Error("other")')
    signal.abort(error)
    await expect(waiting).rejects.toBe(error)
    expect(signal.listeners.size).toBe(0)
  })

  it('brings errors that are thrown as they are', () => {
    const errors = [
      foreign<Error>('new TypeError("x")'),
      foreign<Error>('class Mine extends Error {}; new Mine("x")'),
      foreign<Error>(
        'new (class extends Error { get [Symbol.toStringTag]() { return "DOMException" } })',
      ),
    ]
    for (const error of errors) {
      expect(error instanceof Error).toBe(false)
      expect(CancellationToken.cancelled(error).error).toBe(error)
    }
    const plain = foreign<object>('({ message: "x" })')
    expect(CancellationToken.cancelled(plain).error).toMatchObject({ cause: plain })
  })
})

import { CancellationToken, CancellationTokenSource, CancelledError } from '@uno-async/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

const report = vi.fn()
beforeEach(() => vi.stubGlobal('reportError', report))
afterEach(() => {
  report.mockReset()
  vi.unstubAllGlobals()
})

describe('cancel', () => {
  it('is true for the call that did it, and the first reason stays', () => {
    const source = new CancellationTokenSource()
    expect(source.token.cancelled).toBe(false)
    expect(source.cancel('first')).toBe(true)
    expect(source.cancel('second')).toBe(false)
    expect(source.token).toMatchObject({ cancelled: true, reason: 'first', canBeCancelled: true })
  })

  it('inside a callback does nothing and returns false', () => {
    const source = new CancellationTokenSource()
    const again: boolean[] = []
    source.token.onCancelled(() => again.push(source.cancel('again')))
    source.token.onCancelled(() => again.push(source.cancel('again')))
    expect(source.cancel('first')).toBe(true)
    expect(again).toEqual([false, false])
    expect(source.token.reason).toBe('first')
  })

  it('reports what a callback throws, and stops nobody', () => {
    const source = new CancellationTokenSource()
    const derived = CancellationToken.any(source.token, new CancellationTokenSource().token)
    const log: string[] = []
    const fail = (what: string) => () => {
      log.push(what)
      throw new Error(what)
    }
    source.token.onCancelled(fail('a'))
    derived.onCancelled(fail('c'))
    derived.onCancelled(() => log.push('d'))
    source.token.onCancelled(() => log.push('b'))
    expect(source.cancel()).toBe(true)
    expect(log).toEqual(['a', 'b', 'c', 'd'])
    expect(report.mock.calls.map(([error]) => error.message)).toEqual(['a', 'c'])
  })

  it('reports what a callback throws that is called at once', () => {
    const fail = () => {
      throw new Error('late')
    }
    expect(() => CancellationToken.cancelled().onCancelled(fail)).not.toThrow()
    expect(report).toHaveBeenCalledTimes(1)
  })

  it('calls back first registered first, source before derived', () => {
    const source = new CancellationTokenSource()
    const other = new CancellationTokenSource()
    const log: number[] = []
    const derived = [1, 2, 3].map(() => CancellationToken.any(source.token, other.token))
    derived[1]?.onCancelled(() => log.push(3))
    derived[0]?.onCancelled(() => log.push(5))
    derived[1]?.onCancelled(() => log.push(4))
    source.token.onCancelled(() => log.push(1))
    derived[2]?.onCancelled(() => log.push(6))
    source.token.onCancelled(() => log.push(2))
    source.cancel()
    expect(log).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('calls back a source in the middle before what derives from it, also by two ways', () => {
    const root = new CancellationTokenSource()
    const middle = new CancellationTokenSource({ signal: root.token })
    const inner = new CancellationTokenSource({ signal: middle.token })
    const log: string[] = []
    // Listens to the root first, and by that comes before the one in the middle.
    const leaf = new CancellationTokenSource({ signal: [root.token, inner.token] })
    leaf.token.onCancelled(() => log.push('leaf'))
    inner.token.onCancelled(() => log.push('inner'))
    middle.token.onCancelled(() => log.push('middle'))
    root.cancel()
    expect(log).toEqual(['middle', 'inner', 'leaf'])
  })

  it('marks all before it tells anybody', () => {
    const source = new CancellationTokenSource()
    const derived = CancellationToken.any(source.token, new CancellationTokenSource().token)
    const child = new CancellationTokenSource({ signal: derived })
    const idle = new CancellationTokenSource({ signal: child.token })
    const seen: unknown[] = []
    const { signal } = child.token
    derived.onCancelled(() => {})
    source.token.onCancelled(() => {
      for (const { cancelled, reason } of [derived, child.token, idle.token]) {
        seen.push(cancelled, reason)
      }
      seen.push(signal.aborted)
    })
    source.cancel('why')
    expect(seen).toEqual([true, 'why', true, 'why', true, 'why', true])
  })

  it('aborts all native signals before the first callback', () => {
    const source = new CancellationTokenSource()
    const child = new CancellationTokenSource({ signal: source.token })
    const log: string[] = []
    source.token.onCancelled(() => log.push('callback'))
    child.token.signal.addEventListener('abort', () => log.push('child'))
    source.token.signal.addEventListener('abort', () => log.push('source'))
    source.cancel()
    expect(log).toEqual(['source', 'child', 'callback'])
  })

  it('of a child leaves the parent alone, whose cancel then does nothing to it', () => {
    const parent = new CancellationTokenSource()
    const child = new CancellationTokenSource({ signal: parent.token })
    const told = vi.fn()
    child.token.onCancelled(told)
    child.cancel('child')
    expect(parent.token.cancelled).toBe(false)
    parent.cancel('parent')
    expect(told.mock.calls).toEqual([['child', undefined]])
    expect(child.token.reason).toBe('child')
  })

  it('of another source inside a callback tells its listeners at once', () => {
    const a = new CancellationTokenSource()
    const b = new CancellationTokenSource({ signal: a.token })
    const c = new CancellationTokenSource()
    const log: string[] = []
    a.token.onCancelled(() => c.cancel())
    a.token.onCancelled(() => log.push('a'))
    b.token.onCancelled(() => log.push('b'))
    c.token.onCancelled(() => log.push('c'))
    a.cancel()
    expect(log).toEqual(['c', 'a', 'b'])
  })
})

describe('reason', () => {
  const error = new Error('why')
  const exception = new DOMException('why', 'DataError')
  const given = [null, 0, '', 'text', false, NaN, Symbol.iterator, { plain: 1 }, error, exception]

  it.each(given)('%s is kept as given to cancel(), on every way out', (reason) => {
    const source = new CancellationTokenSource()
    const derived = CancellationToken.any(source.token, new CancellationTokenSource().token)
    const told = vi.fn()
    derived.onCancelled(told)
    source.cancel(reason)
    for (const token of [source.token, derived]) {
      expect(token.reason).toBe(reason)
      expect(token.signal.reason).toBe(reason)
    }
    expect(told).toHaveBeenCalledWith(reason, undefined)
    expect(CancellationToken.cancelled(reason).reason).toBe(reason)
  })

  it.each(given)('%s comes through from a foreign signal', (reason) => {
    const controller = new AbortController()
    const token = CancellationToken.from(controller.signal)
    const child = new CancellationTokenSource({ signal: token })
    controller.abort(reason)
    expect(token.reason).toBe(reason)
    expect(child.token.reason).toBe(reason)
    expect(CancellationToken.from(AbortSignal.abort(reason)).reason).toBe(reason)
  })

  it('is a CancelledError by default, one per source, made when first read', () => {
    const source = new CancellationTokenSource()
    const child = new CancellationTokenSource({ signal: source.token })
    expect([source.token.reason, source.token.error]).toEqual([undefined, undefined])
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = 50
    source.cancel()
    const read = () => source.token.reason
    const reason = read() as CancelledError
    Error.stackTraceLimit = limit
    expect(reason).toBeInstanceOf(CancelledError)
    expect(reason.stack).toContain('read')
    expect(child.token.reason).toBe(reason)
    expect(child.token.error).toBe(reason)
    expect(child.token.signal.reason).toBe(reason)
  })

  it('names the source that was given a name', () => {
    const message = (name: string) => {
      const source = new CancellationTokenSource({ name })
      source.cancel()
      return (source.token.reason as Error).message
    }
    expect([message('job 7'), message('')]).toEqual([
      '"job 7" was cancelled',
      'The operation was cancelled',
    ])
  })

  it('that is an Error is thrown itself, each time', () => {
    for (const reason of [error, exception]) {
      const token = CancellationToken.cancelled(reason)
      for (let i = 0; i < 2; i++) expect(() => token.throwIfCancelled()).toThrow(reason)
      expect(token.error).toBe(reason)
    }
  })

  it.each([null, 0, 'text', { plain: 1 }])('%s is thrown as the cause of one error', (reason) => {
    const source = new CancellationTokenSource()
    const child = new CancellationTokenSource({ signal: source.token })
    source.cancel(reason)
    const caught = [source.token, child.token, source.token].map((token) => {
      try {
        token.throwIfCancelled()
        return undefined
      } catch (thrown) {
        return thrown
      }
    })
    expect(caught[0]).toBeInstanceOf(CancelledError)
    expect((caught[0] as Error).cause).toBe(reason)
    expect(new Set([...caught, source.token.error]).size).toBe(1)
  })

  it('does not throw while nothing is cancelled', () => {
    expect(new CancellationTokenSource().token.throwIfCancelled()).toBe(undefined)
  })
})

describe('onCancelled', () => {
  it('hands on the state', () => {
    const source = new CancellationTokenSource()
    const state = {}
    const told = vi.fn()
    source.token.onCancelled(told, state)
    source.cancel('why')
    source.token.onCancelled(told, state)
    expect(told.mock.calls).toEqual([
      ['why', state],
      ['why', state],
    ])
    expect(told.mock.calls[0]?.[1]).toBe(state)
  })

  it('of the same callback twice calls twice, and undoes one at a time', () => {
    const source = new CancellationTokenSource()
    const told = vi.fn()
    const first = source.token.onCancelled(told)
    source.token.onCancelled(told)
    source.token.onCancelled(told)
    first.dispose()
    source.cancel()
    expect(told).toHaveBeenCalledTimes(2)
  })

  it('is undone by dispose of a later one inside an earlier callback', () => {
    const source = new CancellationTokenSource()
    const derived = CancellationToken.any(source.token, new CancellationTokenSource().token)
    const told = vi.fn()
    source.token.onCancelled(() => {
      later.dispose()
      below.dispose()
    })
    const later = source.token.onCancelled(told)
    const below = derived.onCancelled(told)
    source.token.onCancelled(() => told('last'))
    source.cancel()
    expect(told.mock.calls).toEqual([['last']])
  })

  it('can be disposed inside its own callback, twice, and afterwards', () => {
    const source = new CancellationTokenSource()
    const told = vi.fn(() => {
      registration.dispose()
      registration.dispose()
    })
    const registration = source.token.onCancelled(told)
    source.token.onCancelled(told)
    source.cancel()
    registration.dispose()
    registration[Symbol.dispose]()
    expect(told).toHaveBeenCalledTimes(2)
  })

  it('is undone by using', () => {
    const source = new CancellationTokenSource()
    const told = vi.fn()
    {
      using _registration = source.token.onCancelled(told)
    }
    source.cancel()
    expect(told).not.toHaveBeenCalled()
  })

  it('on a cancelled token calls at once, also during the dispatch', () => {
    const source = new CancellationTokenSource()
    const log: string[] = []
    source.token.onCancelled(() => {
      source.token.onCancelled(() => log.push('inner'))
      log.push('outer')
    })
    source.token.onCancelled(() => log.push('next'))
    source.cancel()
    expect(log).toEqual(['inner', 'outer', 'next'])
    source.token.onCancelled(() => log.push('late'))
    expect(log.at(-1)).toBe('late')
  })
})

describe('owns', () => {
  it('is true of the reason, what was thrown, and what they caused', () => {
    const source = new CancellationTokenSource()
    const child = new CancellationTokenSource({ signal: source.token })
    source.cancel('why')
    const { error, reason } = source.token
    const caused = new Error('outer', { cause: new Error('inner', { cause: error }) })
    for (const it of [error, reason, caused]) expect(child.token.owns(it)).toBe(true)
  })

  it('is false of all else, and of everything while not cancelled', () => {
    const source = new CancellationTokenSource()
    const stranger = new CancelledError()
    const circle: Error = new Error('circle')
    circle.cause = circle
    const none = [undefined, null, 0, 'x', stranger, circle, new Error('x', { cause: stranger })]
    for (const it of none) expect(source.token.owns(it)).toBe(false)
    source.cancel()
    for (const it of none) expect(source.token.owns(it)).toBe(false)
  })

  it("tells one's own timeout from that of the caller", () => {
    const outer = new CancellationTokenSource()
    const own = new CancellationTokenSource()
    const token = CancellationToken.any(outer.token, own.token)
    own.cancel()
    expect([own.token.owns(token.error), outer.token.owns(token.error)]).toEqual([true, false])
  })
})

describe('none', () => {
  it('can never be cancelled and costs nothing', () => {
    const { none } = CancellationToken
    expect(CancellationToken.none).toBe(none)
    expect(none).toMatchObject({
      cancelled: false,
      canBeCancelled: false,
      reason: undefined,
      error: undefined,
      deadline: Infinity,
      remaining: Infinity,
    })
    expect(none.signal).toBe(none.signal)
    expect(none.signal.aborted).toBe(false)
    expect(CancellationToken.from(none.signal)).toBe(none)
    none.onCancelled(() => {}).dispose()
  })
})

describe('is', () => {
  it('knows tokens from all else', () => {
    const tokens = [CancellationToken.none, new CancellationTokenSource().token]
    for (const token of tokens) expect(CancellationToken.is(token)).toBe(true)
    const others = [undefined, null, 0, '', 'x', {}, () => {}, new AbortController().signal]
    for (const other of [...others, Symbol('x'), new CancellationTokenSource()]) {
      expect(CancellationToken.is(other)).toBe(false)
    }
  })
})

it('a token can be logged as JSON', () => {
  const source = new CancellationTokenSource({ signal: new AbortController().signal })
  source.token.onCancelled(() => {})
  expect(JSON.stringify({ token: source.token })).toBe('{"token":{"cancelled":false}}')
  source.cancel()
  expect(JSON.stringify(source.token)).toBe('{"cancelled":true}')
})

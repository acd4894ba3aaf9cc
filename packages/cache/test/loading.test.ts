import { AsyncCache, type LoadContext } from '@uno-async/cache'
import {
  CancellationToken,
  CancellationTokenSource,
  ClosedError,
  captureContext,
  isTimeout,
} from '@uno-async/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { deferred, failure, settle, thenable } from './helpers.js'

beforeEach(() => {
  vi.useFakeTimers()
  vi.advanceTimersByTime(1_000)
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

/** A cache whose loads are settled by hand, in the order in which they began. */
const byHand = (options: ConstructorParameters<typeof AsyncCache<string, string>>[0] = {}) => {
  const loads: (ReturnType<typeof deferred<string>> & { context: LoadContext<string, string> })[] =
    []
  const cache = new AsyncCache<string, string>({
    load: (_, context) => {
      const load = { ...deferred<string>(), context }
      loads.push(load)
      return load.promise
    },
    ...options,
  })
  const load = (i: number) => loads[i] as (typeof loads)[number]
  return { cache, loads, load }
}

describe('one load per key', () => {
  it('gives one load to all who ask, each with a promise of their own', async () => {
    const { cache, loads, load } = byHand()
    const a = cache.get('k')
    const b = cache.get('k')
    expect(a).not.toBe(b)
    load(0).resolve('v')
    expect(await Promise.all([a, b, cache.get('k')])).toEqual(['v', 'v', 'v'])
    expect(loads).toHaveLength(1)
    expect(cache.stats()).toMatchObject({ misses: 3, hits: 0, loads: 1, size: 1, loading: 0 })
  })

  it('goes on when the first of two callers cancels', async () => {
    const { cache, load } = byHand()
    const source = new CancellationTokenSource()
    const a = cache.get('k', { signal: source.token })
    const b = cache.get('k')
    const reason = new Error('mine')
    source.cancel(reason)
    expect(await failure(a)).toBe(reason)
    expect(load(0).context.token.cancelled).toBe(false)
    load(0).resolve('v')
    expect(await b).toBe('v')
  })

  it('cancels the load once both have cancelled, in the same tick', async () => {
    const { cache, load } = byHand()
    const sources = [new AbortController(), new AbortController()] as const
    const asked = sources.map(({ signal }) => cache.get('k', { signal }))
    const cancelled = vi.fn()
    load(0).context.token.onCancelled(cancelled)
    sources[0].abort(new Error('one'))
    expect(cancelled).not.toHaveBeenCalled()
    sources[1].abort(new Error('two'))
    expect(cancelled).toHaveBeenCalledTimes(1)
    expect(load(0).context.signal.aborted).toBe(true)
    expect(cache.stats().loading).toBe(0)
    expect(await Promise.all(asked.map(failure))).toEqual(
      sources.map(({ signal }) => signal.reason),
    )
  })

  it('starts a new load for who comes right after the last has left, and drops the late one', async () => {
    const { cache, loads, load } = byHand()
    const source = new CancellationTokenSource()
    const a = cache.get('k', { signal: source.token })
    let b: Promise<string> | undefined
    load(0).context.token.onCancelled(() => {
      b = cache.get('k')
    })
    source.cancel()
    await failure(a)
    expect(loads).toHaveLength(2)
    load(0).resolve('late')
    await settle()
    expect(cache.peek('k')).toBeUndefined()
    load(1).resolve('new')
    expect(await b).toBe('new')
    expect(cache.peek('k')).toBe('new')
  })

  it('loads nothing for who is already cancelled', async () => {
    const { cache, loads } = byHand()
    const token = CancellationToken.cancelled(new Error('before'))
    expect(await failure(cache.get('k', { signal: token }))).toBe(token.reason)
    const reason = new Error('native')
    const signal = AbortSignal.abort(reason)
    expect(await failure(cache.getEntry('k', { signal }))).toBe(reason)
    expect(loads).toHaveLength(0)
    expect(cache.stats().loading).toBe(0)
  })

  it('leaves no listener on a signal that outlives a thousand gets', async () => {
    const controller = new AbortController()
    const add = vi.spyOn(controller.signal, 'addEventListener')
    const remove = vi.spyOn(controller.signal, 'removeEventListener')
    const cache = new AsyncCache<number, number>({ load: async (key) => key })
    for (let key = 0; key < 1_000; key++) await cache.get(key, { signal: controller.signal })
    expect(add.mock.calls.length).toBeGreaterThan(0)
    expect(remove.mock.calls.length).toBe(add.mock.calls.length)
  })

  it('is not saved by a value at hand for who is already cancelled, or wants a load', async () => {
    const { cache, loads, load } = byHand()
    await cache.set('k', 'v')
    const signal = CancellationToken.cancelled(new Error('before'))
    expect(await failure(cache.get('k', undefined, { signal }))).toBe(signal.reason)
    const asked = cache.get('k', undefined, { forceRefresh: true })
    expect(loads).toHaveLength(1)
    load(0).resolve('new')
    expect(await asked).toBe('new')
  })

  it('runs the loader under the token of the load, not of the first caller', async () => {
    const outer = new CancellationTokenSource()
    let seen: CancellationToken | undefined
    const cache = new AsyncCache<string, string>({
      load: (_, { token }) => {
        seen = CancellationToken.current
        return seen === token ? 'own' : 'foreign'
      },
    })
    expect(await outer.token.run(() => cache.get('k'))).toBe('own')
    expect(seen).not.toBe(outer.token)
  })
})

describe('a token that is looked at late', () => {
  it('is cancelled with the same reason, if the load was', async () => {
    const { cache, load } = byHand()
    const controller = new AbortController()
    const asked = cache.get('k', { signal: controller.signal })
    controller.abort(new Error('mine'))
    await failure(asked)
    const { token, signal } = load(0).context
    expect(token.reason).toBe(controller.signal.reason)
    expect(signal.reason).toBe(controller.signal.reason)
    expect(load(0).context.token).toBe(token)
  })

  it('is cancelled, if the cache was closed', async () => {
    const { cache, load } = byHand()
    const asked = cache.get('k')
    await Promise.all([failure(asked), cache.close()])
    expect(load(0).context.token.reason).toBeInstanceOf(ClosedError)
  })

  it('can no longer be cancelled, if the load is over', async () => {
    const { cache, load } = byHand()
    const [good, bad] = [cache.get('good'), cache.get('bad')]
    load(0).resolve('v')
    load(1).reject(new Error('no'))
    await Promise.allSettled([good, bad])
    await cache.close()
    for (const i of [0, 1]) {
      expect(load(i).context.token.canBeCancelled).toBe(false)
      expect(load(i).context.signal.aborted).toBe(false)
    }
  })

  it('is the current one of a loader, and of what that has captured', async () => {
    let current: CancellationToken | undefined
    let later: (() => CancellationToken) | undefined
    const cache = new AsyncCache<string, string>({
      load: (_, context) => {
        const inContext = captureContext()
        later = () => inContext(() => CancellationToken.current)
        current = context.token
        return new Promise(() => {})
      },
    })
    const asked = cache.get('k')
    expect(later?.()).toBe(current)
    await cache.set('k', 'v')
    expect(await asked).toBe('v')
    expect(later?.().cancelled).toBe(true)
  })
})

describe('those who share a load', () => {
  it('each hear of its failure', async () => {
    const { cache, load } = byHand()
    const entry = cache.getEntry('k')
    const asked = [cache.get('k'), cache.get('k'), cache.refresh('k'), cache.get('k', { tags: [] })]
    const error = new Error('no')
    load(0).reject(error)
    expect(await Promise.all([entry, ...asked].map(failure))).toEqual(Array(5).fill(error))
  })

  it('are gone when it is: who asks next waits for the next', async () => {
    const { cache, loads, load } = byHand({ ttl: 0 })
    const first = [cache.get('k'), cache.get('k')]
    await cache.invalidate('k')
    const second = [cache.get('k'), cache.get('k')]
    load(1).resolve('new')
    load(0).resolve('old')
    expect(await Promise.all([...first, ...second])).toEqual(['old', 'old', 'new', 'new'])
    expect(loads).toHaveLength(2)
  })

  it('keep it from being cancelled by one who can leave', async () => {
    const { cache, load } = byHand()
    const crowd = [cache.get('k'), cache.get('k')]
    const controller = new AbortController()
    const leaving = cache.getEntry('k', { signal: controller.signal })
    controller.abort()
    await failure(leaving)
    expect(load(0).context.token.cancelled).toBe(false)
    load(0).resolve('v')
    expect(await Promise.all(crowd)).toEqual(['v', 'v'])
  })
})

describe('loaders', () => {
  const boom = new Error('boom')
  it.each([
    ['a value', () => 'v'],
    ['a promise', async () => 'v'],
    ['a thenable', () => thenable<string>((ok) => ok('v'))],
  ])('may give %s', async (_, load) => {
    const cache = new AsyncCache<string, string>()
    expect(await cache.get('k', load)).toBe('v')
    expect(cache.peek('k')).toBe('v')
  })

  it.each([
    [
      'throw',
      () => {
        throw boom
      },
    ],
    ['reject', () => Promise.reject(boom)],
    ['give a rejecting thenable', () => thenable<string>((_, no) => no(boom))],
    [
      'give what throws when asked for its then',
      () =>
        new Proxy({} as PromiseLike<string>, {
          get() {
            throw boom
          },
        }),
    ],
  ])('may %s: the error is passed on as it is, and forgotten', async (_, load) => {
    const cache = new AsyncCache<string, string>({ load })
    expect(await Promise.all([failure(cache.get('k')), failure(cache.get('k'))])).toEqual([
      boom,
      boom,
    ])
    expect(await failure(cache.get('k'))).toBe(boom)
    expect(await cache.get('k', () => 'v')).toBe('v')
    expect(cache.stats()).toMatchObject({ size: 1, loading: 0 })
  })

  it('leave nothing behind when 10 000 keys fail', async () => {
    const cache = new AsyncCache<number, string>({ load: () => Promise.reject(boom) })
    await Promise.all(Array.from({ length: 10_000 }, (_, key) => failure(cache.get(key))))
    expect(cache.stats()).toMatchObject({ size: 0, weight: 0, loading: 0, failures: 10_000 })
  })

  it('are told the key, the value at hand, and set ttl, tags and noStore', async () => {
    const seen: unknown[] = []
    const cache = new AsyncCache<string, number>({
      ttl: 100,
      load: (key, context) => {
        seen.push([key, context.key, context.background, context.previous])
        context.ttl = 1_000
        context.tags = ['t']
        return seen.length
      },
    })
    await cache.get('k')
    vi.advanceTimersByTime(500)
    expect(await cache.get('k')).toBe(1)
    expect(await cache.refresh('k')).toBe(2)
    await cache.invalidateTags('t')
    expect(cache.has('k')).toBe(false)
    expect(seen).toEqual([
      ['k', 'k', false, undefined],
      ['k', 'k', false, { value: 1, age: 500 }],
    ])
    await cache.get('n', (_, context) => {
      context.noStore = true
      return 7
    })
    expect(cache.has('n')).toBe(false)
  })

  it('that give bad ttl or tags reject the get', async () => {
    const cache = new AsyncCache<string, number>()
    const bad =
      (key: string, value: unknown) => (_: string, context: LoadContext<string, number>) => {
        Object.assign(context, { [key]: value })
        return 1
      }
    await expect(cache.get('k', bad('ttl', NaN))).rejects.toThrow(RangeError)
    await expect(cache.get('k', bad('ttl', -1))).rejects.toThrow(RangeError)
    await expect(cache.get('k', bad('tags', 'x'))).rejects.toThrow(TypeError)
    expect(cache.stats()).toMatchObject({ size: 0, loading: 0 })
  })

  it('that never settle end with loadTimeout, and what they bring later is dropped', async () => {
    const { cache, load } = byHand({ loadTimeout: 100 })
    const a = failure(cache.get('k'))
    await vi.advanceTimersByTimeAsync(100)
    expect(isTimeout(await a)).toBe(true)
    expect(load(0).context.token.cancelled).toBe(true)
    const b = cache.get('k')
    load(0).resolve('late')
    await settle()
    expect(cache.has('k')).toBe(false)
    load(1).resolve('v')
    expect(await b).toBe('v')
  })

  it('are not called if loadTimeout is 0', async () => {
    const { cache, loads } = byHand({ loadTimeout: 0 })
    expect(isTimeout(await failure(cache.get('k')))).toBe(true)
    expect([loads, cache.stats().loading]).toEqual([[], 0])
    const loadMany = vi.fn(() => [])
    const many = byHand({ loadTimeout: 0, load: undefined, loadMany }).cache
    expect(isTimeout(await failure(many.getMany(['k'])))).toBe(true)
    expect(loadMany).not.toHaveBeenCalled()
  })

  it('that bring what nobody wants any more: it is not disposed of, unless asked for', async () => {
    for (const disposeValues of [false, true]) {
      const dispose = vi.fn()
      const value = { [Symbol.dispose]: dispose }
      const late = deferred<typeof value>()
      const cache = new AsyncCache({ load: () => late.promise, disposeValues })
      const asked = failure(cache.get('k'))
      await cache.close()
      await asked
      late.resolve(value)
      await settle()
      expect(dispose).toHaveBeenCalledTimes(disposeValues ? 1 : 0)
    }
  })

  it('are needed only for what is not there', async () => {
    const cache = new AsyncCache<string, number>()
    await expect(cache.get('k')).rejects.toThrow('Expected `load` to be a function')
    await cache.set('k', 1)
    expect(await cache.get('k')).toBe(1)
    expect(cache.stats().loading).toBe(0)
  })
})

describe('a late load never wins over newer facts', () => {
  it('gives those who asked before an invalidate the value, without keeping it', async () => {
    const { cache, loads, load } = byHand()
    const a = cache.get('k')
    void cache.invalidate('k')
    const b = cache.get('k')
    expect(loads).toHaveLength(2)
    load(1).resolve('new')
    expect(await b).toBe('new')
    load(0).resolve('old')
    expect(await a).toBe('old')
    expect(cache.peek('k')).toBe('new')
  })

  it('cancels an invalidated load when its last caller leaves, and one in the background at once', async () => {
    const { cache, load } = byHand({ ttl: 10, staleWhileRevalidate: 100 })
    const source = new CancellationTokenSource()
    const a = failure(cache.get('k', { signal: source.token }))
    await cache.invalidate('k')
    expect(load(0).context.token.cancelled).toBe(false)
    source.cancel()
    await a
    expect(load(0).context.token.cancelled).toBe(true)

    await cache.set('k', 'v')
    vi.advanceTimersByTime(20)
    expect(await cache.get('k')).toBe('v')
    expect(load(1).context.background).toBe(true)
    await cache.invalidate('k')
    expect(load(1).context.token.cancelled).toBe(true)
    load(1).resolve('late')
    await settle()
    expect(cache.has('k')).toBe(false)
  })

  it('settles those who wait with what is set, and cancels the load', async () => {
    const { cache, load } = byHand()
    const a = cache.get('k')
    await cache.set('k', 'set')
    expect(await a).toBe('set')
    expect(load(0).context.token.cancelled).toBe(true)
    load(0).resolve('late')
    await settle()
    expect(cache.peek('k')).toBe('set')
  })

  it('is not confused by a load that is slower than the one after clear()', async () => {
    const { cache, load } = byHand()
    const a = cache.get('k')
    await cache.clear()
    const b = cache.get('k')
    load(0).resolve('old')
    expect(await a).toBe('old')
    expect(cache.stats().loading).toBe(1) // the old one did not take the new one's record along
    load(1).resolve('new')
    expect(await b).toBe('new')
    expect(cache.peek('k')).toBe('new')
  })

  it('does not keep what turns out to have a tag that was invalidated meanwhile', async () => {
    const { cache, load } = byHand()
    const a = cache.get('k')
    await cache.invalidateTags('t')
    load(0).context.tags = ['s', 't']
    load(0).resolve('v')
    expect(await a).toBe('v')
    expect(cache.has('k')).toBe(false)
    const b = cache.get('k', { tags: ['t'] })
    await cache.invalidateTags('t')
    const c = cache.get('k')
    load(1).resolve('1')
    load(2).resolve('2')
    expect(await Promise.all([b, c])).toEqual(['1', '2'])
    expect(cache.peek('k')).toBe('2')
  })

  it('keeps what has no tag that was invalidated meanwhile', async () => {
    const { cache, loads, load } = byHand()
    const asked = [cache.get('a'), cache.get('b', { tags: ['s'] })]
    await cache.invalidateTags('t')
    asked.push(cache.get('a'), cache.get('b'))
    expect(loads).toHaveLength(2)
    load(0).context.tags = ['u']
    for (const { resolve } of loads) resolve('v')
    expect(await Promise.all(asked)).toEqual(Array(4).fill('v'))
    expect([cache.peek('a'), cache.peek('b')]).toEqual(['v', 'v'])
  })

  it('knows at any time which tags were invalidated since a load began', async () => {
    const { cache, loads, load } = byHand()
    const asked = [cache.get('0')]
    for (const tag of ['r', 's', 't', 's']) {
      await cache.invalidateTags(tag)
      asked.push(cache.get(`${asked.length}`))
    }
    const tags = ['r', 'r', 's', 't', 's'] // what began and what was invalidated: 0 r 1 s 2 t 3 s 4
    for (const i of [4, 0, 1, 3, 2]) {
      load(i).context.tags = [tags[i] as string]
      load(i).resolve('v')
      await asked[i]
      await cache.invalidateTags('other')
    }
    expect(loads.map((_, i) => cache.has(`${i}`))).toEqual([false, true, false, true, true])
  })

  it('does not count, nor tell of, the failure of a load that a set made needless', async () => {
    const onError = vi.fn()
    const { cache, load } = byHand({ ttl: 10, staleWhileRevalidate: 100, onError })
    await cache.set('k', 'old')
    vi.advanceTimersByTime(20)
    expect(await cache.get('k')).toBe('old')
    await cache.set('k', 'new')
    load(0).reject(new Error('cancelled'))
    await settle()
    expect([onError.mock.calls, cache.stats().failures]).toEqual([[], 0])
    await cache.close()
  })

  it('refresh() and then invalidate(): nothing comes back', async () => {
    const { cache, load } = byHand()
    await cache.set('k', 'v')
    const a = cache.refresh('k')
    await cache.invalidate('k')
    load(0).resolve('late')
    expect(await a).toBe('late')
    expect(cache.has('k')).toBe(false)
  })
})

describe('getMany', () => {
  it('loads what is missing together, joins what is in flight, and keeps the order', async () => {
    const calls: (readonly string[])[] = []
    const gate = deferred()
    const cache = new AsyncCache<string, string>({
      loadMany: async (keys) => {
        calls.push(keys)
        await gate.promise
        return keys.map((key) => key.toUpperCase())
      },
    })
    await cache.set('b', 'at hand')
    const flying = cache.get('c')
    const many = cache.getMany(['a', 'b', 'c', 'd', 'a'])
    gate.resolve()
    expect([...(await many)]).toEqual([
      ['a', 'A'],
      ['b', 'at hand'],
      ['c', 'C'],
      ['d', 'D'],
    ])
    expect(await flying).toBe('C')
    expect(calls).toEqual([['c'], ['a', 'd']])
    expect(cache.size).toBe(4)
  })

  it('rejects with the one error, or an AggregateError in key order; the rest is kept', async () => {
    const cache = new AsyncCache<string, string>({
      loadMany: (keys) =>
        new Map<string, string | Error>(
          keys.map((key) => [key, key.startsWith('bad') ? new Error(key) : key]),
        ),
    })
    await expect(cache.getMany(['a', 'bad'])).rejects.toThrow(/^bad$/)
    expect(cache.peek('a')).toBe('a')
    const error = (await failure(cache.getMany(['bad2', 'b', 'bad1']))) as AggregateError
    expect(error).toBeInstanceOf(AggregateError)
    expect(error.errors.map(({ message }) => message)).toEqual(['bad2', 'bad1'])
    expect(cache.peek('b')).toBe('b')
  })

  it('works with a loader for one key, and rejects what loadMany leaves out', async () => {
    const one = new AsyncCache<number, number>({ load: async (n) => n * 2 })
    expect([...(await one.getMany(new Set([1, 2])))]).toEqual([
      [1, 2],
      [2, 4],
    ])
    const short = new AsyncCache<number, number>({ loadMany: () => [1] })
    const error = (await failure(short.getMany([1, 2]))) as AggregateError
    expect(String(error.errors[0])).toBe('TypeError: loadMany: got 1 results for 2 items')
    const map = new AsyncCache<number, number>({ loadMany: () => new Map([[1, 1]]) })
    await expect(map.getMany([1, 2])).rejects.toThrow('no result for this item')
    expect(map.peek(1)).toBe(1)
  })

  it('does not ask for what nobody waits for any more when the second tier has answered', async () => {
    const reads = new Map(['a', 'b'].map((key) => [key, deferred<undefined>()]))
    const store = { get: (key: string) => reads.get(key)?.promise, set: () => {}, delete: () => {} }
    const loadMany = vi.fn((keys: readonly string[]) => keys)
    const cache = new AsyncCache<string, string>({ store, loadMany })
    const source = new CancellationTokenSource()
    const all = failure(cache.getMany(['a', 'b'], { signal: source.token }))
    reads.get('a')?.resolve(undefined)
    await settle()
    source.cancel()
    await all
    const b = cache.getMany(['b'])
    reads.get('b')?.resolve(undefined)
    expect(await b).toEqual(new Map([['b', 'b']]))
    expect(loadMany.mock.calls.map(([keys]) => keys)).toEqual([['b']])
  })

  it('cancelled: rejects with the reason, and cancels the call if nobody else waits', async () => {
    let token: CancellationToken | undefined
    const cache = new AsyncCache<number, number>({
      loadMany: (_, context) => {
        token = context.token
        return new Promise(() => {})
      },
    })
    const source = new CancellationTokenSource()
    const many = failure(cache.getMany([1, 2], { signal: source.token }))
    const other = new CancellationTokenSource()
    const one = failure(cache.get(2, { signal: other.token }))
    const reason = new Error('enough')
    source.cancel(reason)
    expect(await many).toBe(reason)
    expect(token?.cancelled).toBe(false)
    other.cancel()
    await one
    expect(token?.cancelled).toBe(true)
    expect(cache.stats().loading).toBe(0)
  })

  it('leaves a token behind that can no longer be cancelled', async () => {
    let token: CancellationToken | undefined
    const cache = new AsyncCache<number, number>({
      loadMany: (keys, context) => {
        token = context.token
        return keys
      },
    })
    await cache.getMany([1, 2])
    expect(token?.canBeCancelled).toBe(false)
  })
})

describe('close', () => {
  it('rejects who waits and who comes later, cancels loads, and lets go of all', async () => {
    const left: unknown[] = []
    const { cache, load } = byHand({ name: 'c', onEvict: (...what) => left.push(what) })
    await cache.set('a', 'v')
    const waiting = failure(cache.get('k'))
    const invalidated = failure(cache.get('i'))
    await cache.invalidate('i')
    const closed = cache.close()
    expect(cache.close()).toBe(closed)
    expect(await waiting).toBeInstanceOf(ClosedError)
    expect(await invalidated).toBeInstanceOf(ClosedError)
    expect(String(await failure(cache.get('a')))).toBe('ClosedError: AsyncCache "c" is closed')
    expect(await failure(cache.set('a', 'b'))).toBeInstanceOf(ClosedError)
    expect(await failure(cache.refresh('a'))).toBeInstanceOf(ClosedError)
    expect(await failure(cache.getMany(['a']))).toBeInstanceOf(ClosedError)
    expect(load(0).context.token.reason).toBeInstanceOf(ClosedError)
    expect(load(1).context.token.cancelled).toBe(true)
    load(0).resolve('late')
    await closed
    await cache[Symbol.asyncDispose]()
    expect(left).toEqual([['a', 'v', 'closed']])
    expect(cache.stats()).toMatchObject({ size: 0, loading: 0 })
  })

  it('is what await using does', async () => {
    const { cache } = byHand()
    {
      await using scoped = cache
      await scoped.set('k', 'v')
    }
    expect(cache.size).toBe(0)
    expect(await failure(cache.get('k'))).toBeInstanceOf(ClosedError)
  })
})

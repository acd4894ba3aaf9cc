import { AsyncCache, type AsyncCacheOptions, type Loader } from '@uno-async/cache'
import { CancellationTokenSource } from '@uno-async/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { deferred, failure, settle } from './helpers.js'

beforeEach(() => {
  vi.useFakeTimers()
  vi.advanceTimersByTime(1_000)
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

/** Loads 1, 2, 3, …, or fails while `broken` is set. */
const counting = (options: AsyncCacheOptions<string, number> = {}) => {
  const origin = { loads: 0, broken: undefined as Error | undefined }
  const errors: unknown[] = []
  const cache = new AsyncCache<string, number>({
    load: async () => {
      origin.loads++
      if (origin.broken) throw origin.broken
      return origin.loads
    },
    onError: (error, { phase }) => errors.push([error, phase]),
    ...options,
  })
  return { cache, origin, errors }
}

describe('ttl', () => {
  it('is how long a value is fresh', async () => {
    const { cache } = counting({ ttl: 100 })
    expect(await cache.get('k')).toBe(1)
    vi.advanceTimersByTime(99)
    expect(await cache.get('k')).toBe(1)
    vi.advanceTimersByTime(1)
    expect(await cache.get('k')).toBe(2)
  })

  it('counts from when the load settled, even if that took longer than the ttl', async () => {
    const load = deferred<number>()
    const cache = new AsyncCache<string, number>({ load: () => load.promise, ttl: 100 })
    const a = cache.get('k')
    await vi.advanceTimersByTimeAsync(500)
    load.resolve(1)
    await a
    vi.advanceTimersByTime(99)
    expect(cache.peek('k')).toBe(1)
    vi.advanceTimersByTime(1)
    expect(cache.peek('k')).toBeUndefined()
  })

  it('0 keeps nothing, Infinity for ever, without a timer', async () => {
    const { cache } = counting({ ttl: (value) => (value === 1 ? 0 : Infinity) })
    expect(await cache.get('k')).toBe(1)
    expect(cache.size).toBe(0)
    expect(await cache.get('k')).toBe(2)
    vi.advanceTimersByTime(1e12)
    expect(await cache.get('k')).toBe(2)
    expect(vi.getTimerCount()).toBe(0)
  })

  it.each([-1, NaN])('%s from a function rejects the get', async (ttl) => {
    const { cache } = counting({ ttl: () => ttl })
    await expect(cache.get('k')).rejects.toThrow('Expected `ttl` to be a duration')
    expect(cache.size).toBe(0)
  })

  it('of a call wins over that of the cache, that of the loader over both', async () => {
    const { cache } = counting({ ttl: 10 })
    await cache.get('k', { ttl: 100 })
    await cache.set('s', 7, { ttl: 100 })
    await cache.get(
      'l',
      (_, context) => {
        context.ttl = 100
        return 9
      },
      { ttl: 1 },
    )
    vi.advanceTimersByTime(50)
    expect([cache.peek('k'), cache.peek('s'), cache.peek('l')]).toEqual([1, 7, 9])
    vi.advanceTimersByTime(50)
    expect(cache.size).toBe(0)
  })

  it.each([
    [0, 100],
    [0.5, 90],
    [1, 80],
  ])('is shortened by jitter, never lengthened (random %s)', async (random, ttl) => {
    const { cache } = counting({ ttl: 100, ttlJitter: 0.2, random: () => random })
    await cache.get('k')
    vi.advanceTimersByTime(ttl - 1)
    expect(cache.has('k')).toBe(true)
    vi.advanceTimersByTime(1)
    expect(cache.has('k')).toBe(false)
  })

  it('for ever is for ever, whatever the jitter', async () => {
    const { cache } = counting({ ttlJitter: 1, random: () => 1 })
    await cache.get('k')
    expect(await cache.get('k')).toBe(1)
  })

  it('is told by getEntry, and counted', async () => {
    const { cache } = counting({ ttl: 100 })
    const entry = { value: 1, state: 'fresh', age: 0, source: 'load', error: undefined }
    expect(await cache.getEntry('k')).toEqual(entry)
    vi.advanceTimersByTime(30)
    expect(await cache.getEntry('k')).toEqual({ ...entry, age: 30, source: 'memory' })
    expect([await cache.get('k'), await cache.get('k', { tags: [] })]).toEqual([1, 1])
    expect(cache.stats()).toMatchObject({ hits: 3, stale: 0, misses: 1, loads: 1, failures: 0 })
  })

  it('does not care about the clock on the wall', async () => {
    const { cache } = counting({ ttl: 100 })
    await cache.get('k')
    vi.setSystemTime(Date.now() - 3_600_000)
    vi.advanceTimersByTime(100)
    expect(cache.size).toBe(0)
    expect(await cache.get('k')).toBe(2)
  })
})

describe('what is falsy', () => {
  it.each([undefined, null, 0, '', false, NaN])('%s is a value', async (value) => {
    const load = vi.fn(async () => value as unknown)
    const cache = new AsyncCache<string, unknown>({ load })
    expect(await cache.get('k')).toBe(value)
    expect(await cache.get('k')).toBe(value)
    expect(load).toHaveBeenCalledTimes(1)
    expect(cache.has('k')).toBe(true)
  })
})

describe('staleWhileRevalidate', () => {
  it('serves the old value at once, and refreshes it once for 100 who ask', async () => {
    const { cache, origin } = counting({ ttl: 100, staleWhileRevalidate: 100 })
    await cache.get('k')
    vi.advanceTimersByTime(150)
    const asked = Array.from({ length: 100 }, () => cache.getEntry('k'))
    for (const entry of await Promise.all(asked)) {
      expect(entry).toMatchObject({ value: 1, state: 'stale', age: 150, source: 'memory' })
    }
    await settle()
    expect(origin.loads).toBe(2)
    expect(await cache.getEntry('k')).toMatchObject({ value: 2, state: 'fresh', age: 0 })
  })

  it('keeps the value when a refresh fails, tells onError once, and waits before it tries again', async () => {
    const { cache, origin, errors } = counting({
      ttl: 100,
      staleWhileRevalidate: 10_000,
      refreshBackoff: 500,
    })
    await cache.get('k')
    vi.advanceTimersByTime(150)
    origin.broken = new Error('down')
    for (let i = 0; i < 50; i++) {
      expect(await cache.get('k')).toBe(1)
      await settle()
    }
    expect(origin.loads).toBe(2)
    expect(errors).toEqual([[origin.broken, 'refresh']])
    expect(await cache.getEntry('k')).toMatchObject({ state: 'stale', error: origin.broken })
    vi.advanceTimersByTime(500)
    origin.broken = undefined
    expect(await cache.get('k')).toBe(1)
    await settle()
    expect(await cache.getEntry('k')).toMatchObject({ value: 3, state: 'fresh', error: undefined })
    expect(cache.stats()).toMatchObject({ failures: 1, loads: 3 })
  })

  it('does not keep a value alive that is refreshed by a load that hangs', async () => {
    const load = vi.fn<() => Promise<number>>(async () => 1)
    const cache = new AsyncCache({ load, ttl: 100, staleWhileRevalidate: 100 })
    await cache.get('k')
    load.mockImplementation(() => new Promise(() => {}))
    vi.advanceTimersByTime(150)
    expect(await cache.get('k')).toBe(1)
    vi.advanceTimersByTime(50)
    expect(cache.size).toBe(0)
    let done = false
    void failure(cache.get('k')).then(() => {
      done = true
    })
    await settle()
    expect(done).toBe(false)
    expect(load).toHaveBeenCalledTimes(2)
    await cache.close()
  })

  it('goes on when who joined the refresh leaves', async () => {
    const source = new CancellationTokenSource()
    const gate = deferred<number>()
    const load = vi.fn<Loader<string, number>>(() => gate.promise)
    const { cache } = counting({ ttl: 100, staleWhileRevalidate: 100, load })
    await cache.set('k', 0)
    vi.advanceTimersByTime(150)
    expect(await cache.get('k')).toBe(0)
    const joined = failure(cache.refresh('k', { signal: source.token }))
    source.cancel()
    await joined
    gate.resolve(1)
    await settle()
    expect([cache.peek('k'), load.mock.calls.length]).toEqual([1, 1])
  })

  it('disposes of what a refresh brings that is not kept: nobody has got it', async () => {
    const dispose = vi.fn()
    const cache = new AsyncCache<string, object>({
      ttl: 100,
      staleWhileRevalidate: 100,
      disposeValues: true,
      load: (_, context) => {
        context.noStore = true
        return { [Symbol.dispose]: dispose }
      },
    })
    await cache.set('k', {})
    vi.advanceTimersByTime(150)
    await cache.get('k')
    expect(dispose).toHaveBeenCalledTimes(1)
    await cache.close()
  })

  it('tells waitUntil about the refresh', async () => {
    const work: Promise<unknown>[] = []
    const { cache, origin } = counting({
      ttl: 100,
      staleWhileRevalidate: 100,
      waitUntil: (it) => work.push(it),
    })
    await cache.get('k')
    expect(work).toHaveLength(0)
    vi.advanceTimersByTime(150)
    origin.broken = new Error('down')
    await cache.get('k')
    expect(work).toHaveLength(1)
    await Promise.all(work)
    expect(cache.stats().loading).toBe(0)
  })

  it('tells waitUntil once, also if somebody joins whom the soft timeout answers', async () => {
    const work: Promise<unknown>[] = []
    const gate = deferred<number>()
    const { cache } = counting({
      ttl: 100,
      staleWhileRevalidate: 100,
      staleIfError: 1_000,
      softTimeout: 10,
      load: () => gate.promise,
      waitUntil: (it) => work.push(it),
    })
    await cache.set('k', 0)
    vi.advanceTimersByTime(150)
    await cache.get('k')
    vi.advanceTimersByTime(100)
    const joined = cache.get('k')
    vi.advanceTimersByTime(10)
    expect([await joined, work.length]).toEqual([0, 1])
    gate.resolve(1)
    await Promise.all(work)
    expect(await cache.get('k')).toBe(1)
    await cache.close()
  })
})

describe('staleIfError', () => {
  it('serves the old value when the load fails, and then without asking until the back-off is over', async () => {
    const { cache, origin, errors } = counting({
      ttl: 100,
      staleIfError: 1_000,
      refreshBackoff: 50,
    })
    await cache.get('k')
    vi.advanceTimersByTime(200)
    origin.broken = new Error('down')
    const entry = await cache.getEntry('k')
    expect(entry).toMatchObject({ value: 1, state: 'error-stale', age: 200, error: origin.broken })
    expect(await cache.get('k')).toBe(1)
    expect(origin.loads).toBe(2)
    expect(errors).toEqual([[origin.broken, 'load']])
    vi.advanceTimersByTime(50)
    expect(await cache.get('k')).toBe(1)
    expect(origin.loads).toBe(3)
    origin.broken = undefined
    vi.advanceTimersByTime(50)
    expect(await cache.get('k')).toBe(4)
  })

  it('counts all who got the old value', async () => {
    const { cache, origin } = counting({ ttl: 100, staleIfError: 1_000 })
    await cache.get('k')
    vi.advanceTimersByTime(200)
    origin.broken = new Error('down')
    await Promise.all([1, 2, 3].flatMap(() => [cache.get('k'), cache.getEntry('k')]))
    expect(cache.stats()).toMatchObject({ hits: 0, misses: 7, stale: 6, loads: 2 })
  })

  it('ends', async () => {
    const { cache, origin } = counting({ ttl: 100, staleIfError: 1_000 })
    await cache.get('k')
    origin.broken = new Error('down')
    vi.advanceTimersByTime(1_099)
    expect(await cache.get('k')).toBe(1)
    vi.advanceTimersByTime(1)
    expect(await failure(cache.get('k'))).toBe(origin.broken)
  })

  it('begins at once when staleWhileRevalidate does not', async () => {
    for (const staleWhileRevalidate of [0, 50]) {
      const { cache } = counting({ ttl: 100, staleWhileRevalidate, staleIfError: 1_000 })
      await cache.get('k')
      vi.advanceTimersByTime(100 + staleWhileRevalidate)
      expect(await cache.get('k')).toBe(2)
      await cache.close()
    }
  })

  it.each([
    ['forceRefresh', 50, { forceRefresh: true }],
    ['back-off', 1_000, {}],
  ])('ends, timer or not, with %s', async (_, staleWhileRevalidate, options) => {
    const { cache, origin } = counting({ ttl: 100, staleWhileRevalidate, staleIfError: 1_000 })
    await cache.get('k')
    origin.broken = new Error('down')
    vi.advanceTimersByTime(1_050)
    expect(await cache.get('k')).toBe(1)
    await settle()
    const end = performance.now() + 50
    vi.spyOn(performance, 'now').mockReturnValue(end) // the timer has yet to ring
    expect(await failure(cache.get('k', options))).toBe(origin.broken)
    vi.restoreAllMocks()
    await cache.close()
  })

  it('is over before staleWhileRevalidate is, if that is longer', async () => {
    const { cache, origin } = counting({ ttl: 100, staleWhileRevalidate: 1_000, staleIfError: 100 })
    await cache.get('k')
    origin.broken = new Error('down')
    vi.advanceTimersByTime(199)
    expect(await cache.get('k', { forceRefresh: true })).toBe(1)
    vi.advanceTimersByTime(1)
    expect(await failure(cache.get('k', { forceRefresh: true }))).toBe(origin.broken)
    expect(await cache.get('k')).toBe(1)
    await cache.close()
  })

  it('is not for refresh(), and not without the option', async () => {
    const { cache, origin } = counting({ staleIfError: 1_000 })
    await cache.get('k')
    origin.broken = new Error('down')
    expect(await failure(cache.refresh('k'))).toBe(origin.broken)
    expect(await cache.get('k', { forceRefresh: true })).toBe(1)
    expect(await cache.get('k')).toBe(1)
    const plain = counting()
    await plain.cache.get('k')
    plain.origin.broken = origin.broken
    expect(await failure(plain.cache.get('k', { forceRefresh: true }))).toBe(origin.broken)
    expect(await plain.cache.get('k')).toBe(1)
  })
})

describe('refreshAhead', () => {
  it('refreshes in the background what has less than this left', async () => {
    const { cache, origin } = counting({ ttl: 100, refreshAhead: 20 })
    await cache.get('k')
    vi.advanceTimersByTime(80)
    expect(await cache.get('k')).toBe(1)
    await settle()
    expect(origin.loads).toBe(1)
    vi.advanceTimersByTime(1)
    expect(await cache.getEntry('k')).toMatchObject({ value: 1, state: 'fresh' })
    await settle()
    expect(await cache.get('k')).toBe(2)
  })

  it.each([
    ['never', 1, 99, 1],
    ['always', 0, 1, 2],
    ['not yet: -50 ln(0.5) is 34.7', 0.5, 65, 1],
    ['now: -50 ln(0.5) is 34.7', 0.5, 66, 2],
  ])('probabilistic: %s', async (_, random, after, loads) => {
    let count = 0
    const cache = new AsyncCache<string, number>({
      ttl: 100,
      refreshAhead: 'probabilistic',
      random: () => random,
      load: () => {
        vi.advanceTimersByTime(50)
        return ++count
      },
    })
    await cache.get('k')
    vi.advanceTimersByTime(after)
    expect(await cache.get('k')).toBe(1)
    expect(count).toBe(loads)
    await cache.close()
  })
})

describe('softTimeout', () => {
  const slow = (options: AsyncCacheOptions<string, number> = {}) => {
    const loads: ReturnType<typeof deferred<number>>[] = []
    const errors: unknown[] = []
    const cache = new AsyncCache<string, number>({
      load: () => {
        loads.push(deferred())
        return (loads.at(-1) as ReturnType<typeof deferred<number>>).promise
      },
      ttl: 100,
      staleIfError: 10_000,
      softTimeout: 50,
      onError: (error, { phase }) => errors.push([error, phase]),
      ...options,
    })
    return { cache, loads, errors }
  }

  it('answers with the old value, and lets the load go on', async () => {
    const { cache, loads, errors } = slow()
    await cache.set('k', 0)
    vi.advanceTimersByTime(200)
    const source = new CancellationTokenSource()
    const asked = cache.getEntry('k', { signal: source.token })
    const strict = cache.refresh('k')
    vi.advanceTimersByTime(50)
    expect(await asked).toMatchObject({ value: 0, state: 'error-stale', age: 250 })
    expect(await cache.get('k')).toBe(0) // at once: the load is known to be slow
    source.cancel()
    loads[0]?.resolve(1)
    expect(await strict).toBe(1)
    expect(await cache.get('k')).toBe(1)
    vi.advanceTimersByTime(200)
    const again = cache.get('k')
    vi.advanceTimersByTime(50)
    expect(await again).toBe(1)
    loads[1]?.reject('late')
    await settle()
    expect(errors).toEqual([['late', 'refresh']])
    await cache.close()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('is for what the second tier has, too', async () => {
    const store = new Map<string, unknown>()
    const options = { store, ttl: 100, staleIfError: 10_000, softTimeout: 50 }
    await new AsyncCache<string, number>(options).set('k', 0)
    vi.advanceTimersByTime(200)
    const cache = new AsyncCache<string, number>({ ...options, load: () => new Promise(() => {}) })
    const asked = cache.getEntry('k')
    await vi.advanceTimersByTimeAsync(50)
    expect(await Promise.race([asked, 'waits'])).toMatchObject({ value: 0, state: 'error-stale' })
    await cache.close()
  })

  it('is for who joins a refresh that began in the background, too', async () => {
    const { cache } = slow({ staleWhileRevalidate: 100 })
    await cache.set('k', 0)
    vi.advanceTimersByTime(150)
    expect(await cache.get('k')).toBe(0)
    vi.advanceTimersByTime(100)
    const asked = cache.getEntry('k')
    expect(cache.stats().loads).toBe(1)
    vi.advanceTimersByTime(50)
    await settle()
    expect(await Promise.race([asked, 'waits'])).toMatchObject({ value: 0, state: 'error-stale' })
    await cache.close()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('has one timer for all who wait, and none while nobody does or nothing is old', async () => {
    const { cache, loads } = slow({ staleWhileRevalidate: 100 })
    const all = [cache.get('k'), cache.get('k'), cache.getEntry('k')]
    expect(vi.getTimerCount()).toBe(0)
    loads[0]?.resolve(1)
    await Promise.all(all)
    expect(vi.getTimerCount()).toBe(1) // when it goes
    vi.advanceTimersByTime(150)
    await cache.get('k')
    expect([loads.length, vi.getTimerCount()]).toEqual([2, 1])
    for (let i = 0; i < 3; i++) all.push(cache.get('k', { forceRefresh: true }))
    expect([loads.length, vi.getTimerCount()]).toEqual([2, 2])
    await vi.advanceTimersByTimeAsync(50)
    expect(await Promise.all(all.slice(3))).toEqual([1, 1, 1])
    expect(vi.getTimerCount()).toBe(1)
    await cache.close()
  })

  it('does not answer with what is gone by then', async () => {
    const { cache, loads } = slow({ staleIfError: 50 })
    await cache.set('k', 0)
    vi.advanceTimersByTime(120)
    const asked = cache.get('k')
    vi.advanceTimersByTime(50)
    await settle()
    loads[0]?.resolve(1)
    expect(await asked).toBe(1)
  })

  it('does not matter where there is no old value, or where it was invalidated', async () => {
    const { cache, loads } = slow()
    let done = 0
    const count = () => done++
    const a = cache.get('k')
    void a.then(count)
    vi.advanceTimersByTime(500)
    await settle()
    expect(done).toBe(0)
    loads[0]?.resolve(1)
    expect(await a).toBe(1)
    vi.advanceTimersByTime(200)
    const b = cache.get('k')
    void b.then(count)
    await cache.invalidate('k')
    vi.advanceTimersByTime(500)
    await settle()
    expect(done).toBe(1)
    loads[1]?.resolve(2)
    expect(await b).toBe(2)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('errorTtl', () => {
  it('answers with the error of a load that failed, until then', async () => {
    const { cache, origin } = counting({ errorTtl: (_, key) => (key === 'k' ? 100 : 0) })
    origin.broken = new Error('down')
    expect(await failure(cache.get('k'))).toBe(origin.broken)
    expect(await failure(cache.get('other'))).toBe(origin.broken)
    const first = origin.broken
    origin.broken = undefined
    expect(await failure(cache.get('k'))).toBe(first)
    expect([cache.has('k'), cache.peek('k'), cache.size]).toEqual([false, undefined, 1])
    expect(await cache.get('other')).toBe(3)
    vi.advanceTimersByTime(100)
    expect(await cache.get('k')).toBe(4)
    expect(cache.stats().failures).toBe(2)
  })

  it.each([1_000, Infinity])('may be the same for all: %s', async (errorTtl) => {
    const { cache, origin, errors } = counting({ errorTtl, staleIfError: 1_000 })
    const first = (origin.broken = new Error('down'))
    const asked = [cache.get('k'), cache.get('k')]
    expect(await Promise.all(asked.map(failure))).toEqual([first, first])
    origin.broken = undefined
    for (const again of [cache.get('k'), cache.getEntry('k'), cache.get('k')]) {
      expect(await failure(again)).toBe(first)
    }
    expect([errors, origin.loads, cache.has('k')]).toEqual([[], 1, false])
    await cache.close()
  })

  it('ends with invalidate, set and forceRefresh', async () => {
    const { cache, origin } = counting({ errorTtl: 1_000 })
    for (const end of [
      () => cache.invalidate('k'),
      () => cache.set('k', 9).then(() => cache.invalidate('k')),
      () => cache.get('k', { forceRefresh: true }).then(() => cache.invalidate('k')),
    ]) {
      origin.broken = new Error('down')
      await failure(cache.get('k'))
      origin.broken = undefined
      await end()
      expect(await cache.get('k')).toBe(origin.loads)
      await cache.invalidate('k')
    }
    await cache.close()
  })

  it('ends with the tags of the load, too', async () => {
    const { cache, origin } = counting({ errorTtl: 1_000 })
    origin.broken = new Error('not found')
    await failure(cache.get('k', { tags: ['t'] }))
    await cache.invalidateTags('t')
    const late = deferred<number>()
    const asked = failure(
      cache.get('late', (_, context) => {
        context.tags = ['t']
        return late.promise
      }),
    )
    await cache.invalidateTags('t')
    late.reject(origin.broken)
    expect(await asked).toBe(origin.broken)
    origin.broken = undefined
    expect([cache.size, await cache.get('k'), await cache.get('late')]).toEqual([0, 2, 3])
    const other = deferred<number>()
    const later = failure(
      cache.get('later', async (_, context) => {
        await null
        context.tags = ['t']
        return other.promise
      }),
    )
    await cache.invalidateTags('t')
    await settle()
    other.reject(new Error('not found'))
    await later
    expect(await cache.get('later')).toBe(4)
  })

  it('passes on the error of a load that gave bad tags', async () => {
    const { cache, origin } = counting()
    const boom = new Error('boom')
    const load = deferred<number>()
    const asked = failure(
      cache.get('k', (_, context) => {
        context.tags = 'x' as never
        return load.promise
      }),
    )
    await cache.invalidateTags('t')
    load.reject(boom)
    expect(await asked).toBe(boom)
    expect([await cache.get('k'), origin.loads, cache.stats().loading]).toEqual([1, 1, 0])
  })

  it('that is bad, or throws, does not get in the way of the error', async () => {
    const { cache, origin, errors } = counting({ errorTtl: () => NaN })
    origin.broken = new Error('down')
    expect(await failure(cache.get('k'))).toBe(origin.broken)
    expect(errors).toEqual([[expect.any(RangeError), 'load']])
    expect(String(errors)).toContain('Expected `errorTtl`')
  })
})

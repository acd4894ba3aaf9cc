import { AsyncCache, type AsyncCacheOptions } from '@uno-async/cache'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { deferred, failure, settle } from './helpers.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const keys = (cache: { has(key: number): boolean }, from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => from + i).filter((key) => cache.has(key))

const alive = async (refs: readonly WeakRef<object>[]): Promise<number> => {
  await new Promise((resolve) => setTimeout(resolve))
  globalThis.gc?.()
  return refs.filter((ref) => ref.deref()).length
}

describe('bounds', () => {
  it.each(['s3-fifo', 'lru'] as const)(
    '%s: maxSize holds, what came in last is there',
    async (eviction) => {
      for (const maxSize of [1, 2, 5, 100]) {
        const cache = new AsyncCache<number, number>({ maxSize, eviction })
        for (let key = 0; key < 500; key++) {
          await cache.set(key, key)
          if (key % 3) await cache.get(key - (key % 7), () => -1)
          await cache.set(key, key)
          expect(cache.size).toBeLessThanOrEqual(maxSize)
          expect(cache.peek(key)).toBe(key)
        }
        expect(cache.stats()).toMatchObject({ size: maxSize, weight: maxSize })
        expect(cache.stats().evictions).toBeGreaterThanOrEqual(500 - maxSize)
      }
    },
  )

  it('do not touch loads in flight', async () => {
    const gates = [deferred(), deferred(), deferred()]
    const cache = new AsyncCache<number, number>({
      maxSize: 1,
      load: async (key) => {
        await gates[key]?.promise
        return key
      },
    })
    const asked = [0, 1, 2].map((key) => cache.get(key))
    expect(cache.stats()).toMatchObject({ size: 0, loading: 3 })
    for (const gate of gates) gate.resolve()
    expect(await Promise.all(asked)).toEqual([0, 1, 2])
    expect(cache.size).toBe(1)
  })

  it('LRU: who was not asked for longest goes', async () => {
    const cache = new AsyncCache<number, number>({ maxSize: 3, eviction: 'lru' })
    for (const key of [1, 2, 3]) await cache.set(key, key)
    await cache.get(1)
    cache.peek(2)
    cache.has(2)
    await cache.set(4, 4)
    expect(keys(cache, 1, 5)).toEqual([1, 3, 4])
    await cache.set(3, 30)
    await cache.set(5, 5)
    expect(keys(cache, 1, 6)).toEqual([3, 4, 5])
  })

  it('S3-FIFO: a scan of ten times the size does not wash out what is in use', async () => {
    const cache = new AsyncCache<number, number>({ maxSize: 100, load: async (key) => key })
    for (let round = 0; round < 4; round++) for (let key = 0; key < 50; key++) await cache.get(key)
    for (let key = 1_000; key < 2_000; key++) await cache.get(key)
    expect(keys(cache, 0, 50)).toHaveLength(50)
    const lru = new AsyncCache<number, number>({
      maxSize: 100,
      eviction: 'lru',
      load: async (key) => key,
    })
    for (let round = 0; round < 4; round++) for (let key = 0; key < 50; key++) await lru.get(key)
    for (let key = 1_000; key < 2_000; key++) await lru.get(key)
    expect(keys(lru, 0, 50)).toHaveLength(0)
  })

  it('S3-FIFO: who comes back soon after it was evicted stays, whether loaded or set', async () => {
    const cache = new AsyncCache<number, number>({ maxSize: 20, load: async (key) => key })
    for (let key = 0; key < 20; key++) await cache.get(key)
    await cache.get(20) // evicts 0
    await cache.get(21) // evicts 1
    expect(keys(cache, 0, 22)).not.toContain(0)
    await cache.get(0)
    await cache.set(1, 1)
    for (let key = 100; key < 200; key++) await cache.get(key)
    expect([cache.has(0), cache.has(1), cache.has(2)]).toEqual([true, true, false])
  })

  it('remember no more evicted keys than there are entries, and none after clear()', async () => {
    const cache = new AsyncCache<object, number>({ maxSize: 10 })
    const refs: WeakRef<object>[] = []
    await (async () => {
      for (let i = 0; i < 100; i++) {
        const key = {}
        refs.push(new WeakRef(key))
        await cache.set(key, i)
      }
    })()
    vi.useRealTimers()
    expect(await alive(refs)).toBeLessThanOrEqual(20)
    await cache.clear()
    expect(await alive(refs)).toBe(0)
  })

  it('let go of what they evict, even if the second tier could not take it', async () => {
    const broken = (): never => {
      throw new Error('down')
    }
    const store = { get: broken, set: broken, delete: broken }
    const cache = new AsyncCache<number, object>({ maxSize: 10, store })
    const refs: WeakRef<object>[] = []
    await (async () => {
      for (let i = 0; i < 100; i++) {
        const value = {}
        refs.push(new WeakRef(value))
        await cache.set(i, value)
      }
    })()
    vi.useRealTimers()
    expect(await alive(refs)).toBeLessThanOrEqual(11)
  })

  it('maxWeight holds; what is too heavy alone is given, not kept, and evicts nothing', async () => {
    const cache = new AsyncCache<number, number>({
      maxWeight: 10,
      weigh: (value) => value,
      load: async (key) => key,
    })
    await cache.get(3)
    await cache.get(4)
    await cache.get(0)
    expect([cache.size, cache.weight]).toEqual([3, 7])
    expect(await cache.get(11)).toBe(11)
    expect([cache.size, cache.weight]).toEqual([3, 7])
    await cache.get(9)
    expect(cache.weight).toBeLessThanOrEqual(10)
    expect(cache.has(9)).toBe(true)
    await cache.set(9, 10)
    expect([cache.peek(9), cache.weight]).toEqual([10, 10])
    await cache.set(9, 11) // newer, and too heavy: the old one must not be served
    expect([cache.has(9), cache.weight]).toEqual([false, 0])
  })

  it('keep nothing that weighs Infinity, even if there is no maxWeight', async () => {
    const cache = new AsyncCache<number, number>({ weigh: (value) => value })
    await cache.set(1, 1)
    await cache.set(2, Infinity)
    await cache.invalidate(2)
    expect([cache.size, cache.weight]).toEqual([1, 1])
  })

  it('does not mistake what adding fractions leaves behind for somebody to evict', async () => {
    const cache = new AsyncCache<string, number>({ maxWeight: 0.6, weigh: (value) => value })
    for (const [key, weight] of Object.entries({ a: 0.1, b: 0.1, c: 0.3 })) {
      await cache.set(key, weight)
    }
    await cache.set('a', 0.6)
    expect([cache.size, cache.peek('a')]).toEqual([1, 0.6])
  })

  it.each([NaN, -1, '1'])('a weight of %s is a mistake', async (weight) => {
    const cache = new AsyncCache<number, number>({ maxWeight: 10, weigh: () => weight as number })
    await expect(cache.get(1, () => 1)).rejects.toThrow(
      'Expected `weigh` to be a function that gives',
    )
    await expect(cache.set(1, 1)).rejects.toThrow('Expected `weigh`')
    expect([cache.size, cache.weight, cache.stats().loading]).toEqual([0, 0, 0])
  })
})

describe('onEvict', () => {
  const recording = (options: AsyncCacheOptions<string, number> = {}) => {
    const left: unknown[] = []
    const cache = new AsyncCache<string, number>({
      onEvict: (...what) => left.push(what),
      ...options,
    })
    return { cache, left }
  }

  it('is told of each value once, and why', async () => {
    const { cache, left } = recording({ maxSize: 2, ttl: 100, eviction: 'lru' })
    await cache.set('a', 1)
    await cache.set('a', 2)
    await cache.set('a', 2) // the same: it has not left
    await cache.set('b', 3)
    await cache.set('c', 4)
    await cache.invalidate('b')
    await cache.set('d', 5, { ttl: 10, tags: ['t'] })
    vi.advanceTimersByTime(10)
    await cache.set('e', 6, { tags: ['t', 'u'] })
    await cache.invalidateTags('u', 't')
    await cache.clear()
    await cache.set('f', 7)
    await cache.close()
    expect(left).toEqual([
      ['a', 1, 'replaced'],
      ['a', 2, 'evicted'],
      ['b', 3, 'invalidated'],
      ['d', 5, 'expired'],
      ['e', 6, 'invalidated'],
      ['c', 4, 'cleared'],
      ['f', 7, 'closed'],
    ])
  })

  it('may call the cache', async () => {
    let calls = 0
    const cache: AsyncCache<number, number> = new AsyncCache({
      maxSize: 2,
      onEvict: (key, _, reason) => {
        calls++
        expect(cache.size).toBeLessThanOrEqual(2)
        if (reason === 'evicted' && key < 3) void cache.set(key + 100, 0)
        if (reason === 'invalidated') void cache.clear()
        if (reason === 'cleared') void cache.set(7, 7)
      },
    })
    for (let key = 0; key < 5; key++) await cache.set(key, key)
    expect(cache.size).toBe(2)
    await cache.invalidate(keys(cache, 0, 200)[0] as number)
    expect(keys(cache, 0, 200)).toEqual([7])
    expect(calls).toBeGreaterThan(4)
  })

  it('that throws is told to onError, and stops nothing', async () => {
    const errors: unknown[] = []
    const boom = new Error('boom')
    const { cache } = recording({
      onEvict: () => {
        throw boom
      },
      onError: (error, about) => errors.push([error, about]),
    })
    await cache.set('a', 1)
    await cache.set('b', 1)
    await cache.clear()
    expect(errors).toEqual([
      [boom, { key: 'a', phase: 'evict' }],
      [boom, { key: 'b', phase: 'evict' }],
    ])
  })

  it('an onError that throws is reported, and stops nothing', async () => {
    const reported = vi.fn()
    vi.stubGlobal('reportError', reported)
    const boom = new Error('boom')
    const cache = new AsyncCache<string, number>({
      ttl: 10,
      staleIfError: 100,
      onError: () => {
        throw boom
      },
    })
    await cache.set('a', 1)
    vi.advanceTimersByTime(20)
    expect(await cache.get('a', () => Promise.reject(new Error('down')))).toBe(1)
    expect(reported).toHaveBeenCalledExactlyOnceWith(boom)
    vi.unstubAllGlobals()
    await cache.close()
  })
})

describe('disposeValues', () => {
  class Thing implements AsyncDisposable {
    disposed = 0
    async [Symbol.asyncDispose](): Promise<void> {
      await null
      this.disposed++
    }
  }

  it('disposes of each value once, however it left', async () => {
    const things = Array.from({ length: 8 }, () => new Thing())
    const [a, b, c, d, e, f, g, h] = things as [
      Thing,
      Thing,
      Thing,
      Thing,
      Thing,
      Thing,
      Thing,
      Thing,
    ]
    const cache = new AsyncCache<string, Thing>({
      disposeValues: true,
      maxSize: 2,
      eviction: 'lru',
    })
    await cache.set('k', a)
    await cache.set('k', a)
    expect(a.disposed).toBe(0)
    await cache.set('k', b) // a replaced
    await cache.set('l', c)
    await cache.set('m', d) // b evicted
    await cache.invalidate('l') // c
    await cache.set('e', e, { ttl: 10 })
    vi.advanceTimersByTime(10)
    await cache.clear() // d
    await cache.set('f', f)
    const late = deferred<Thing>()
    const waiting = failure(cache.get('g', () => late.promise))
    const closed = cache.close()
    await waiting
    late.resolve(g) // nobody got it
    await closed
    await settle()
    expect(things.map(({ disposed }) => disposed)).toEqual([1, 1, 1, 1, 1, 1, 1, 0])
    expect(h.disposed).toBe(0)
  })

  it('leaves alone what somebody got and the cache did not keep', async () => {
    const cache = new AsyncCache<string, Thing>({ disposeValues: true, ttl: 0 })
    const thing = await cache.get('k', () => new Thing())
    await cache.close()
    expect(thing.disposed).toBe(0)
  })

  it('tells onError about a dispose that fails; close() waits for all', async () => {
    const errors: unknown[] = []
    const boom = new Error('boom')
    const slow = deferred()
    const cache = new AsyncCache<string, unknown>({
      disposeValues: true,
      onError: (error, { phase }) => errors.push([error, phase]),
    })
    await cache.set('a', {
      [Symbol.dispose]: () => {
        throw boom
      },
    })
    await cache.set('b', { [Symbol.asyncDispose]: () => slow.promise })
    await cache.set('c', null)
    let closed = false
    const closing = cache.close().then(() => {
      closed = true
    })
    await settle()
    expect([errors, closed]).toEqual([[[boom, 'evict']], false])
    slow.resolve()
    await closing
  })
})

describe('tags', () => {
  it('find what has them, and are forgotten with it', async () => {
    const cache = new AsyncCache<string, number>()
    await cache.set('a', 1, { tags: ['x', 'y'] })
    await cache.set('b', 2, { tags: ['y'] })
    await cache.set('a', 3, { tags: ['z'] })
    await cache.invalidateTags('x')
    expect([cache.peek('a'), cache.peek('b')]).toEqual([3, 2])
    await cache.invalidateTags('y')
    expect([cache.peek('a'), cache.peek('b')]).toEqual([3, undefined])
    await cache.set('__proto__', 4, { tags: ['constructor', '__proto__'] })
    expect(cache.peek('__proto__')).toBe(4)
    await cache.invalidateTags('__proto__')
    expect(cache.size).toBe(1)
    await cache.invalidateTags()
    expect(cache.size).toBe(1)
  })

  it('are those that were given, whatever becomes of the array', async () => {
    const cache = new AsyncCache<string, number>()
    const tags = ['x']
    await cache.set('a', 1, { tags })
    await cache.get('b', (_, context) => {
      context.tags = tags
      return 2
    })
    tags[0] = 'y'
    await cache.invalidateTags('y')
    expect([cache.peek('a'), cache.peek('b')]).toEqual([1, 2])
    await cache.invalidateTags('x')
    await cache.invalidateTags('x')
    expect([cache.size, cache.weight]).toEqual([0, 0])
  })
})

describe('the timer', () => {
  it('is one, however often a key is overwritten, and none when there is nothing to expire', async () => {
    const cache = new AsyncCache<string, number>({ ttl: 1_000 })
    for (let i = 0; i < 100_000; i++) {
      void cache.set('k', i)
      if (i % 10_000 === 0) expect(vi.getTimerCount()).toBe(1)
    }
    await cache.set('l', 1, { ttl: 10 })
    expect(vi.getTimerCount()).toBe(1)
    await cache.clear()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('drops what has expired, in order, read or not', async () => {
    const left: string[] = []
    const cache = new AsyncCache<string, number>({ onEvict: (key) => left.push(key) })
    const ttls = [50, 10, 30, 40, 20, 60, 15, 35]
    for (const ttl of ttls) await cache.set(`${ttl}`, ttl, { ttl })
    await cache.set('20', 0, { ttl: 70 })
    await cache.invalidate('40')
    left.length = 0
    vi.advanceTimersByTime(100)
    expect(left).toEqual(['10', '15', '30', '35', '50', '60', '20'])
    expect([cache.size, vi.getTimerCount()]).toEqual([0, 0])
  })

  it('keeps no process alive', () => {
    vi.useRealTimers()
    const awake = () => process.getActiveResourcesInfo().filter((it) => it === 'Timeout').length
    const before = awake()
    const cache = new AsyncCache<string, number>({ ttl: 60_000 })
    void cache.set('k', 1)
    expect(awake()).toBe(before)
    const timer = setTimeout(() => {}, 60_000)
    expect(awake()).toBe(before + 1)
    clearTimeout(timer)
    void cache.close()
  })
})

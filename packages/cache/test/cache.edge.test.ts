import { runInNewContext } from 'node:vm'
import {
  AsyncBatcher,
  AsyncCache,
  type AsyncCacheOptions,
  cached,
  type Loader,
  type SecondTier,
} from '@uno-async/cache'
import { ClosedError } from '@uno-async/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { failure, settle } from './helpers.js'

const never = (): Promise<never> => new Promise(() => {})

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const refs = (timers: { mock: { results: { value?: unknown }[] } }): boolean[] =>
  timers.mock.results.map(({ value }) => (value as NodeJS.Timeout).hasRef())

describe('disposeValues', () => {
  class Thing {
    disposed = 0;
    [Symbol.dispose](): void {
      this.disposed++
    }
  }

  it('disposes of a value once, when the last entry with it goes', async () => {
    const cache = new AsyncCache<string, Thing>({ disposeValues: true })
    const thing = new Thing()
    for (const key of ['a', 'b', 'c']) await cache.set(key, thing)
    await cache.set('c', thing) // again
    await cache.invalidate('a')
    await cache.set('b', new Thing())
    expect([cache.peek('c'), thing.disposed]).toEqual([thing, 0])
    await cache.set('a', thing)
    await cache.close()
    expect(thing.disposed).toBe(1)
  })

  it('disposes of nothing that a hook has put back', async () => {
    const thing = new Thing()
    const cache: AsyncCache<string, Thing> = new AsyncCache<string, Thing>({
      disposeValues: true,
      onEvict: (key, value, reason) => {
        if (reason === 'invalidated' && key === 'a') void cache.set('b', value)
      },
    })
    await cache.set('a', thing)
    await cache.invalidate('a')
    expect([cache.peek('b'), thing.disposed]).toEqual([thing, 0])
    await cache.invalidate('b')
    expect(thing.disposed).toBe(1)
  })

  it.each<[string, AsyncCacheOptions<string, Thing>]>([
    ['ttl', { ttl: () => Number.NaN }],
    ['weight', { weigh: () => -1 }],
    ['key of the second tier', { store: new Map(), storeKey: () => 7 as never }],
    ['array of tags', {}],
  ])('disposes of what a load brings that fails for a bad %s', async (what, options) => {
    const thing = new Thing()
    const cache = new AsyncCache<string, Thing>({ disposeValues: true, ...options })
    const load: Loader<string, Thing> = (_, context) => {
      if (what === 'array of tags') context.tags = 7 as never
      return thing
    }
    await failure(cache.refresh('k', { load }))
    await settle()
    expect(thing.disposed).toBe(1)
  })

  it('does not dispose of what is served when a late load brings the same', async () => {
    const thing = new Thing()
    const cache = new AsyncCache<string, Thing>({ disposeValues: true, load: async () => thing })
    const late = cache.get('k')
    await cache.set('k', thing)
    expect(await late).toBe(thing)
    await settle()
    expect(thing.disposed).toBe(0)
    await cache.close()
    expect(thing.disposed).toBe(1)
  })
})

describe('getMany', () => {
  it('on close rejects with a ClosedError, whether it waits or comes later', async () => {
    const cache = new AsyncCache<number, number>({ load: never })
    const waiting = failure(cache.getMany([1, 2]))
    await cache.close()
    expect(await waiting).toBeInstanceOf(ClosedError)
    expect(await failure(cache.getMany([1, 2]))).toBeInstanceOf(ClosedError)
  })

  it('refreshes what is stale together', async () => {
    const asked: number[][] = []
    const cache = new AsyncCache<number, number>({
      ttl: 5,
      staleWhileRevalidate: 1_000,
      loadMany: async (keys) => {
        asked.push([...keys])
        return [...keys]
      },
    })
    await cache.getMany([1, 2, 3])
    vi.advanceTimersByTime(10)
    await cache.getMany([1, 2, 3, 4])
    await settle()
    expect(asked).toEqual([
      [1, 2, 3],
      [1, 2, 3, 4],
    ])
    await cache.close()
  })
})

describe('the second tier', () => {
  it('takes any primitive for a key, and tells them apart', async () => {
    const store = new Map<string, unknown>()
    const keys = [1, '1', 'number:1', 1n, 'bigint:1', true, 'true', 'boolean:true', null, 'null']
    keys.push('null:null', undefined as never, 'undefined', 'string:number:1', 'string:x', 'a:b')
    keys.push('a string:x')
    const cache = new AsyncCache<unknown, number>({ store })
    for (const [i, key] of keys.entries()) await cache.set(key, i)
    const other = new AsyncCache<unknown, number>({ store })
    for (const [i, key] of keys.entries()) expect(await other.get(key)).toBe(i)
    expect(store.size).toBe(keys.length)
    expect(['1', 'a:b', 'a string:x'].filter((key) => !store.has(key))).toEqual([])
  })

  it('keeps the marks of tags apart from keys', async () => {
    const store = new Map<string, unknown>()
    const cache = new AsyncCache<string, number>({ store })
    await cache.set('uno-async:tag:t', 1)
    await cache.invalidateTags('t')
    const other = new AsyncCache<string, number>({ store })
    expect(await other.get('uno-async:tag:t')).toBe(1)
  })

  it('takes only strings from storeKey', async () => {
    const cache = new AsyncCache<{ id: string }, number>({
      store: new Map(),
      storeKey: (key) => (key as { typo?: string }).typo as string,
      load: () => 1,
    })
    const expected = 'Expected `storeKey` to be a function that gives a string'
    await expect(cache.get({ id: 'a' })).rejects.toThrow(expected)
    await expect(cache.set({ id: 'a' }, 1)).rejects.toThrow(expected)
    await expect(cache.invalidate({ id: 'a' })).rejects.toThrow(TypeError)
    expect(cache.size).toBe(0)
  })

  it('that cannot have one of the keys of a getMany does not hold up the others', async () => {
    const cache = new AsyncCache<string, number>({
      store: new Map(),
      storeKey: (key) => (key === 'bad' ? undefined : key) as string,
      loadMany: async (keys) => keys.map((key) => key.length),
    })
    expect(await failure(cache.getMany(['good', 'bad']))).toBeInstanceOf(TypeError)
    expect(cache.peek('good')).toBe(4)
  })

  it.each(['delete', 'set'] as const)(
    'is not believed about a key after a %s that failed, until it has taken another',
    async (verb) => {
      let down = false
      const map = new Map<string, unknown>()
      const guarded =
        <A extends unknown[], R>(op: (...args: A) => R) =>
        async (...args: A): Promise<R> => {
          if (down) throw new Error('down')
          return op(...args)
        }
      const store: SecondTier = {
        get: (key) => map.get(key),
        set: guarded((key: string, value: unknown) => map.set(key, value)),
        delete: guarded((key: string) => map.delete(key)),
      }
      const cache = new AsyncCache<string, string>({ store, maxSize: 1, load: () => 'fresh' })
      await cache.set('k', 'old')
      down = true
      if (verb === 'delete') await cache.invalidate('k')
      else await cache.set('k', 'new')
      await cache.set('other', 'x') // evicts k
      down = false
      expect(await cache.getEntry('k')).toMatchObject({ value: 'fresh', source: 'load' })
      await settle()
      await cache.set('other', 'x')
      expect(await cache.getEntry('k')).toMatchObject({ value: 'fresh', source: 'store' })
    },
  )
})

describe('an option that changes what is known', () => {
  it('while it is asked about what was loaded, has the last word', async () => {
    for (const name of ['ttl', 'weigh'] as const) {
      const store = new Map<string, unknown>()
      const cache: AsyncCache<string, number> = new AsyncCache<string, number>({
        load: async () => 1,
        maxSize: 2,
        store,
        [name]: (value: number) => {
          if (value === 1) void cache.invalidate('k')
          return 10
        },
      })
      expect(await cache.get('k')).toBe(1)
      expect([cache.peek('k'), cache.size, cache.weight, cache.stats().loading]).toEqual([
        undefined,
        0,
        0,
        0,
      ])
      await settle()
      expect(store.size).toBe(0)
      for (const key of ['a', 'b', 'c']) await cache.set(key, 2)
      expect(cache.size).toBe(2)
      await cache.close()
    }
  })

  it('while it is asked about an error, has the last word', async () => {
    const cache: AsyncCache<string, number> = new AsyncCache<string, number>({
      load: async () => {
        throw new Error('down')
      },
      errorTtl: () => {
        void cache.set('k', 2)
        return 1_000
      },
    })
    expect(await cache.get('k')).toBe(2)
    expect([cache.peek('k'), cache.size]).toEqual([2, 1])
  })
})

describe('timeouts', () => {
  it('of a load and of the store say whose they are, and keep the process alive for who waits', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout')
    const slow = new AsyncCache({ name: 'users', load: never, loadTimeout: 5 })
    const waiting = failure(slow.get('k'))
    expect(refs(timers)).toEqual([true])
    await vi.advanceTimersByTimeAsync(5)
    expect(String(await waiting)).toBe(
      'TimeoutError: AsyncCache "users": load timed out after 5 ms',
    )
    timers.mockClear()
    const errors: string[] = []
    const cache = new AsyncCache({
      name: 'users',
      load: () => 1,
      store: { get: never, set: never, delete: never },
      storeTimeout: 6,
      onError: (error) => errors.push(String(error)),
    })
    const got = cache.get('k')
    expect(refs(timers)).toEqual([true])
    await vi.advanceTimersByTimeAsync(6)
    await got
    await vi.advanceTimersByTimeAsync(6)
    expect(errors).toEqual([
      'TimeoutError: AsyncCache "users": store get timed out after 6 ms',
      'TimeoutError: AsyncCache "users": store set timed out after 6 ms',
    ])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('of a refresh in the background keep nothing alive', async () => {
    let load: () => unknown = () => 1
    const cache = new AsyncCache({
      ttl: 1,
      staleWhileRevalidate: 100,
      loadTimeout: 5,
      load: () => load(),
    })
    await cache.get('k')
    load = never
    vi.advanceTimersByTime(2)
    const timers = vi.spyOn(globalThis, 'setTimeout')
    expect(await cache.get('k')).toBe(1)
    expect(refs(timers)).toEqual([false])
    await cache.close()
  })
})

describe('AsyncBatcher', () => {
  it('keeps the process alive while what was added waits for others', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout')
    const batcher = new AsyncBatcher<number, number>((items) => items, { maxWait: 10 })
    const added = batcher.add(1)
    expect(refs(timers)).toEqual([true])
    await batcher.close()
    expect(await added).toBe(1)
  })

  it('maxWait: Infinity has no timer: only a full batch or flush() ends the wait', async () => {
    const batcher = new AsyncBatcher<number, number>((items) => items, {
      maxWait: Infinity,
      maxBatchSize: 2,
    })
    const full = Promise.all([batcher.add(1), batcher.add(2)])
    expect(await full).toEqual([1, 2])
    const third = batcher.add(3)
    expect(vi.getTimerCount()).toBe(0)
    await batcher.flush()
    expect(await third).toBe(3)
  })

  it('an Error of another realm is an Error', async () => {
    const foreign = runInNewContext("new TypeError('theirs')") as Error
    expect(foreign).not.toBeInstanceOf(Error)
    const batcher = new AsyncBatcher<number, number>(() => [foreign])
    expect(await failure(batcher.add(1))).toBe(foreign)
    const cache = new AsyncCache<number, number>({ loadMany: () => [foreign] })
    expect(await failure(cache.get(1))).toBe(foreign)
  })
})

describe('bad input', () => {
  it.each([null, 5, 'x'])('what is no object is not taken for options: %o', async (value) => {
    const bad = value as never
    const expected = 'Expected `options` to be an object'
    expect(() => new AsyncCache(bad)).toThrow(expected)
    expect(() => cached(() => 1, bad)).toThrow(expected)
    expect(() => new AsyncBatcher(() => [], bad)).toThrow(expected)
    const cache = new AsyncCache<string, number>()
    await expect(cache.getMany(['a'], bad)).rejects.toThrow(expected)
    await expect(cache.getEntry('a', bad)).rejects.toThrow(expected)
    await expect(cache.set('a', 1, bad)).rejects.toThrow(expected)
    await expect(new AsyncBatcher(() => []).close(bad)).rejects.toThrow(expected)
  })

  it('what is not iterable is no list of keys or items', async () => {
    const cache = new AsyncCache<string, number>({ load: () => 1 })
    for (const value of [undefined, null, 5]) {
      await expect(cache.getMany(value as never)).rejects.toThrow('Expected `keys` to be iterable')
      const batcher = new AsyncBatcher(() => [])
      await expect(batcher.addMany(value as never)).rejects.toThrow('Expected `items`')
    }
  })

  it('cached: a key that is no string is refused', async () => {
    const f = cached(async (it: { id: number }) => it.id, {
      key: (it) => (it as { typo?: string }).typo as string,
    })
    await expect(f({ id: 1 })).rejects.toThrow(
      'Expected `key` to be a function that gives a string',
    )
    expect(f.cache.size).toBe(0)
  })

  it('a number where none was expected is a TypeError', async () => {
    const cache = new AsyncCache<string, number>({ load: () => 1 })
    const bad = 5 as never
    expect(() => new AsyncCache({ name: bad })).toThrow(TypeError)
    expect(() => new AsyncCache({ eviction: bad })).toThrow(TypeError)
    expect(() => new AsyncBatcher(() => [], { name: bad })).toThrow(TypeError)
    await expect(cache.get('k', { tags: bad })).rejects.toThrow(TypeError)
    await expect(cache.get('k', { forceRefresh: bad })).rejects.toThrow(TypeError)
    await expect(new AsyncBatcher(() => []).close({ drop: bad })).rejects.toThrow(TypeError)
  })

  it('undefined stands for the default everywhere', async () => {
    const cache = new AsyncCache<string, number>()
    await cache.set('k', 1, { ttl: undefined, tags: undefined })
    expect(await cached(async () => 1, { key: undefined })()).toBe(1)
    const batcher = new AsyncBatcher<number, number>((items) => items)
    expect(await batcher.add(1, { signal: undefined })).toBe(1)
    await batcher.addMany([1], { signal: undefined })
    await batcher.close({ drop: undefined })
  })
})

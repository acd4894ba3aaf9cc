import {
  AsyncCache,
  type AsyncCacheOptions,
  type LoadContext,
  type SecondTier,
} from '@uno-async/cache'
import { CancellationTokenSource, ClosedError, delay } from '@uno-async/core'
import { Keyv as Keyv5 } from 'keyv'
import Keyv4 from 'keyv4'
import { Keyv as Keyv6, KeyvMemoryAdapter } from 'keyv6'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { deferred, failure, settle } from './helpers.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

const counting = (store: SecondTier, options: AsyncCacheOptions<string, unknown> = {}) => {
  const origin = { loads: 0 }
  const errors: [error: string, phase: string][] = []
  const cache = new AsyncCache<string, unknown>({
    load: async (key) => ({ key, n: ++origin.loads }),
    store,
    onError: (error, { phase }) => errors.push([String(error), phase]),
    ...options,
  })
  return { cache, origin, errors }
}

const stores: [string, () => SecondTier][] = [
  ['a Map', () => new Map<string, unknown>()],
  ['Keyv 4', () => new Keyv4() as SecondTier],
  ['Keyv 5', () => new Keyv5()],
  ['Keyv 6', () => new Keyv6()],
  ['an adapter of Keyv 6', () => new KeyvMemoryAdapter(new Map())],
]

describe.each(stores)('over %s', (_, make) => {
  it('two caches share values, that keep their age', async () => {
    const store = make()
    const a = counting(store, { ttl: 1_000, awaitStore: true })
    const b = counting(store, { ttl: 1_000, load: () => expect.fail('b should not load') })
    await a.cache.get('k')
    await vi.advanceTimersByTimeAsync(600)
    const entry = await b.cache.getEntry('k')
    expect(entry).toMatchObject({ value: { key: 'k', n: 1 }, state: 'fresh', source: 'store' })
    expect(entry.age).toBeGreaterThanOrEqual(600)
    await vi.advanceTimersByTimeAsync(399)
    expect(b.cache.has('k')).toBe(true)
    await vi.advanceTimersByTimeAsync(2)
    expect(b.cache.has('k')).toBe(false)
    expect([a.errors, b.errors]).toEqual([[], []])
    await a.cache.close()
  })

  it.each([undefined, null, 0, '', false])('%s is a value there too', async (value) => {
    const store = make()
    await counting(store).cache.set('k', value)
    expect(await counting(store).cache.getEntry('k')).toMatchObject({ value, source: 'store' })
  })

  it('what was invalidated, by key, by tag or with all, is gone there too', async () => {
    const store = make()
    for (const end of [
      (cache: AsyncCache<string, unknown>) => cache.invalidate('k'),
      (cache: AsyncCache<string, unknown>) => cache.invalidateTags('t'),
      (cache: AsyncCache<string, unknown>) => cache.clear(),
      (cache: AsyncCache<string, unknown>) => cache.set('k', 1, { ttl: 0 }),
    ]) {
      const { cache } = counting(store)
      await cache.set('k', 'old', { tags: ['t'] })
      await end(cache)
      await vi.advanceTimersByTimeAsync(1)
      const { cache: other, errors } = counting(store)
      expect(await other.getEntry('k')).toMatchObject({ source: 'load' })
      expect(errors).toEqual([])
    }
  })

  it('a tag reaches what is only there', async () => {
    const store = make()
    await counting(store).cache.set('k', 'old', { tags: ['s', 't'] })
    await vi.advanceTimersByTimeAsync(1)
    await counting(store).cache.invalidateTags('t')
    await vi.advanceTimersByTimeAsync(1)
    expect(await counting(store).cache.getEntry('k')).toMatchObject({ source: 'load' })
    const { cache } = counting(store)
    await cache.set('k', 'new', { tags: ['s', 't'] })
    expect(await counting(store).cache.get('k')).toBe('new')
  })

  it('stale values are served, and refreshed', async () => {
    const store = make()
    const options = { ttl: 100, staleWhileRevalidate: 1_000, awaitStore: true }
    await counting(store, options).cache.get('k')
    await vi.advanceTimersByTimeAsync(500)
    const { cache, origin } = counting(store, options)
    const entry = await cache.getEntry('k')
    expect(entry).toMatchObject({ value: { n: 1 }, state: 'stale', source: 'store' })
    await vi.advanceTimersByTimeAsync(0)
    expect(origin.loads).toBe(1)
    expect(await cache.getEntry('k')).toMatchObject({ state: 'fresh', source: 'memory' })
    await vi.advanceTimersByTimeAsync(1_100)
  })

  it('values for errors only are kept there too', async () => {
    const store = make()
    const options = { ttl: 100, staleIfError: 1_000 }
    await counting(store, options).cache.set('k', 'old')
    await vi.advanceTimersByTimeAsync(500)
    const load = vi.fn(() => Promise.reject(new Error('down')))
    const { cache, errors } = counting(store, { ...options, load })
    expect(await cache.getEntry('k')).toMatchObject({ value: 'old', state: 'error-stale' })
    expect(errors).toEqual([['Error: down', 'load']])
    await vi.advanceTimersByTimeAsync(600)
  })
})

describe('a second tier', () => {
  const boom = new Error('boom')
  const fail = () => Promise.reject(boom)

  it('that rejects or throws is a miss and an error, never a failed get', async () => {
    const broken: SecondTier[] = [
      { get: fail, set: fail, delete: fail, clear: fail },
      {
        get() {
          throw boom
        },
        set() {
          throw boom
        },
        delete() {
          throw boom
        },
        clear() {
          throw boom
        },
      },
    ]
    for (const store of broken) {
      const { cache, errors } = counting(store, { awaitStore: true })
      expect(await cache.get('k')).toEqual({ key: 'k', n: 1 })
      expect(await cache.get('k')).toEqual({ key: 'k', n: 1 })
      await cache.set('k', 2)
      await cache.invalidate('k')
      await cache.clear()
      const set = ['Error: boom', 'store-set']
      expect(errors).toEqual([['Error: boom', 'store-get'], set, set, set, set])
    }
  })

  it.each([
    ['Keyv 5', (store: never) => new Keyv5({ store })],
    ['Keyv 6', (store: never) => new Keyv6({ store })],
  ])('that resolves with false, as %s does where it fails, has not stored it', async (_, make) => {
    const map = new Map<string, unknown>()
    let isDown = false
    const set = async (key: string, value: unknown): Promise<void> => {
      if (isDown) throw new Error('down')
      map.set(key, value)
    }
    const adapter = {
      opts: {},
      get: async (key: string) => map.get(key),
      set,
      delete: async (key: string) => map.delete(key),
      clear: async () => map.clear(),
      has: async (key: string) => map.has(key),
    }
    const store = make(adapter as never)
    store.on('error', () => {})
    const { cache, errors } = counting(store, { maxSize: 1 })
    await cache.set('k', 'old')
    isDown = true
    await cache.set('k', 'new')
    expect(errors).toEqual([['Error: The second tier has not stored it', 'store-set']])
    await cache.set('another', 1)
    expect(await cache.get('k')).toEqual({ key: 'k', n: 1 })
  })

  it('that hangs holds up a get for storeTimeout', async () => {
    const hang = (): Promise<unknown> => new Promise(() => {})
    const { cache, errors } = counting({ get: hang, set: hang, delete: hang }, { storeTimeout: 50 })
    const asked = cache.get('k')
    await vi.advanceTimersByTimeAsync(50)
    expect(await asked).toEqual({ key: 'k', n: 1 })
    await vi.advanceTimersByTimeAsync(50)
    expect(errors).toEqual([
      ['TimeoutError: AsyncCache: store get timed out after 50 ms', 'store-get'],
      ['TimeoutError: AsyncCache: store set timed out after 50 ms', 'store-set'],
    ])
  })

  it.each<[string, (cache: AsyncCache<string, unknown>) => Promise<void>]>([
    ['set', (cache) => cache.set('k', 'new')],
    ['invalidate', (cache) => cache.invalidate('k')],
    ['clear', (cache) => cache.clear()],
  ])(
    'that stores at last what had timed out does not keep it over a later %s',
    async (_, change) => {
      const map = new Map<string, unknown>()
      const gate = deferred()
      let isSlow = true
      const store = {
        get: (key: string) => map.get(key),
        set: async (key: string, value: unknown) => {
          if (isSlow) await gate.promise
          map.set(key, value)
        },
        delete: (key: string) => map.delete(key),
        clear: () => map.clear(),
      }
      const { cache } = counting(store, { storeTimeout: 50 })
      const old = cache.set('k', 'old')
      await vi.advanceTimersByTimeAsync(50)
      await old
      isSlow = false
      await change(cache)
      gate.resolve()
      await settle()
      expect(await counting(store).cache.get('k')).toEqual({ key: 'k', n: 1 })
    },
  )

  it('that stores at last what had timed out still gets the newer value that waits', async () => {
    const gates: ReturnType<typeof deferred<void>>[] = []
    const store = new Map<string, unknown>()
    const slow: SecondTier = {
      get: (key) => store.get(key),
      set: async (key, value) => {
        const gate = deferred()
        gates.push(gate)
        await gate.promise
        store.set(key, value)
      },
      delete: (key) => store.delete(key),
    }
    const { cache } = counting(slow, { storeTimeout: 50 })
    const late = cache.set('k', 'late')
    await vi.advanceTimersByTimeAsync(50)
    await late
    const all = [cache.set('k', 'newer'), cache.set('k', 'newest')]
    for (let i = 0; i < 3; i++) {
      gates[i]?.resolve()
      await settle()
    }
    await Promise.all(all)
    expect(store.get('k')).toMatchObject({ value: 'newest' })
  })

  it('that deletes at last what had timed out still has what was stored meanwhile', async () => {
    const gate = deferred()
    const store = new Map<string, unknown>()
    const slow: SecondTier = {
      get: (key) => store.get(key),
      set: (key, value) => store.set(key, value),
      delete: vi.fn((key) => {
        store.delete(key)
        return gate.promise
      }),
    }
    const { cache } = counting(slow, { storeTimeout: 50 })
    const late = cache.invalidate('k')
    await vi.advanceTimersByTimeAsync(50)
    await late
    await cache.set('k', 'newer')
    gate.resolve()
    await settle()
    expect(slow.delete).toHaveBeenCalledTimes(1)
    expect(store.get('k')).toMatchObject({ value: 'newer' })
  })

  it('that is down for long has nothing to give but what comes later', async () => {
    const map = new Map<string, unknown>()
    let down = false
    const change = (fn: () => unknown) => {
      if (down) throw new Error('down')
      return fn()
    }
    const store: SecondTier = {
      get: (key) => map.get(key),
      set: (key, value) => change(() => map.set(key, value)),
      delete: (key) => change(() => map.delete(key)),
    }
    const { cache } = counting(store, { maxSize: 5 })
    await cache.set('old', 'old')
    await cache.set('good', 'good')
    down = true
    await cache.invalidate('old')
    for (let i = 0; i < 10_001; i++) await cache.set(`${i}`, i)
    down = false
    expect(await cache.getEntry('old')).toMatchObject({ source: 'load' })
    expect(await cache.getEntry('good')).toMatchObject({ source: 'load' })
    await vi.advanceTimersByTimeAsync(10_001)
    await counting(store).cache.set('later', 'later')
    expect(await cache.getEntry('later')).toMatchObject({ value: 'later', source: 'store' })
  })

  it('that hangs does not take the time of the load', async () => {
    const hang = (): Promise<unknown> => new Promise(() => {})
    const load = vi.fn(async () => {
      await delay(40)
      return 'loaded'
    })
    const store = { get: hang, set: () => {}, delete: () => {} }
    const { cache } = counting(store, { storeTimeout: 100, loadTimeout: 50, load })
    const asked = cache.get('k')
    await vi.advanceTimersByTimeAsync(140)
    expect(await asked).toBe('loaded')
    expect(load).toHaveBeenCalledTimes(1)
  })

  it('that is slow with one key does not take the time of those that load with it', async () => {
    const get = (key: string): unknown => (key === 'slow' ? delay(80) : undefined)
    const loadMany = vi.fn(async (keys: readonly string[]) => {
      await delay(40)
      return keys
    })
    const store = { get, set: () => {}, delete: () => {} }
    const { cache } = counting(store, { loadTimeout: 50, load: undefined, loadMany })
    const asked = cache.getMany(['k', 'slow'])
    await vi.advanceTimersByTimeAsync(120)
    expect([...(await asked).keys()]).toEqual(['k', 'slow'])
    expect(loadMany.mock.calls.map(([keys]) => keys)).toEqual([['k', 'slow']])
  })

  it.each([
    ['a number', 7],
    ['text', 'not json'],
    ['somebody else’s', { value: 1 }],
    ['another version', { uno: 2, value: 1, asked: 0, created: 0, ttl: null }],
    ['no created', { uno: 1, value: 1, ttl: null }],
    ['a ttl that is none', { uno: 1, value: 1, asked: 0, created: 0, ttl: 'x' }],
    ['a ttl as text', { uno: 1, value: 1, asked: 0, created: 0, ttl: '1e15' }],
    ['times that are none', { uno: 1, value: 1, asked: null, created: null, ttl: null }],
    ['times as text', { uno: 1, value: 1, asked: '0', created: '0', ttl: null }],
    ['tags that are none', { uno: 1, value: 1, asked: 0, created: 0, ttl: null, tags: 't' }],
  ])('that holds rubbish (%s) is a miss and an error', async (_, rubbish) => {
    const { cache, errors } = counting(new Map<string, unknown>([['k', rubbish]]))
    expect(await cache.get('k')).toEqual({ key: 'k', n: 1 })
    expect(errors).toEqual([[expect.any(String), 'store-get']])
  })

  it('that holds a value that cannot be weighed is a miss and an error', async () => {
    const store = new Map<string, unknown>()
    await counting(store, { load: () => 'of an older version' }).cache.get('k')
    const seen: unknown[] = []
    const { cache, errors } = counting(store, {
      weigh: (value) => (value as { body: string }).body.length,
      load: (_, { previous }) => {
        seen.push(previous)
        return { body: 'new' }
      },
    })
    expect(await cache.get('k')).toEqual({ body: 'new' })
    expect([cache.weight, seen]).toEqual([3, [undefined]])
    expect(errors).toEqual([[expect.stringContaining('TypeError'), 'store-get']])
  })

  it('that holds what is past its time, or from the future, is a miss', async () => {
    const now = Date.now()
    const at = (created: number) => ({ uno: 1, value: 0, asked: created, created, ttl: 100 })
    for (const envelope of [at(now - 100), at(now + 3_600_000)]) {
      const { cache, errors } = counting(new Map<string, unknown>([['k', envelope]]))
      expect(await cache.get('k')).toEqual({ key: 'k', n: 1 })
      expect(errors).toEqual([])
    }
  })

  it('takes what was loaded while the clock was set back', async () => {
    const store = new Map<string, unknown>()
    const load = async (): Promise<string> => {
      vi.setSystemTime(Date.now() - 3_600_000)
      return 'v'
    }
    await counting(store, { load, awaitStore: true }).cache.get('k')
    const { cache, errors } = counting(store)
    expect(await cache.getEntry('k')).toMatchObject({ value: 'v', source: 'store' })
    expect(errors).toEqual([])
  })

  it('is told how long to keep a value, in whole milliseconds; of none if it is for ever', async () => {
    const store = new Map<string, unknown>()
    const set = vi.spyOn(store, 'set')
    const { cache } = counting(store, { staleIfError: 100 })
    await cache.set('k', 1, { ttl: 50.5 })
    await cache.set('k', 2)
    expect(set.mock.calls).toEqual([
      ['k', expect.objectContaining({ value: 1, ttl: 50.5 }), 151],
      ['k', expect.objectContaining({ value: 2, ttl: null }), undefined],
    ])
    const plain = counting(store).cache
    await plain.set('k', 3, { ttl: 0 })
    expect([set.mock.calls.length, store.has('k')]).toEqual([2, false])
    await cache.clear()
  })

  it('that is a bare adapter of Keyv 6 is told until when', async () => {
    const set = vi.fn()
    const store = { capabilities: { expires: true }, get() {}, set, delete() {} }
    const { cache } = counting(store)
    await cache.set('k', 1, { ttl: 50.5 })
    await cache.set('k', 2)
    const until = Date.now() + 51
    expect(set.mock.calls.map(([, , at]) => at)).toEqual([until, undefined])
    await cache.clear()
  })

  it('that holds something newer than memory wins', async () => {
    const store = new Map<string, unknown>()
    const options = { ttl: 100, staleIfError: 10_000 }
    const { cache } = counting(store, options)
    await cache.set('k', 'older')
    await vi.advanceTimersByTimeAsync(50)
    await counting(store, options).cache.set('k', 'newer')
    await vi.advanceTimersByTimeAsync(60)
    expect(await cache.getEntry('k')).toMatchObject({ value: 'newer', source: 'store' })
    await vi.advanceTimersByTimeAsync(20_000)
  })

  it('that holds just what memory has changes nothing', async () => {
    const map = new Map<string, string>()
    const store: SecondTier = {
      get: (key) => map.get(key),
      set: (key, value) => map.set(key, JSON.stringify(value)),
      delete: (key) => map.delete(key),
    }
    const onEvict = vi.fn()
    const { cache } = counting(store, { ttl: 100, staleIfError: 10_000, load: fail, onEvict })
    const value = {}
    await cache.set('k', value)
    await vi.advanceTimersByTimeAsync(150)
    expect(await cache.get('k')).toBe(value)
    expect(onEvict).not.toHaveBeenCalled()
    await cache.clear()
  })

  it('that holds what is stale gives it to who asks, and to the load that follows', async () => {
    const store = new Map<string, unknown>()
    const options = { ttl: 100, staleWhileRevalidate: 1_000 }
    await counting(store, options).cache.set('k', 'v')
    await vi.advanceTimersByTimeAsync(150)
    const seen: unknown[] = []
    const load = async (_: string, { background, previous }: LoadContext<string, unknown>) => {
      seen.push([background, previous])
      throw boom
    }
    const { cache, errors } = counting(store, { ...options, load })
    expect(await cache.get('k')).toBe('v')
    await settle()
    expect(seen).toEqual([[true, { value: 'v', age: 150 }]])
    expect(errors).toEqual([['Error: boom', 'refresh']])
    await vi.advanceTimersByTimeAsync(2_000)
  })

  it('that holds what is fresh is a miss for the counts, and no stale value', async () => {
    const store = new Map<string, unknown>()
    await counting(store).cache.set('k', 'v')
    const { cache } = counting(store)
    expect(await cache.get('k')).toBe('v')
    const counts = { hits: 0, stale: 0, misses: 1, loads: 0 }
    expect(cache.stats()).toMatchObject(counts)
  })

  it('that holds something older than memory does not win', async () => {
    const store = new Map<string, unknown>()
    const { cache } = counting(store, { ttl: 100, staleIfError: 10_000, load: () => fail() })
    await cache.set('k', 'older')
    const older = store.get('k')
    await vi.advanceTimersByTimeAsync(50)
    await cache.set('k', 'newer')
    store.set('k', older)
    await vi.advanceTimersByTimeAsync(110)
    expect(await cache.get('k')).toBe('newer')
    await cache.clear()
  })

  it('that holds what is stale does not need a load', async () => {
    const store = new Map<string, unknown>()
    const options = { ttl: 100, staleWhileRevalidate: 1_000, load: undefined }
    const before = counting(store, options).cache
    await before.set('k', 'v')
    await before.close()
    await vi.advanceTimersByTimeAsync(100)
    const { cache, errors } = counting(store, options)
    const stale = { value: 'v', state: 'stale', age: 100, error: undefined }
    expect(await cache.getEntry('k')).toEqual({ ...stale, source: 'store' })
    await settle()
    expect(await cache.getEntry('k')).toEqual({ ...stale, source: 'memory' })
    expect(cache.stats()).toMatchObject({ hits: 0, misses: 1, stale: 2 })
    expect([errors, cache.stats()]).toMatchObject([[], { loads: 0, failures: 0, loading: 0 }])
    await cache.close()
  })

  it('is not asked by refresh, forceRefresh and background refreshes', async () => {
    const store = new Map<string, unknown>()
    const get = vi.spyOn(store, 'get')
    const { cache } = counting(store, { ttl: 100, staleWhileRevalidate: 100 })
    await cache.refresh('k')
    await cache.get('k', { forceRefresh: true })
    await vi.advanceTimersByTimeAsync(150)
    await cache.get('k')
    await settle()
    expect(get).not.toHaveBeenCalled()
    expect(await cache.get('k')).toEqual({ key: 'k', n: 3 })
    await cache.clear()
  })

  it('does not answer who wants a load, and comes while it is asked for somebody else', async () => {
    const store = new Map<string, unknown>()
    await counting(store).cache.set('k', 'old')
    const { cache, origin } = counting(store)
    const loaded = { key: 'k', n: 1 }
    expect(
      await Promise.all([
        cache.get('k'),
        cache.refresh('k'),
        cache.get('k', { forceRefresh: true }),
        cache.getMany(['k'], { forceRefresh: true }),
        cache.getEntry('k'),
      ]),
    ).toMatchObject([
      'old',
      loaded,
      loaded,
      new Map([['k', loaded]]),
      { value: 'old', source: 'store' },
    ])
    expect([origin.loads, await cache.get('k')]).toEqual([1, loaded])
  })

  it('lets go of a load when who wanted one leaves', async () => {
    const store = new Map<string, unknown>()
    await counting(store).cache.set('k', 'old')
    const { cache, origin } = counting(store, { load: () => new Promise(() => {}) })
    const source = new CancellationTokenSource()
    const asked = cache.get('k')
    const refreshed = failure(cache.refresh('k', { signal: source.token }))
    expect([await asked, cache.stats().loading]).toEqual(['old', 1])
    source.cancel()
    await refreshed
    expect([origin.loads, cache.stats().loading, await cache.get('k')]).toEqual([0, 0, 'old'])
  })

  it('gets its operations in order for each key', async () => {
    const log: string[] = []
    const gates: { resolve(): void }[] = []
    const slowly = (what: string) => async () => {
      log.push(what)
      await new Promise<void>((resolve) => gates.push({ resolve }))
    }
    const store = {
      get: slowly('get'),
      set: slowly('set'),
      delete: slowly('delete'),
      clear: slowly('clear'),
    }
    const cache = new AsyncCache<string, number>({ store, load: () => 1, storeTimeout: Infinity })
    const all = [cache.set('k', 1), cache.invalidate('k'), cache.get('k')]
    void cache.set('other', 1)
    await settle()
    expect(log).toEqual(['set', 'set'])
    gates[0]?.resolve()
    await settle()
    expect(log).toEqual(['set', 'set', 'delete'])
    all.push(cache.clear(), cache.set('k', 2))
    gates[2]?.resolve()
    await settle()
    expect(log.slice(3)).toEqual(['get'])
    gates[1]?.resolve()
    await settle()
    expect(log.slice(4)).toEqual(['clear'])
    gates[4]?.resolve()
    gates[3]?.resolve()
    await settle()
    expect(log.slice(5)).toEqual(['set'])
    gates[5]?.resolve()
    await Promise.all(all)
  })

  it('gets only the last of the operations on a key that wait for one that takes long', async () => {
    const log: unknown[] = []
    const gates: ReturnType<typeof deferred<void>>[] = []
    const slowly = (what: unknown): Promise<void> => {
      log.push(what)
      const gate = deferred()
      gates.push(gate)
      return gate.promise
    }
    const store = {
      get: () => undefined,
      set: (key: string, { value }: { value: unknown }) => slowly([key, value]),
      delete: (key: string) => slowly([key]),
      clear: () => slowly('clear'),
    } as SecondTier
    const { cache } = counting(store, { storeTimeout: Infinity })
    const first = cache.set('k', 0)
    const sets = Array.from({ length: 1_000 }, (_, i) => cache.set('k', i))
    const others = [cache.set('j', 0), cache.set('j', 1), cache.invalidate('j')]
    gates[0]?.resolve()
    await first
    await settle()
    const late = [cache.set('k', 'late'), cache.clear(), cache.set('k', 'new')]
    const done = vi.fn()
    void Promise.all([...sets, ...others, ...late]).then(done)
    for (let i = 1; i < 7; i++) {
      expect(done).not.toHaveBeenCalled()
      gates[i]?.resolve()
      await settle()
    }
    expect(done).toHaveBeenCalled()
    expect(log).toEqual([
      ['k', 0],
      ['j', 0],
      ['k', 999],
      ['j'],
      ['k', 'late'],
      'clear',
      ['k', 'new'],
    ])
  })

  it('gets only the last of those that wait for a clear, too', async () => {
    const log: unknown[] = []
    const gates: ReturnType<typeof deferred<void>>[] = []
    const slowly = (what: unknown): Promise<void> => {
      log.push(what)
      gates.push(deferred())
      return gates.at(-1)?.promise as Promise<void>
    }
    const store = {
      get() {},
      set: (_: string, { value }: { value: unknown }) => slowly(value),
      delete() {},
      clear: () => slowly('clear'),
    } as SecondTier
    const { cache } = counting(store, { storeTimeout: Infinity })
    const all = [cache.set('k', 0), cache.set('k', 1), cache.clear(), cache.set('k', 2)]
    gates[0]?.resolve()
    await settle()
    all.push(cache.set('k', 3))
    for (let i = 1; i < 4; i++) {
      gates[i]?.resolve()
      await settle()
    }
    await Promise.all(all)
    expect(log).toEqual([0, 1, 'clear', 3])
  })

  it('that hangs holds up what is written to one key often no longer than what is twice', async () => {
    const hang = (): Promise<unknown> => new Promise(() => {})
    const { cache, errors } = counting({ get: hang, set: hang, delete: hang }, { storeTimeout: 50 })
    for (let i = 0; i < 1_000; i++) void cache.set('k', i)
    const closed = cache.close()
    await vi.advanceTimersByTimeAsync(100)
    expect(await Promise.race([closed, 'waits'])).toBe(undefined)
    expect(errors).toHaveLength(2)
  })

  it('a read that began before an invalidate, or before a tag was, does not come back', async () => {
    for (const end of [
      (cache: AsyncCache<string, unknown>) => cache.invalidate('k'),
      (cache: AsyncCache<string, unknown>) => cache.invalidateTags('t'),
      (cache: AsyncCache<string, unknown>) => cache.clear(),
    ]) {
      const store = new Map<string, unknown>()
      await counting(store).cache.set('k', 'old', { tags: ['t'] })
      const old = store.get('k')
      const gate = deferred<unknown>()
      vi.spyOn(store, 'get').mockReturnValueOnce(gate.promise)
      const { cache } = counting(store)
      const asked = cache.get('k')
      await vi.advanceTimersByTimeAsync(1)
      await end(cache)
      gate.resolve(old)
      await asked
      expect(cache.peek('k')).not.toBe('old')
      await vi.advanceTimersByTimeAsync(1)
      expect(await cache.get('k')).not.toBe('old')
    }
  })

  it('a load that was asked for before a tag was invalidated elsewhere is void there', async () => {
    const store = new Map<string, unknown>()
    const gate = deferred<unknown>()
    const { cache } = counting(store, { load: () => gate.promise, awaitStore: true })
    const asked = cache.get('k', { tags: ['t'] })
    await vi.advanceTimersByTimeAsync(1)
    await counting(store).cache.invalidateTags('t')
    await vi.advanceTimersByTimeAsync(1)
    gate.resolve('old')
    await asked
    expect(await counting(store).cache.getEntry('k')).toMatchObject({ source: 'load' })
  })

  it('close waits for what is being written; waitUntil is told of it', async () => {
    const gate = deferred()
    const work: Promise<unknown>[] = []
    const store = { get: () => {}, set: () => gate.promise, delete: () => {} }
    const { cache } = counting(store, { waitUntil: (it) => work.push(it) })
    await cache.get('k')
    let closed = false
    const closing = cache.close().then(() => {
      closed = true
    })
    await settle()
    expect([closed, work.length]).toEqual([false, 1])
    gate.resolve()
    await closing
    await Promise.all(work)
  })

  it('awaitStore: a get that loads waits until it is written', async () => {
    const gate = deferred()
    const store = { get: () => {}, set: () => gate.promise, delete: () => {} }
    const { cache } = counting(store, { awaitStore: true })
    const got = vi.fn()
    const asked = cache.getEntry('k').then(got)
    await settle()
    expect(got).not.toHaveBeenCalled()
    gate.resolve()
    await asked
    expect(got.mock.calls).toMatchObject([[{ state: 'fresh', source: 'load' }]])
  })

  it('awaitStore: close rejects who waits for the writing', async () => {
    const gate = deferred()
    const store = { get: () => {}, set: () => gate.promise, delete: () => {} }
    const { cache } = counting(store, { awaitStore: true })
    const told = vi.fn()
    cache.get('k').then(told, told)
    await settle()
    const closed = cache.close()
    await settle()
    gate.resolve()
    await closed
    expect(told.mock.calls).toEqual([[expect.any(ClosedError)]])
  })

  it('tells keys of different types apart, and takes no objects without storeKey', async () => {
    const store = new Map<string, unknown>()
    const cache = new AsyncCache<unknown, string>({ store, load: (key) => typeof key })
    expect([await cache.get(1), await cache.get('1'), await cache.get(1n)]).toEqual([
      'number',
      'string',
      'bigint',
    ])
    expect([...store.keys()]).toEqual(['number:1', '1', 'bigint:1'])
    for (const key of [{}, Symbol('s')]) {
      expect(String(await failure(cache.get(key)))).toContain('Expected `storeKey` to be given')
    }
    expect(cache.stats().loading).toBe(0)
    const own = new AsyncCache<{ id: number }, number>({
      store,
      storeKey: ({ id }) => `id ${id}`,
      load: ({ id }) => id,
    })
    await own.get({ id: 7 })
    expect(store.has('id 7')).toBe(true)
  })

  it('may be all there is: what it does not have is rejected', async () => {
    const store = new Map<string, unknown>()
    await counting(store).cache.set('k', 'v')
    const cache = new AsyncCache<string, string>({ store })
    expect(await cache.get('k')).toBe('v')
    await expect(cache.get('other')).rejects.toThrow('Expected `load` to be a function')
    expect(cache.stats()).toMatchObject({ size: 1, loading: 0 })
  })

  it('without clear: forgets what is known here', async () => {
    const map = new Map<string, unknown>([['foreign', 1]])
    const store: SecondTier = {
      get: (key) => map.get(key),
      set: (key, value) => map.set(key, value),
      delete: (key) => map.delete(key),
    }
    const { cache } = counting(store)
    await cache.set('a', 1)
    await cache.set('b', 1)
    await cache.clear()
    expect([...map.keys()]).toEqual(['foreign'])
  })

  it('getMany: only what neither tier has is loaded, together', async () => {
    const store = new Map<string, unknown>()
    await counting(store).cache.set('a', 'stored')
    const loadMany = vi.fn(async (keys: readonly string[]) => keys.map((key) => `loaded ${key}`))
    const cache = new AsyncCache<string, unknown>({ store, loadMany })
    expect([...(await cache.getMany(['a', 'b', 'c'])).values()]).toEqual([
      'stored',
      'loaded b',
      'loaded c',
    ])
    expect(loadMany.mock.calls.map(([keys]) => keys)).toEqual([['b', 'c']])
  })
})

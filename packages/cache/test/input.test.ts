import { AsyncBatcher, AsyncCache, cached } from '@uno-async/cache'
import { describe, expect, it, vi } from 'vitest'

const functions = [1, 'x', {}, null]
const durations = [-1, NaN, '1', null, 1n, {}]
const counts = [0, -1, 1.5, NaN, '1', null]

const options: Record<string, unknown[]> = {
  name: [1, null, {}],
  load: functions,
  loadMany: functions,
  ttl: durations,
  ttlJitter: [-0.1, 1.1, NaN, '0', null],
  refreshAhead: [...durations, 'sometimes'],
  staleWhileRevalidate: durations,
  staleIfError: durations,
  refreshBackoff: durations,
  errorTtl: durations,
  loadTimeout: durations,
  softTimeout: durations,
  maxSize: counts,
  maxWeight: [0, -1, NaN, '1', null],
  weigh: functions,
  eviction: ['fifo', 1, null],
  store: [null, 1, {}, { get() {} }, { get() {}, set() {}, delete: 1 }],
  storeKey: functions,
  storeTimeout: durations,
  awaitStore: [1, 'yes', null],
  onEvict: functions,
  disposeValues: [1, 'yes', null],
  onError: functions,
  waitUntil: functions,
  random: functions,
}
const cases = Object.entries(options).flatMap(([name, values]) =>
  values.map((value) => [name, value] as const),
)

describe('AsyncCache', () => {
  it.each(cases)('takes no %s: %o', (name, value) => {
    const make = () => new AsyncCache({ [name]: value })
    expect(make).toThrow(new RegExp(`^Expected \`${name}`))
    expect(make).toThrow(
      typeof value === 'number' && name !== 'name' && !functions.includes(value)
        ? RangeError
        : Error,
    )
  })

  it('takes undefined, and the bounds, for all of them', () => {
    for (const name of Object.keys(options)) new AsyncCache({ [name]: undefined })
    for (const name of Object.keys(options).filter((it) => options[it] === durations)) {
      new AsyncCache({ [name]: 0 })
      new AsyncCache({ [name]: Infinity })
    }
    new AsyncCache({ maxSize: Infinity, maxWeight: Infinity, ttlJitter: 1, refreshAhead: 0 })
    new AsyncCache({ maxSize: 1, ttlJitter: 0, awaitStore: false, disposeValues: false })
  })

  it.each([
    ['ttl', -1],
    ['ttl', '1'],
    ['tags', 'x'],
    ['tags', [1]],
    ['forceRefresh', 1],
    ['signal', {}],
    ['signal', 1],
    ['load', 1],
    ['load', null],
  ])('rejects a get with %s: %o', async (name, value) => {
    const load = vi.fn(() => 1)
    const cache = new AsyncCache<string, number>({ load })
    const ask = { [name]: value } as object
    for (const asked of [cache.get('k', ask), cache.getEntry('k', ask), cache.refresh('k', ask)]) {
      await expect(asked).rejects.toThrow(`Expected \`${name}\``)
    }
    expect(cache.stats()).toMatchObject({ size: 0, loading: 0 })
    expect(load).not.toHaveBeenCalled()
  })

  it('rejects other mistakes', async () => {
    const cache = new AsyncCache<string, number>()
    const bad = cache as unknown as {
      [verb in 'get' | 'getMany' | 'set' | 'invalidateTags']: (
        ...args: unknown[]
      ) => Promise<unknown>
    }
    await expect(bad.get('k', null)).rejects.toThrow(TypeError)
    await expect(bad.get('k', 'x')).rejects.toThrow(TypeError)
    await expect(bad.getMany(1)).rejects.toThrow(TypeError)
    await expect(bad.getMany(['a'], { signal: 1 })).rejects.toThrow('Expected `signal`')
    await expect(bad.set('k', 1, { ttl: -1 })).rejects.toThrow('Expected `ttl`')
    await expect(bad.set('k', 1, { tags: 'x' })).rejects.toThrow('Expected `tags`')
    await expect(bad.invalidateTags(1)).rejects.toThrow('Expected `tags`')
    expect(cache.size).toBe(0)
  })
})

describe('cached', () => {
  it('takes only functions', () => {
    expect(() => cached(1 as never)).toThrow('Expected `fn` to be a function')
    expect(() => cached(() => 1, { key: 1 as never })).toThrow('Expected `key` to be a function')
    expect(() => cached(() => 1, { ttl: -1 })).toThrow('Expected `ttl`')
  })
})

describe('AsyncBatcher', () => {
  it.each([
    ...[0, -1, 1.5, NaN, '1'].map((value) => ['maxBatchSize', value] as const),
    ...[0, -1, 1.5, NaN, '1'].map((value) => ['concurrency', value] as const),
    ...durations.map((value) => ['maxWait', value] as const),
    ...functions.map((value) => ['keyOf', value] as const),
    ['name', 1] as const,
  ])('takes no %s: %o', (name, value) => {
    expect(() => new AsyncBatcher(() => [], { [name]: value })).toThrow(`Expected \`${name}\``)
  })

  it('takes only functions, and rejects what is no signal, no iterable, no boolean', async () => {
    expect(() => new AsyncBatcher(1 as never)).toThrow('Expected `run` to be a function')
    const batcher = new AsyncBatcher<number, number>((items) => items)
    await expect(batcher.add(1, { signal: 1 as never })).rejects.toThrow('Expected `signal`')
    await expect(batcher.addMany([1], { signal: 1 as never })).rejects.toThrow('Expected `signal`')
    await expect(batcher.addMany(1 as never)).rejects.toThrow(TypeError)
    await expect(batcher.close({ drop: 1 as never })).rejects.toThrow('Expected `drop`')
    expect(batcher.pending).toBe(0)
    new AsyncBatcher(() => [], { maxBatchSize: Infinity, concurrency: Infinity, maxWait: Infinity })
  })
})

import {
  badValue,
  checkFunction,
  checkInteger,
  checkMilliseconds,
  checkOptions,
  type Milliseconds,
} from '@uno-async/core'
import type { AsyncCacheOptions } from '../types.js'

const isNumber = (value: unknown): value is number => typeof value === 'number'

/** The options of a cache, checked; what is undefined has its default. */
export class Settings<K, V> {
  readonly name: string | undefined
  readonly load: AsyncCacheOptions<K, V>['load']
  readonly loadMany: AsyncCacheOptions<K, V>['loadMany']
  readonly ttl: NonNullable<AsyncCacheOptions<K, V>['ttl']> = Infinity
  readonly ttlJitter: number = 0
  readonly refreshAhead: Milliseconds | 'probabilistic' = 0
  readonly staleWhileRevalidate: Milliseconds = 0
  readonly staleIfError: Milliseconds = 0
  readonly refreshBackoff: Milliseconds = 1_000
  readonly errorTtl: NonNullable<AsyncCacheOptions<K, V>['errorTtl']> = 0
  readonly loadTimeout: Milliseconds = Infinity
  readonly softTimeout: Milliseconds = Infinity
  readonly maxSize: number = Infinity
  readonly maxWeight: number = Infinity
  readonly weigh: AsyncCacheOptions<K, V>['weigh']
  readonly eviction: 's3-fifo' | 'lru' = 's3-fifo'
  readonly store: AsyncCacheOptions<K, V>['store'] // checked by the Tier
  readonly storeKey: AsyncCacheOptions<K, V>['storeKey']
  readonly storeTimeout: Milliseconds = 1_000
  readonly awaitStore: boolean = false
  readonly onEvict: AsyncCacheOptions<K, V>['onEvict']
  readonly disposeValues: boolean = false
  readonly onError: AsyncCacheOptions<K, V>['onError']
  readonly waitUntil: AsyncCacheOptions<K, V>['waitUntil']
  readonly random: AsyncCacheOptions<K, V>['random']

  /** @throws TypeError, RangeError */
  constructor(options: AsyncCacheOptions<K, V> | undefined) {
    const given = checkOptions(options) as Record<string, unknown>
    /** Takes over options of these names; `isGood` may throw an error of its own. */
    const take = (
      names: string,
      isGood: (value: unknown, name: string) => unknown,
      expected = '',
      kind?: ErrorConstructor,
    ): void => {
      for (const name of names.split(' ')) {
        const value = given[name]
        if (value === undefined) continue
        if (!isGood(value, name)) throw badValue(name, expected, value, kind)
        ;(this as Record<string, unknown>)[name] = value
      }
    }
    const isDuration = (value: unknown, name: string): boolean =>
      checkMilliseconds(name, value) >= 0
    const isOneOf =
      (...values: unknown[]) =>
      (value: unknown): boolean =>
        values.includes(value)
    take('name', (value) => typeof value === 'string', 'a string', TypeError)
    take('load loadMany weigh storeKey onEvict onError waitUntil random', (value, name) =>
      checkFunction(name, value),
    )
    take(
      'staleWhileRevalidate staleIfError refreshBackoff loadTimeout softTimeout storeTimeout',
      isDuration,
    )
    take('ttl errorTtl', (value, name) => typeof value === 'function' || isDuration(value, name))
    take('refreshAhead', (value, name) => value === 'probabilistic' || isDuration(value, name))
    take(
      'ttlJitter',
      (value) => isNumber(value) && value >= 0 && value <= 1,
      'a number from 0 to 1',
    )
    take('maxSize', (value, name) => value === Infinity || checkInteger(name, value, 1))
    take('maxWeight', (value) => isNumber(value) && value > 0, 'a number > 0')
    take('eviction', isOneOf('s3-fifo', 'lru'), '`s3-fifo` or `lru`', TypeError)
    take('awaitStore disposeValues', isOneOf(true, false), 'a boolean', TypeError)
    take('store', () => true)
  }
}

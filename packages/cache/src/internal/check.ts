import { badValue, checkFunction, checkInteger, checkMilliseconds } from '@uno-async/core'
import type { AsyncCacheOptions, GetOptions } from '../types.js'

const isNumber = (value: unknown): value is number => typeof value === 'number'
const isBoolean = (value: unknown): boolean => typeof value === 'boolean'

export function checkObject(name: string, value: unknown): void {
  if (Object(value) !== value) throw badValue(name, 'an object', value, TypeError)
}

/** Its elements. @throws TypeError */
export function listOf<T>(name: string, value: Iterable<T>): T[] {
  if (typeof value?.[Symbol.iterator] === 'function') return [...value]
  throw badValue(name, 'iterable', value, TypeError)
}

/** @throws TypeError, RangeError */
export function checkOptions<K, V>(options: AsyncCacheOptions<K, V>): void {
  checkObject('options', options)
  const all = options as Record<string, unknown>
  const check = (
    names: string,
    isGood: (value: never, name: string) => unknown,
    expected?: string,
    kind?: ErrorConstructor,
  ): void => {
    for (const name of names.split(' ')) {
      const value = all[name]
      if (value === undefined || isGood(value as never, name)) continue
      if (expected) throw badValue(name, expected, value, kind)
    }
  }
  const duration = (value: unknown, name: string): unknown => checkMilliseconds(name, value)
  check('name', (value) => typeof value === 'string', 'a string', TypeError)
  check('load loadMany weigh storeKey onEvict onError waitUntil random', (value, name) =>
    checkFunction(name, value),
  )
  check(
    'staleWhileRevalidate staleIfError refreshBackoff loadTimeout softTimeout storeTimeout',
    duration,
  )
  check('ttl errorTtl', (value, name) => typeof value === 'function' || duration(value, name))
  check('refreshAhead', (value, name) => value === 'probabilistic' || duration(value, name))
  check('ttlJitter', (value) => isNumber(value) && value >= 0 && value <= 1, 'a number from 0 to 1')
  check('maxSize', (value, name) => value === Infinity || checkInteger(name, value, 1))
  check('maxWeight', (value) => isNumber(value) && value > 0, 'a number > 0')
  check(
    'eviction',
    (value) => value === 's3-fifo' || value === 'lru',
    '`s3-fifo` or `lru`',
    TypeError,
  )
  check('awaitStore disposeValues', isBoolean, 'a boolean', TypeError)
}

/** @throws TypeError, RangeError */
export function checkAsk({ ttl, tags, forceRefresh }: Omit<GetOptions, 'signal'>): void {
  if (ttl !== undefined) checkMilliseconds('ttl', ttl)
  if (tags !== undefined) checkTags(tags)
  if (forceRefresh !== undefined && !isBoolean(forceRefresh)) {
    throw badValue('forceRefresh', 'a boolean', forceRefresh, TypeError)
  }
}

export function checkTags(tags: unknown): void {
  if (!Array.isArray(tags) || tags.some((tag) => typeof tag !== 'string')) {
    throw badValue('tags', 'an array of strings', tags, TypeError)
  }
}

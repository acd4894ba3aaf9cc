import { badValue, checkMilliseconds } from '@uno-async/core'
import type { GetOptions } from '../types.js'

/** Its elements. @throws TypeError */
export function listOf<T>(name: string, value: Iterable<T>): T[] {
  if (typeof value?.[Symbol.iterator] === 'function') return [...value]
  throw badValue(name, 'iterable', value, TypeError)
}

/** @throws TypeError, RangeError */
export function checkAsk({ ttl, tags, forceRefresh = false }: Omit<GetOptions, 'signal'>): void {
  if (ttl !== undefined) checkMilliseconds('ttl', ttl)
  if (tags !== undefined) checkTags(tags)
  if (typeof forceRefresh !== 'boolean') {
    throw badValue('forceRefresh', 'a boolean', forceRefresh, TypeError)
  }
}

export function checkTags(tags: unknown): void {
  if (!Array.isArray(tags) || tags.some((tag) => typeof tag !== 'string')) {
    throw badValue('tags', 'an array of strings', tags, TypeError)
  }
}

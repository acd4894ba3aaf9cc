import { badValue, checkFunction, checkOptions } from '@uno-async/core'
import { AsyncCache } from './cache.js'
import type { AsyncCacheOptions } from './types.js'

/**
 * Gives `fn` a memory: a function that loads through a cache of its own, `cache`.
 *
 * Calls are the same if their arguments are, by type and structure: `1` is not `'1'`, and the order of an object's
 * keys does not matter. What cannot be told apart (functions, symbols, instances of classes, cycles) rejects with
 * a TypeError: give a `key` then.
 *
 * @param options - those of {@link AsyncCache}; `key`: makes the key of a call
 * @throws TypeError, RangeError
 * @example
 * ```ts
 * import { cached } from '@uno-async/cache'
 * const square = cached(async (n: number) => n * n, { ttl: 60_000 })
 * await square(3) // 9
 * await square.cache.close()
 * ```
 */
export function cached<A extends unknown[], V>(
  fn: (...args: A) => V | PromiseLike<V>,
  // `& {}`: what the arguments are is inferred from fn alone
  options?: AsyncCacheOptions<string, V> & { key?: ((...args: A & {}) => string) | undefined },
): ((...args: A) => Promise<V>) & { readonly cache: AsyncCache<string, V> } {
  checkFunction('fn', fn)
  const { key = (...args: A) => describe(args), ...rest } = checkOptions(options)
  checkFunction('key', key)
  const cache = new AsyncCache<string, V>(rest)
  const call = async (...args: A): Promise<V> => {
    const id: unknown = key(...args)
    if (typeof id !== 'string')
      throw badValue('key', 'a function that gives a string', id, TypeError)
    return cache.get(id, () => fn(...args))
  }
  return Object.assign(call, { cache })
}

function describe(value: unknown, within: readonly unknown[] = []): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value)
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value)
    case 'bigint':
      return `${value}n`
    case 'undefined':
    case 'boolean':
      return String(value)
    case 'object': {
      if (value === null) return 'null'
      if (within.includes(value)) break
      const path = [...within, value]
      const inner = (it: unknown): string => describe(it, path)
      const sorted = (kind: string, parts: Iterable<unknown>): string =>
        `${kind}{${Array.from(parts, inner).sort()}}`
      const prototype: unknown = Object.getPrototypeOf(value)
      const names = Object.keys(value)
      if (Object.getOwnPropertySymbols(value).length) break
      if (Array.isArray(value)) {
        // That of arrays is one itself, in any realm. Indices come first.
        if (!Array.isArray(prototype) || /\D/.test(names[names.length - 1] ?? '')) break
        return `[${Array.from(value, (it, i) => (i in value ? inner(it) : 'gap'))}]`
      }
      const isPlain = prototype === Object.prototype || prototype === null
      if (isPlain) return sorted('', Object.entries(value))
      if (names.length) break
      switch (prototype) {
        case Date.prototype:
          return `Date(${Number(value)})`
        case Map.prototype:
          return sorted('Map', value as Map<unknown, unknown>)
        case Set.prototype:
          return sorted('Set', value as Set<unknown>)
      }
    }
  }
  throw badValue('arguments', 'told apart by structure (or give `key`)', value, TypeError)
}

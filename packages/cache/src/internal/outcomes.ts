import type { BatchResult } from '../types.js'

/** Of another realm, too. */
export function isError(value: unknown): value is Error {
  return (
    typeof value === 'object' &&
    (value instanceof Error || Object.prototype.toString.call(value) === '[object Error]')
  )
}

/** Of another realm, or another make, too. */
function isMap<T, R>(result: BatchResult<T, R>): result is ReadonlyMap<T, R | Error> {
  const { has, get } = (result ?? {}) as Partial<ReadonlyMap<T, R>>
  return !Array.isArray(result) && typeof has === 'function' && typeof get === 'function'
}

/** Tells of each item how it went; throws if the result does not answer the items. */
export function outcomes<T, R>(
  who: string,
  items: readonly T[],
  result: BatchResult<T, R>,
): (item: T, index: number) => R | Error {
  if (isMap(result)) {
    return (item) =>
      result.has(item)
        ? (result.get(item) as R | Error)
        : new TypeError(`${who}: the Map has no result for this item`)
  }
  if (!Array.isArray(result)) {
    throw new TypeError(
      `${who}: expected an array or a Map of results, got ${result && typeof result}`,
    )
  }
  if (result.length !== items.length) {
    throw new TypeError(`${who}: got ${result.length} results for ${items.length} items`)
  }
  return (_, index) => result[index]
}

import type { Milliseconds } from './contracts.js'

/**
 * The error for a bad argument, worded alike in the whole family. `kind` defaults to RangeError for a
 * number (where a number was expected) and to TypeError for all else.
 *
 * @example
 * ```ts
 * import { badValue } from '@uno-async/core'
 * badValue('permits', 'a positive integer', -1).message // Expected `permits` to be a positive integer, got `-1` (number)
 * ```
 */
export function badValue(
  option: string,
  expected: string,
  value: unknown,
  kind: ErrorConstructor = typeof value === 'number' ? RangeError : TypeError,
): Error {
  const shown = Object(value) === value ? Object.prototype.toString.call(value) : String(value)
  return new kind(`Expected \`${option}\` to be ${expected}, got \`${shown}\` (${typeof value})`)
}

/** Gives `value` back if it is a duration: a number from 0 to `Infinity`. @throws TypeError, RangeError */
export function checkMilliseconds(option: string, value: unknown): Milliseconds {
  if (typeof value === 'number' && value >= 0) return value
  throw badValue(option, 'a duration in milliseconds (>= 0)', value)
}

/** Gives `value` back if it is a safe integer of at least `min`. @throws TypeError, RangeError */
export function checkInteger(option: string, value: unknown, min: number): number {
  if (Number.isSafeInteger(value) && (value as number) >= min) return value as number
  throw badValue(option, min === 1 ? 'a positive integer' : `an integer >= ${min}`, value)
}

const NONE = {}

/** Gives options back, `{}` where there are none. @throws TypeError if they are no object */
export function checkOptions<O extends object>(options: O | undefined): O {
  if (options === undefined) return NONE as O
  if (typeof options === 'object' && options !== null) return options
  throw badValue('options', 'an object', options, TypeError)
}

/** @internal */
export function checkType(option: string, value: unknown, type: 'string' | 'boolean'): void {
  if (value === undefined || typeof value === type) return
  throw badValue(option, `a ${type}`, value, TypeError)
}

/** Gives `value` back if it can be called. @throws TypeError, RangeError */
export function checkFunction<F>(option: string, value: F): F {
  if (typeof value === 'function') return value
  throw badValue(option, 'a function', value, TypeError)
}

import {
  badValue,
  checkInteger,
  checkMilliseconds,
  checkOptions as checkObject,
} from '@uno-async/core'
import type { TaskGroupOptions } from '../types.js'

/** Gives options back, `{}` where there are none. @throws TypeError if they are no object, or an array, as tasks are */
export function checkOptions<O extends object>(options: O | undefined): O {
  if (Array.isArray(options)) throw badValue('options', 'an object', options, TypeError)
  return checkObject(options)
}

/** @throws TypeError */
export function checkType(
  option: string,
  value: unknown,
  type: 'string' | 'boolean' | 'function',
): void {
  if (value === undefined || typeof value === type) return
  throw badValue(option, `a ${type}`, value, TypeError)
}

/** What a function is called. That of a mock or of a stub for a remote one may be anything, or throw, and is then none. */
export function nameOf(run: { readonly name: unknown }): string {
  try {
    const { name } = run
    return typeof name === 'string' ? name : ''
  } catch {
    return ''
  }
}

export function checkConcurrency(value: unknown): number {
  return value === Infinity ? value : checkInteger('concurrency', value, 1)
}

export type Settings = TaskGroupOptions & {
  readonly concurrency: number
  readonly cancelOnError: boolean
  readonly grace: number
}

const DEFAULTS: Settings = { concurrency: Infinity, cancelOnError: true, grace: Infinity }

export function checkGroupOptions(options: TaskGroupOptions | undefined): Settings {
  if (options === undefined) return DEFAULTS
  const {
    name,
    cancelOnError = true,
    concurrency = Infinity,
    grace = Infinity,
  } = checkOptions(options)
  checkType('name', name, 'string')
  checkType('cancelOnError', cancelOnError, 'boolean')
  checkType('onTaskError', options.onTaskError, 'function')
  checkType('onStraggler', options.onStraggler, 'function')
  checkConcurrency(concurrency)
  checkMilliseconds('grace', grace)
  return { ...options, cancelOnError, concurrency, grace }
}

import { badValue, checkFunction, checkInteger, checkMilliseconds } from '@uno-async/core'
import type { TaskGroupOptions } from '../types.js'
import { isThenable } from './thenable.js'

/** Gives `options` back if they may be some. @throws TypeError */
export function checkOptions<O>(options: O): O {
  if (typeof options === 'object' && options && !Array.isArray(options)) return options
  throw badValue('options', 'an object', options, TypeError)
}

export function checkName(name: unknown): void {
  if (name !== undefined && typeof name !== 'string') {
    throw badValue('name', 'a string', name, TypeError)
  }
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

export function checkFlag(option: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'boolean') {
    throw badValue(option, 'true or false', value, TypeError)
  }
}

export function checkConcurrency(value: unknown): number {
  return value === Infinity ? value : checkInteger('concurrency', value, 1)
}

export function checkPromise(option: string, value: unknown): void {
  if (!isThenable(value)) throw badValue(option, 'a promise', value, TypeError)
}

export function checkHook<F>(option: string, value: F): F {
  return value === undefined ? value : checkFunction(option, value)
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
  checkName(name)
  checkFlag('cancelOnError', cancelOnError)
  checkHook('onTaskError', options.onTaskError)
  checkHook('onStraggler', options.onStraggler)
  checkConcurrency(concurrency)
  checkMilliseconds('grace', grace)
  return { ...options, cancelOnError, concurrency, grace }
}

import { badValue, checkFunction, checkInteger, checkMilliseconds } from '@uno-async/core'
import type { TaskGroupOptions } from '../types.js'

export function checkName(name: unknown): void {
  if (name !== undefined && typeof name !== 'string') {
    throw badValue('name', 'a string', name, TypeError)
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

export function checkHook<F>(option: string, value: F): F {
  return value === undefined ? value : checkFunction(option, value)
}

export type Settings = TaskGroupOptions & {
  concurrency: number
  cancelOnError: boolean
  grace: number
}

export function checkGroupOptions(options: TaskGroupOptions): Settings {
  const { name, cancelOnError, concurrency = Infinity, grace = Infinity } = options
  checkName(name)
  checkFlag('cancelOnError', cancelOnError)
  checkHook('onTaskError', options.onTaskError)
  checkHook('onStraggler', options.onStraggler)
  return {
    ...options,
    cancelOnError: cancelOnError !== false,
    concurrency: checkConcurrency(concurrency),
    grace: checkMilliseconds('grace', grace),
  }
}

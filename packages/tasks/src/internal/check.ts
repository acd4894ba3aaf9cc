import { badValue, checkInteger } from '@uno-async/core'

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

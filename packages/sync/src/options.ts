import { badValue, checkInteger } from '@uno-async/core'

/** What everything with a line takes. */
export interface QueueOptions {
  /** For `inspect()` and messages. */
  name?: string | undefined
  /** How many may wait, default `Infinity`; beyond it a QueueFullError at once. */
  maxWaiting?: number | undefined
}

export function checkString(option: string, value: unknown): string {
  if (typeof value === 'string') return value
  throw badValue(option, 'a string', value, TypeError)
}

export function checkBoolean(option: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw badValue(option, 'a boolean', value, TypeError)
}

/** An integer of at least `min`, or Infinity. */
export function checkCount(option: string, value: unknown, min = 0): number {
  return value === Infinity ? value : checkInteger(option, value, min)
}

import { badValue, checkFunction, checkMilliseconds, type Milliseconds } from '@uno-async/core'
import { checkChoice } from './call.js'

/** How the pauses between attempts grow. The jittered kinds spread those who failed together. */
export type Backoff =
  | 'constant'
  | 'linear'
  | 'exponential'
  | 'full-jitter'
  | 'equal-jitter'
  | 'decorrelated-jitter'

const KINDS: readonly Backoff[] = [
  'constant',
  'linear',
  'exponential',
  'full-jitter',
  'equal-jitter',
  'decorrelated-jitter',
]

export interface BackoffOptions {
  baseDelay?: Milliseconds | undefined
  maxDelay?: Milliseconds | undefined
  factor?: number | undefined
  backoff?: Backoff | undefined
  random?: (() => number) | undefined
}

/** Checks the options; what it gives tells the pause after an attempt, from the pause before it. */
export function backoffOf(
  options: BackoffOptions,
): (attempt: number, previous: Milliseconds | undefined) => Milliseconds {
  const {
    baseDelay = 100,
    maxDelay = 10_000,
    factor = 2,
    backoff = 'full-jitter',
    random = Math.random,
  } = options
  checkFunction('random', random)
  checkMilliseconds('baseDelay', baseDelay)
  checkMilliseconds('maxDelay', maxDelay)
  checkChoice('backoff', KINDS, backoff)
  if (typeof factor !== 'number' || !(factor >= 1))
    throw badValue('factor', 'a number >= 1', factor)
  const { MAX_VALUE } = Number
  const capped = (delay: number): number => Math.min(delay, maxDelay, MAX_VALUE)
  const base = capped(baseDelay)
  return (attempt, previous = base) => {
    if (backoff === 'constant') return base
    if (backoff === 'linear') return capped(base * attempt)
    if (backoff === 'decorrelated-jitter') {
      return capped(base + random() * (capped(previous * 3) - base))
    }
    // Infinity times a base of 0 would not be a number.
    const delay = capped(base * Math.min(factor ** (attempt - 1), MAX_VALUE))
    if (backoff === 'exponential') return delay
    return backoff === 'full-jitter' ? random() * delay : delay * (0.5 + random() / 2)
  }
}

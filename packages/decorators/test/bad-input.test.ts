import {
  cancellable,
  concurrentLimited,
  rateLimited,
  retry,
  retryBudget,
  timeoutHandler,
} from '@uno-async/decorators'
import { describe, expect, it } from 'vitest'

const values: unknown[] = [
  undefined,
  null,
  'text',
  true,
  NaN,
  -1,
  0,
  1.5,
  Infinity,
  2 ** 53,
  {},
  [],
  () => 1,
  Symbol('s'),
]
const name = (it: unknown) =>
  typeof it === 'function' ? 'function' : (JSON.stringify(it) ?? String(it))

// What each option accepts of the values; all else is a TypeError or a RangeError.
const duration = [undefined, 0, 1.5, Infinity, 2 ** 53]
const hook = [undefined, values[12]]
const common = {
  name: [undefined, 'text'],
  signal: [undefined, null, values[12]],
  signalArgument: [undefined, 0],
}
const scope = [undefined, values[12]]
const line = {
  ...common,
  limit: [],
  whenLimited: [undefined],
  maxWaiting: [undefined, 0, Infinity],
  per: scope,
}
const tables: [string, (options: object) => unknown, object, Record<string, unknown[]>][] = [
  ['cancellable', (it) => cancellable(it), {}, { ...common, mode: [undefined] }],
  [
    'timeoutHandler',
    (it) => timeoutHandler(it as never),
    { timeout: 1 },
    {
      ...common,
      timeout: [0, 1.5, Infinity, 2 ** 53, values[12]],
      message: [undefined, 'text'],
      mode: [undefined],
      grace: duration,
      fallback: hook,
      onLate: hook,
    },
  ],
  [
    'retry',
    (it) => retry(it),
    {},
    {
      ...common,
      maxAttempts: [undefined, Infinity],
      baseDelay: duration,
      maxDelay: duration,
      factor: [undefined, 1.5, Infinity, 2 ** 53],
      backoff: [undefined],
      delay: hook,
      retryOn: [undefined, values[11]],
      shouldRetry: hook,
      shouldRetryResult: hook,
      onRetry: hook,
      timeout: duration,
      attemptTimeout: duration,
      budget: [undefined],
      random: hook,
    },
  ],
  [
    'rateLimited',
    (it) => rateLimited(it as never),
    { limit: 1 },
    { ...line, interval: [undefined, 1.5, 2 ** 53], burst: [undefined] },
  ],
  ['concurrentLimited', (it) => concurrentLimited(it as never), { limit: 1 }, line],
  [
    'retryBudget',
    (it) => retryBudget(it),
    {},
    {
      ratio: [undefined, 0, 1.5, Infinity, 2 ** 53],
      minPerSecond: [undefined, 0, 1.5, Infinity, 2 ** 53],
      ttl: [undefined, 1.5, 2 ** 53],
    },
  ],
]

describe.each(tables)('%s', (_, make, options, table) => {
  it.each(Object.entries(table))('`%s`', (option, accepted) => {
    for (const value of values) {
      const attempt = () => make({ ...options, [option]: value })
      if (accepted.includes(value)) expect(attempt, name(value)).not.toThrow()
      else {
        expect(attempt, name(value)).toThrow(/^Expected `\w+` to be /)
        expect(attempt, name(value)).toThrow(typeof value === 'number' ? Error : TypeError)
      }
    }
  })
})

describe('instead of options', () => {
  const no = [null, 'text', true, Symbol('s')]
  it.each(no)('%s is refused', (value) => {
    for (const make of [retry, timeoutHandler, rateLimited, concurrentLimited]) {
      expect(() => (make as (it: unknown) => unknown)(value)).toThrow(TypeError)
    }
    if (value !== null) expect(() => cancellable(value as never)).toThrow(TypeError)
  })

  it.each([NaN, -1])('%s is no timeout', (value) => {
    expect(() => timeoutHandler(value)).toThrow(RangeError)
  })

  it.each([NaN, -1, 0, 1.5, Infinity, 2 ** 53])('%s is no limit', (value) => {
    expect(() => concurrentLimited(value)).toThrow(RangeError)
  })

  it('nothing is enough for retry, cancellable and retryBudget only', () => {
    for (const make of [retry, cancellable, retryBudget]) expect(() => make()).not.toThrow()
    for (const make of [timeoutHandler, rateLimited, concurrentLimited]) {
      expect(() => (make as (it?: unknown) => unknown)()).toThrow(TypeError)
    }
  })
})

it('takes no array for options, and only true or false for aggregate', () => {
  expect(() => retry([] as never)).toThrow(TypeError)
  expect(() => cancellable([] as never)).toThrow(TypeError)
  expect(() => retry({ aggregate: 1 as never })).toThrow('Expected `aggregate`')
})

it('retry takes no function for options, so that it is not used bare unnoticed', () => {
  const bare = retry as (value: unknown, context?: unknown) => unknown
  expect(() => bare(async () => 1)).toThrow('Expected `options` to be an object')
  expect(() => bare(async () => 1, { kind: 'method', name: 'it' })).toThrow(TypeError)
})

it('takes no half of a budget', () => {
  const deposit = () => {}
  const withdraw = () => true
  expect(() => retry({ budget: { deposit } as never })).toThrow('Expected `budget`')
  expect(() => retry({ budget: { withdraw } as never })).toThrow('Expected `budget`')
  expect(() => retry({ budget: { deposit, withdraw } })).not.toThrow()
})

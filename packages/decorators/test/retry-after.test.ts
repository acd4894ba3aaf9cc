import { isMainThread } from 'node:worker_threads'
import { RateLimitError } from '@uno-async/core'
import { retryAfter } from '@uno-async/decorators'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'

beforeEach(() => void vi.useFakeTimers({ now: Date.parse('2030-01-02T03:04:05Z') }))
afterEach(() => {
  vi.unstubAllEnvs()
  vi.useRealTimers()
})

const headers = (value: string) => new Headers({ 'Retry-After': value })

it.each([
  ['120', 120_000],
  ['0', 0],
  [' 7 ', 7_000],
  ['0.5', 500],
  ['Wed, 02 Jan 2030 03:04:35 GMT', 30_000],
  ['Wednesday, 02-Jan-30 03:04:35 GMT', 30_000],
  ['Wed Jan  2 03:04:35 2030 GMT', 30_000],
  ['Wed, 02 Jan 2030 03:04:00 GMT', 0],
  ['', undefined],
  ['soon', undefined],
  ['-5', undefined],
  ['1e3', undefined],
  ['0x10', undefined],
  ['Infinity', undefined],
  ['2030', 2_030_000],
])('Retry-After: %s is %s ms', (value, expected) => {
  expect(retryAfter(new Response(null, { headers: { 'Retry-After': value } }))).toBe(expected)
  expect(retryAfter({ response: { headers: headers(value) } })).toBe(expected)
})

it.each([
  [new RateLimitError('', { retryAfter: 250 }), 250],
  [Object.assign(new Error(), { headers: { 'retry-after': '2' } }), 2_000],
  [Object.assign(new Error(), { headers: { 'Retry-After': 3 } }), 3_000],
  [Object.assign(new Error(), { response: { headers: new Map([['retry-after', '4']]) } }), 4_000],
  [{ headers: {}, response: { headers: { 'retry-after': ['5'] } } }, 5_000],
  [{ retryAfter: 1, headers: { 'retry-after': '9' } }, 1],
  [{ retryAfter: NaN, headers: { 'retry-after': '9' } }, 9_000],
  [{ retryAfter: '9' }, undefined],
  [{ response: null }, undefined],
  [{ headers: null }, undefined],
  [new Error(), undefined],
  [undefined, undefined],
  [null, undefined],
  ['text', undefined],
  [42, undefined],
])('reads %o: %s', (value, expected) => {
  expect(retryAfter(value)).toBe(expected)
})

it.each([
  new Map([['Retry-After', '1']]),
  new Map([['retry-after', '1']]),
  { 'RETRY-AFTER': '1' },
  new Headers({ 'Retry-After': '1' }),
])('finds the header whatever its case', (headers) => {
  expect(retryAfter({ headers })).toBe(1000)
})

// A thread of its own cannot set the time zone
it.runIf(isMainThread)('reads a date without a zone as GMT, wherever it runs', () => {
  vi.stubEnv('TZ', 'America/New_York')
  expect(new Date().getTimezoneOffset()).toBe(300)
  for (const date of ['Wed Jan  2 03:04:35 2030', 'Wed, 02 Jan 2030 03:04:35']) {
    expect(retryAfter({ headers: { 'retry-after': date } })).toBe(30_000)
  }
  expect(retryAfter({ headers: { 'retry-after': 'Wed, 02 Jan 2030 04:04:35 +0100' } })).toBe(30_000)
})

import * as core from '@uno-async/core'
import {
  AsyncVariable,
  badValue,
  CancellationToken,
  CancellationTokenSource,
  checkFunction,
  checkInteger,
  checkMilliseconds,
  delay,
  shield,
  WaitQueue,
} from '@uno-async/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const values: Record<string, unknown> = {
  undefined: undefined,
  null: null,
  string: 'x',
  numeral: '5',
  empty: '',
  true: true,
  object: {},
  array: [],
  function: () => {},
  symbol: Symbol('s'),
  bigint: 5n,
  date: new Date(0),
  NaN: NaN,
  '-1': -1,
  '-Infinity': -Infinity,
  '0': 0,
  '1.5': 1.5,
  '2^53': 2 ** 53,
  Infinity: Infinity,
}

type Names = readonly string[]
const numbers: Names = ['0', '1.5', '2^53', 'Infinity']
const anyNumber: Names = [...numbers, '-1', '-Infinity']
const everything: Names = Object.keys(values)
const objects: Names = ['object', 'array', 'date']
const strings: Names = ['string', 'numeral', 'empty']

const source = () => new CancellationTokenSource()
const token = () => source().token

/** Each public option: its name in messages, what it is said to be, which values are fine, how to use it. */
const table: [string, string, string, Names, (value: never) => unknown][] = [
  [
    'CancellationTokenSource options',
    'options',
    'an object',
    ['undefined', ...objects],
    (options) => new CancellationTokenSource(options),
  ],
  [
    'CancellationToken.timeout options',
    'options',
    'an object',
    ['undefined', ...objects],
    (options) => CancellationToken.timeout(5, options),
  ],
  [
    'AsyncVariable options',
    'options',
    'an object',
    ['undefined', ...objects],
    (options) => new AsyncVariable(options),
  ],
  [
    'WaitQueue options',
    'options',
    'an object',
    ['undefined', ...objects],
    (options) => new WaitQueue(options),
  ],
  [
    'shield options',
    'options',
    'an object',
    ['undefined', ...objects],
    (options) => shield(() => 1, options),
  ],
  [
    'delay options',
    'options',
    'an object',
    ['undefined', ...objects],
    async (options) => {
      const waiting = delay(5, options)
      waiting.catch(() => {})
      await vi.advanceTimersByTimeAsync(5)
      await waiting
    },
  ],
  [
    'CancellationTokenSource timeout',
    'timeout',
    'a duration in milliseconds (>= 0)',
    ['undefined', ...numbers],
    (timeout) => new CancellationTokenSource({ timeout }),
  ],
  [
    'CancellationTokenSource deadline',
    'deadline',
    'a point on the performance.now() scale',
    ['undefined', ...anyNumber],
    (deadline) => new CancellationTokenSource({ deadline }),
  ],
  [
    'CancellationTokenSource name',
    'name',
    'a string',
    ['undefined', ...strings],
    (name) => new CancellationTokenSource({ name }),
  ],
  [
    'CancellationTokenSource ref',
    'ref',
    'a boolean',
    ['undefined', 'true'],
    (ref) => new CancellationTokenSource({ ref }),
  ],
  [
    'CancellationTokenSource signal',
    'signal',
    'an AbortSignal or a CancellationToken',
    ['undefined', 'null', 'array'],
    (signal) => new CancellationTokenSource({ signal }),
  ],
  [
    'CancellationTokenSource signal, one of many',
    'signal',
    'an AbortSignal or a CancellationToken',
    ['undefined', 'null'],
    (signal) => new CancellationTokenSource({ signal: [token(), signal] }),
  ],
  ['cancel', 'reason', '', everything, (reason) => source().cancel(reason)],
  [
    'cancelAfter',
    'after',
    'a duration in milliseconds (>= 0)',
    numbers,
    (after) => source().cancelAfter(after),
  ],
  [
    'CancellationToken.from',
    'signal',
    'an AbortSignal or a CancellationToken',
    ['undefined', 'null'],
    (signal) => CancellationToken.from(signal),
  ],
  [
    'CancellationToken.any',
    'signal',
    'an AbortSignal or a CancellationToken',
    ['undefined', 'null'],
    (signal) => CancellationToken.any(token(), signal),
  ],
  ['CancellationToken.cancelled', 'reason', '', everything, CancellationToken.cancelled],
  ['CancellationToken.is', 'value', '', everything, CancellationToken.is],
  [
    'CancellationToken.timeout',
    'after',
    'a duration in milliseconds (>= 0)',
    numbers,
    (after) => CancellationToken.timeout(after),
  ],
  [
    'CancellationToken.timeout signal',
    'signal',
    'an AbortSignal or a CancellationToken',
    ['undefined', 'null'],
    (signal) => CancellationToken.timeout(5, { signal }),
  ],
  [
    'CancellationToken.timeout message',
    'message',
    'a string',
    ['undefined', ...strings],
    (message) => CancellationToken.timeout(5, { message }),
  ],
  [
    'onCancelled',
    'callback',
    'a function',
    ['function'],
    (callback) => token().onCancelled(callback),
  ],
  [
    'onCancelled on a cancelled token',
    'callback',
    'a function',
    ['function'],
    (callback) => CancellationToken.cancelled().onCancelled(callback),
  ],
  ['owns', 'error', '', everything, (error) => token().owns(error)],
  ['owns when cancelled', 'error', '', everything, (e) => CancellationToken.cancelled().owns(e)],
  ['race', 'promise', '', everything, (promise) => token().race(promise)],
  [
    'delay',
    'duration',
    'a duration in milliseconds (>= 0)',
    numbers,
    async (duration) => {
      const stop = source()
      const waiting = delay(duration, { signal: stop.token })
      stop.cancel('stopped')
      await waiting
    },
  ],
  [
    'delay unref',
    'unref',
    'a boolean',
    ['undefined', 'true'],
    async (unref) => {
      const waiting = delay(5, { unref })
      waiting.catch(() => {})
      await vi.advanceTimersByTimeAsync(5)
      await waiting
    },
  ],
  [
    'delay signal',
    'signal',
    'an AbortSignal or a CancellationToken',
    ['undefined', 'null'],
    async (signal) => {
      const waiting = delay(5, { signal })
      waiting.catch(() => {})
      await vi.advanceTimersByTimeAsync(5)
      await waiting
    },
  ],
  ['shield', 'fn', 'a function', ['function'], (fn) => shield(fn)],
  [
    'shield timeout',
    'timeout',
    'a duration in milliseconds (>= 0)',
    ['undefined', ...numbers],
    (timeout) => shield(() => {}, { timeout }),
  ],
  [
    'AsyncVariable name',
    'name',
    'a string',
    ['undefined', ...strings],
    (name) => new AsyncVariable({ name }),
  ],
  [
    'WaitQueue onLeave',
    'onLeave',
    'a function',
    ['undefined', 'function'],
    (onLeave) => new WaitQueue({ onLeave }),
  ],
  [
    'WaitQueue wait timeout',
    'timeout',
    'a duration in milliseconds (>= 0)',
    ['undefined', ...numbers],
    (timeout) => waited({ timeout }),
  ],
  [
    'WaitQueue wait priority',
    'priority',
    'a number',
    ['undefined', ...anyNumber],
    (priority) => waited({ priority }),
  ],
  [
    'WaitQueue wait onTimeout',
    'onTimeout',
    'a function',
    ['undefined', 'function'],
    (onTimeout) => waited({ onTimeout }),
  ],
  [
    'WaitQueue wait signal',
    'signal',
    'an AbortSignal or a CancellationToken',
    ['undefined', 'null'],
    (signal) => waited({ signal }),
  ],
  [
    'checkMilliseconds',
    'option',
    'a duration in milliseconds (>= 0)',
    numbers,
    (value) => checkMilliseconds('option', value),
  ],
  [
    'checkInteger from 1',
    'option',
    'a positive integer',
    [],
    (value) => checkInteger('option', value, 1),
  ],
  [
    'checkInteger from 0',
    'option',
    'an integer >= 0',
    ['0'],
    (value) => checkInteger('option', value, 0),
  ],
  ['checkFunction', 'option', 'a function', ['function'], (fn) => checkFunction('option', fn)],
]

async function waited(options: object): Promise<void> {
  const queue = new WaitQueue()
  const waiting = queue.wait(options)
  waiting.catch(() => {})
  queue.wake()
  try {
    await waiting
  } catch (error) {
    if ((error as Error).name !== 'TimeoutError') throw error
  }
}

const isAsync = /^(delay|WaitQueue wait)/

describe.each(table)('%s', (title, option, expected, fine, use) => {
  it.each(Object.entries(values))('given %s', async (name, value) => {
    let error: unknown
    let late = false
    try {
      const result = use(value as never)
      late = true
      await result
    } catch (thrown) {
      error = thrown
    }
    if (fine.includes(name)) {
      if ((error as Error | undefined)?.message === 'The operation was cancelled') return
      expect(error).toBe(undefined)
      return
    }
    expect(late).toBe(isAsync.test(title))
    const shown =
      Object(value) === value
        ? Object.prototype.toString.call(value)
        : String(value as string | number)
    expect((error as Error).message).toBe(
      `Expected \`${option}\` to be ${expected}, got \`${shown}\` (${typeof value})`,
    )
    const numeric =
      !['a function', 'a string', 'a boolean', 'an object'].includes(expected) &&
      option !== 'signal'
    const kind = typeof value === 'number' && numeric ? RangeError : TypeError
    expect((error as Error).constructor).toBe(kind)
  })
})

describe('an options object that is null', () => {
  it('is a TypeError', async () => {
    const nothing = null as never
    expect(() => new CancellationTokenSource(nothing)).toThrow(TypeError)
    expect(() => CancellationToken.timeout(5, nothing)).toThrow(TypeError)
    expect(() => shield(() => {}, nothing)).toThrow(TypeError)
    expect(() => new AsyncVariable(nothing)).toThrow(TypeError)
    expect(() => new WaitQueue(nothing)).toThrow(TypeError)
    await expect(delay(5, nothing)).rejects.toThrow(TypeError)
    await expect(new WaitQueue().wait(nothing)).rejects.toThrow(TypeError)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('a signal that only looks like one', () => {
  it.each([
    { aborted: false },
    { aborted: 'no', addEventListener() {} },
    { addEventListener() {} },
    Object.create(null),
  ])('%o is a TypeError', (signal) => {
    expect(() => CancellationToken.from(signal as never)).toThrow(TypeError)
  })
})

describe('what was rejected', () => {
  it('has left nothing behind', async () => {
    const queue = new WaitQueue()
    const { token } = source()
    await expect(queue.wait({ signal: token, timeout: -1 })).rejects.toThrow(RangeError)
    await expect(queue.wait({ signal: 5 as never, timeout: 5 })).rejects.toThrow(TypeError)
    await expect(delay(-1, { signal: token })).rejects.toThrow(RangeError)
    expect([queue.size, vi.getTimerCount()]).toEqual([0, 0])
  })
})

describe('badValue', () => {
  it('says option, expectation, value and type', () => {
    expect(badValue('permits', 'a positive integer', -1)).toEqual(
      new RangeError('Expected `permits` to be a positive integer, got `-1` (number)'),
    )
    expect(badValue('fn', 'a function', 5, TypeError)).toBeInstanceOf(TypeError)
    const odd = [Object.create(null), Symbol('x'), new Proxy({}, {}), class {}]
    for (const value of odd) expect(badValue('x', 'y', value)).toBeInstanceOf(TypeError)
  })
})

it('says all that the package exports', () => {
  expect(Object.keys(core).sort()).toEqual([
    'AsyncVariable',
    'CancellationToken',
    'CancellationTokenSource',
    'CancelledError',
    'ClosedError',
    'QueueFullError',
    'RateLimitError',
    'TimeoutError',
    'UnoAsyncError',
    'WaitQueue',
    'badValue',
    'captureContext',
    'checkFunction',
    'checkInteger',
    'checkMilliseconds',
    'checkOptions',
    'currentFrame',
    'delay',
    'enableAsyncContext',
    'isCancelled',
    'isTimeout',
    'report',
    'runIn',
    'shield',
    'valueIn',
    'withValue',
  ])
})

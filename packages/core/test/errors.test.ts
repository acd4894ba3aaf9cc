import { inspect } from 'node:util'
import { runInNewContext } from 'node:vm'
import {
  CancellationToken,
  CancelledError,
  ClosedError,
  isCancelled,
  isTimeout,
  QueueFullError,
  RateLimitError,
  TimeoutError,
  UnoAsyncError,
} from '@uno-async/core'
import { describe, expect, it } from 'vitest'

const classes = [
  [UnoAsyncError, 'UnoAsyncError', 'ERR_UNO_ASYNC'],
  [CancelledError, 'AbortError', 'ABORT_ERR'],
  [TimeoutError, 'TimeoutError', 'ETIMEDOUT'],
  [ClosedError, 'ClosedError', 'ERR_CLOSED'],
  [QueueFullError, 'QueueFullError', 'ERR_QUEUE_FULL'],
  [RateLimitError, 'RateLimitError', 'ERR_RATE_LIMITED'],
] as const

describe.each(classes)('%o', (Class, name, code) => {
  it('is an Error with a literal name, a code, a message and a cause', () => {
    const cause = new Error('cause')
    const error = new Class('what happened', { cause })
    expect(error).toBeInstanceOf(Error)
    expect(error).toBeInstanceOf(UnoAsyncError)
    expect(error).toBeInstanceOf(Class)
    expect([error.name, error.code, error.message, error.cause]).toEqual([
      name,
      code,
      'what happened',
      cause,
    ])
    expect(String(error)).toBe(`${name}: what happened`)
    expect(error.stack).toContain(`${name}: what happened\n`)
    expect(inspect(error)).toContain(name)
    expect('cause' in new Class('x')).toBe(false)
    expect(Object.keys(error)).not.toContain('name')
  })

  it('is none of the others', () => {
    const error = new Class('x')
    const others = classes.filter(([Other]) => Other !== Class && Other !== UnoAsyncError)
    for (const [Other] of others) expect(error instanceof Other).toBe(false)
  })

  it('matches no primitive, no plain object and no prototype', () => {
    for (const value of [undefined, null, 0, 'x', {}, Object.create(null), new Error('x')]) {
      expect(value instanceof Class).toBe(false)
    }
    const lookalike = Object.assign(new Error('x'), { code })
    Object.defineProperty(lookalike, 'name', { value: name })
    expect(lookalike instanceof Class).toBe(false)
  })

  it('can be subclassed: instances match their bases and not their siblings', () => {
    const Base = Class as typeof UnoAsyncError
    class One extends Base {}
    class Two extends Base {}
    class Named extends Base {
      override get name() {
        return 'NamedError'
      }
    }
    class Deep extends Named {}
    const [one, named, deep] = [new One('x'), new Named('x'), new Deep('x')]
    expect([one instanceof One, one instanceof Class, one instanceof Two]).toEqual([
      true,
      true,
      false,
    ])
    expect([named instanceof Named, named instanceof Class, named instanceof One]).toEqual([
      true,
      true,
      false,
    ])
    expect([deep instanceof Deep, deep instanceof Named, deep instanceof Class]).toEqual([
      true,
      true,
      true,
    ])
    expect([new Class('x') instanceof One, new Class('x') instanceof Named]).toEqual([false, false])
    expect([one.name, named.name, deep.name]).toEqual([name, 'NamedError', 'NamedError'])
  })

  it('lets a subclass assign its name, as people do', () => {
    class Custom extends (Class as typeof UnoAsyncError) {
      constructor() {
        super('x')
        Object.assign(this, { name: 'CustomError' })
      }
    }
    const error = new Custom()
    expect(error.name).toBe('CustomError')
    expect([error instanceof Custom, error instanceof Class]).toEqual([true, true])
    const renamed = Object.assign(new Class('x'), { name: 'ClosedError' })
    expect(renamed instanceof ClosedError).toBe((Class as unknown) === ClosedError)
  })
})

describe('messages', () => {
  it('have defaults', () => {
    expect(new CancelledError().message).toBe('The operation was cancelled')
    expect(new TimeoutError().message).toBe('Timed out')
    expect(new TimeoutError(undefined, { timeout: 5 }).message).toBe('Timed out after 5 ms')
    expect(new TimeoutError(undefined, { operation: 'job' }).message).toBe('"job" timed out')
    expect(new TimeoutError(undefined, { timeout: 5, operation: 'job' }).message).toBe(
      '"job" timed out after 5 ms',
    )
    expect(new TimeoutError('mine', { timeout: 5 }).message).toBe('mine')
  })

  it('come with plain fields', () => {
    expect(new TimeoutError('x')).toMatchObject({ timeout: NaN })
    expect('operation' in new TimeoutError('x')).toBe(false)
    const full = new TimeoutError('x', { timeout: 5, operation: 'job' })
    expect(full).toMatchObject({ timeout: 5, operation: 'job' })
    expect(new RateLimitError('x').retryAfter).toBe(0)
    expect(new RateLimitError('x', { retryAfter: 5 }).retryAfter).toBe(5)
  })
})

describe('isCancelled', () => {
  it('knows a cancellation of whoever made it', () => {
    class Mine extends CancelledError {
      override get name() {
        return 'Mine'
      }
    }
    const yes = [
      new CancelledError(),
      new Mine(),
      new DOMException('x', 'AbortError'),
      AbortSignal.abort().reason,
      Object.assign(new Error('x'), { code: 'ABORT_ERR' }),
      { name: 'AbortError' },
      runInNewContext('Object.assign(new Error(), { name: "AbortError" })'),
      CancellationToken.cancelled('text').error,
    ]
    for (const error of yes) expect([isCancelled(error), isTimeout(error)]).toEqual([true, false])
  })

  it('does not take anything else for one', () => {
    const no = [undefined, null, 0, 'AbortError', {}, new Error('AbortError'), new UnoAsyncError()]
    for (const error of no) expect([isCancelled(error), isTimeout(error)]).toEqual([false, false])
  })
})

describe('isTimeout', () => {
  it('knows a timeout of whoever made it', () => {
    class Mine extends TimeoutError {
      override get name() {
        return 'Mine'
      }
    }
    const yes = [
      new TimeoutError(),
      new Mine(),
      new DOMException('x', 'TimeoutError'),
      Object.assign(new Error('connect'), { code: 'ETIMEDOUT' }),
      CancellationToken.timeout(0).reason,
    ]
    for (const error of yes) expect([isTimeout(error), isCancelled(error)]).toEqual([true, false])
  })
})

it('a TimeoutError says in its message how long to the microsecond, and in `timeout` exactly', () => {
  for (const [timeout, said] of [
    [5.380342000000382, '5.38'],
    [0.1 + 0.2, '0.3'],
    [49.99987, '50'],
    [1.5, '1.5'],
    [2 ** 53, '9007199254740992'],
    [Number.MAX_VALUE, '1.7976931348623157e+308'],
    [Infinity, 'Infinity'],
  ] as const) {
    const error = new TimeoutError(undefined, { timeout })
    expect(error.message).toBe(`Timed out after ${said} ms`)
    expect(error.timeout).toBe(timeout)
  }
})

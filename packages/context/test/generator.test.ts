import {
  AsyncExitStack,
  asyncContextManager,
  ContextProtocolError,
  SUPPRESS,
  withContext,
} from '@uno-async/context'
import { CancellationToken, CancellationTokenSource, CancelledError, delay } from '@uno-async/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

const body = new Error('body')
const fail = () => {
  throw body
}
const suppressed = (error: unknown, suppressed: unknown) =>
  expect.objectContaining({ name: 'SuppressedError', error, suppressed })

describe('asyncContextManager', () => {
  it('enters up to the yield, gives what it yields, and exits after it', async () => {
    const log: string[] = []
    const open = asyncContextManager(async function* (name: string) {
      log.push(`open ${name}`)
      yield { name }
      log.push(`close ${name}`)
    })
    const result = await withContext(open('db'), async ({ name }) => {
      log.push('body')
      return name
    })
    expect(result).toBe('db')
    expect(log).toEqual(['open db', 'body', 'close db'])
  })

  it('makes a new manager for each call', async () => {
    let entries = 0
    const counted = asyncContextManager(async function* () {
      yield ++entries
    })
    expect(await withContext(counted(), (it) => it)).toBe(1)
    expect(await withContext(counted(), (it) => it)).toBe(2)
  })

  it('throws the error of the body at the yield, and lets it through as it is', async () => {
    let seen: unknown
    const manager = asyncContextManager(async function* () {
      try {
        yield
      } catch (error) {
        seen = error
        throw error
      }
    })
    await expect(withContext(manager(), fail)).rejects.toBe(body)
    expect(seen).toBe(body)
  })

  it('runs finally when the body failed', async () => {
    let cleaned = false
    const manager = asyncContextManager(async function* () {
      try {
        yield
      } finally {
        cleaned = true
      }
    })
    await expect(withContext(manager(), fail)).rejects.toBe(body)
    expect(cleaned).toBe(true)
  })

  it('does not swallow an error that is caught', async () => {
    const manager = asyncContextManager(async function* () {
      try {
        yield
      } catch {}
    })
    await expect(withContext(manager(), fail)).rejects.toBe(body)
  })

  it('swallows it by returning SUPPRESS', async () => {
    const manager = asyncContextManager(async function* () {
      try {
        yield
      } catch {
        return SUPPRESS
      }
    })
    expect(await withContext(manager(), fail)).toBe(undefined)
  })

  it('throws another error of the generator with the first as suppressed', async () => {
    const other = new Error('other')
    const manager = asyncContextManager(async function* () {
      try {
        yield
      } finally {
        // biome-ignore lint/correctness/noUnsafeFinally: that is the case
        throw other
      }
    })
    await expect(withContext(manager(), fail)).rejects.toEqual(suppressed(other, body))
  })

  it('keeps one error the same through three managers', async () => {
    const manager = asyncContextManager(async function* () {
      try {
        yield
      } catch (error) {
        throw error as Error
      }
    })
    const run = withContext(manager(), () =>
      withContext(manager(), () => withContext(manager(), fail)),
    )
    await expect(run).rejects.toBe(body)
    expect(body).not.toHaveProperty('suppressed')
    expect(body.cause).toBe(undefined)
  })

  it('throws a cancellation at the yield', async () => {
    using source = new CancellationTokenSource()
    let seen: unknown
    const manager = asyncContextManager(async function* () {
      try {
        yield
      } catch (error) {
        seen = error
        throw error
      }
    })
    const run = withContext(
      manager(),
      (_, token) => {
        source.cancel()
        return delay(10_000, { signal: token })
      },
      { signal: source.token },
    )
    const error = await run.catch((e) => e)
    expect(error).toBe(source.token.error)
    expect(seen).toBe(source.token.error)
  })

  it('enters under the token in force', async () => {
    using source = new CancellationTokenSource()
    let current: CancellationToken | undefined
    const manager = asyncContextManager(async function* () {
      current = CancellationToken.current
      yield
    })
    await withContext(manager(), () => {}, { signal: source.token })
    source.cancel()
    expect(current).not.toBe(CancellationToken.none)
  })

  it('rejects with what is thrown before the yield', async () => {
    const error = new Error('enter')
    const manager = asyncContextManager(async function* () {
      if (error) throw error
      yield
    })
    const work = vi.fn()
    await expect(withContext(manager(), work)).rejects.toBe(error)
    expect(work).not.toHaveBeenCalled()
  })

  it('does nothing when it is exited without having been entered', async () => {
    const ran = vi.fn()
    const manager = asyncContextManager(async function* () {
      ran()
      yield
    })
    await manager().exit({ ok: true }, CancellationToken.none)
    expect(ran).not.toHaveBeenCalled()
  })
})

describe('misuse', () => {
  // esbuild numbers functions of the same name
  const message = (what: string) => new RegExp(`^Context manager "broken\\d*" ${what}$`)

  it('names a generator that never yields', async () => {
    const broken = async function* broken(): AsyncGenerator<void, void, void> {}
    const run = withContext(asyncContextManager(broken)(), () => {})
    await expect(run).rejects.toBeInstanceOf(ContextProtocolError)
    await expect(withContext(asyncContextManager(broken)(), () => {})).rejects.toMatchObject({
      name: 'ContextProtocolError',
      code: 'ERR_CONTEXT_PROTOCOL',
      message: expect.stringMatching(message('did not yield')),
    })
  })

  it('names a generator that yields twice, and closes it', async () => {
    let closed = false
    const broken = async function* broken() {
      try {
        yield 1
        yield 2
      } finally {
        closed = true
      }
    }
    const run = withContext(asyncContextManager(broken)(), () => {})
    await expect(run).rejects.toThrow(message('yielded twice'))
    expect(closed).toBe(true)
  })

  it('tells of a yield after the error, with the error as suppressed', async () => {
    const broken = async function* broken() {
      try {
        yield 1
      } catch {
        yield 2
      }
    }
    const error = await withContext(asyncContextManager(broken)(), fail).catch((e) => e)
    expect(error).toEqual(suppressed(expect.any(ContextProtocolError), body))
    expect(error.error.message).toMatch(message('yielded again after the error'))
  })

  it('ends `finally { yield }` in bounded steps', async () => {
    let turns = 0
    const broken = async function* broken(): AsyncGenerator<number, void, void> {
      try {
        yield ++turns
      } finally {
        yield* broken()
      }
    }
    const run = withContext(asyncContextManager(broken)(), () => {})
    await expect(run).rejects.toThrow(message('yielded twice'))
    expect(turns).toBe(11)
  })

  it('keeps what the generator throws while it is closed', async () => {
    const closing = new Error('closing')
    const broken = async function* broken() {
      try {
        yield 1
        yield 2
      } finally {
        // biome-ignore lint/correctness/noUnsafeFinally: that is the case
        throw closing
      }
    }
    const run = withContext(asyncContextManager(broken)(), () => {})
    await expect(run).rejects.toEqual(suppressed(closing, expect.any(ContextProtocolError)))
  })

  it('refuses a second entry and leaves the first alone', async () => {
    let closed = 0
    const manager = asyncContextManager(async function* broken() {
      yield 1
      closed++
    })()
    const run = withContext(manager, async () => {
      const again = withContext(manager, () => {})
      await expect(again).rejects.toThrow(message('was entered twice'))
      expect(closed).toBe(0)
      return 'first'
    })
    expect(await run).toBe('first')
    expect(closed).toBe(1)
    await expect(withContext(manager, () => {})).rejects.toBeInstanceOf(ContextProtocolError)
  })

  it('refuses a second entry with limits of its own as well', async () => {
    const limited = asyncContextManager(
      async function* broken() {
        yield 1
      },
      { exitTimeout: 1_000 },
    )
    const manager = limited()
    await expect(manager.enter(CancellationToken.cancelled())).rejects.toThrow(CancelledError)
    expect(await withContext(manager, (it) => it)).toBe(1)
    await expect(withContext(manager, () => {})).rejects.toThrow(message('was entered twice'))
  })

  it('takes one of two entries at once', async () => {
    const manager = asyncContextManager(async function* broken() {
      yield 1
    })()
    const [first, second] = await Promise.allSettled([
      withContext(manager, (it) => it),
      withContext(manager, (it) => it),
    ])
    expect(first).toEqual({ status: 'fulfilled', value: 1 })
    expect(second.status).toBe('rejected')
  })

  it('names a function that is no generator', async () => {
    const five = asyncContextManager((async () => 5) as never, { name: 'five' })
    const error = await withContext(five(), fail).catch((e) => e)
    expect(error).toBeInstanceOf(ContextProtocolError)
    expect(error.message).toBe(
      'Context manager "five" is not made by a generator: it takes an `async function*` that yields once',
    )
    const broken = asyncContextManager((async () => fail()) as never)
    await expect(withContext(broken(), () => {})).rejects.toBe(body)
  })
})

describe('limits of its own', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it.each([undefined, Infinity])('limits the exit, with enterTimeout %s', async (enterTimeout) => {
    const slow = asyncContextManager(
      async function* () {
        yield 1
        await delay(1_000)
      },
      { name: 'slow', enterTimeout, exitTimeout: 50 },
    )
    const run = withContext(slow(), () => {}).catch((e) => e)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(await run).toMatchObject({ name: 'TimeoutError', operation: 'exit of slow' })
  })

  it('limits the enter, and exits it when it was late', async () => {
    let exited: unknown
    const slow = asyncContextManager(
      async function* () {
        await delay(100)
        try {
          yield 1
        } catch (error) {
          exited = error
          throw error
        }
      },
      { enterTimeout: 50 },
    )
    const run = withContext(slow(), () => {}).catch((e) => e)
    await vi.advanceTimersByTimeAsync(50)
    const error = await run
    expect(error).toMatchObject({ name: 'TimeoutError', timeout: 50 })
    await vi.advanceTimersByTimeAsync(50)
    expect(exited).toBe(error)
  })

  it('is cancelled by its own signal and still swallows and exits as told', async () => {
    using source = new CancellationTokenSource()
    const manager = asyncContextManager(
      async function* () {
        const token = CancellationToken.current
        await delay(10, { signal: token })
        try {
          yield token
        } catch {
          return SUPPRESS
        }
      },
      { signal: source.token },
    )
    const run = withContext(manager(), fail)
    await vi.advanceTimersByTimeAsync(10)
    expect(await run).toBe(undefined)
    const cancelled = withContext(manager(), fail).catch((e) => e)
    source.cancel()
    expect(await cancelled).toBe(source.token.error)
  })

  it('refuses a second entry as well', async () => {
    const manager = asyncContextManager(
      async function* () {
        yield 1
      },
      { exitTimeout: 1_000 },
    )()
    const stack = new AsyncExitStack()
    await stack.enter(manager)
    await expect(stack.enter(manager)).rejects.toBeInstanceOf(ContextProtocolError)
    await stack.close()
  })
})

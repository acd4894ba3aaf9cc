import { AsyncExitStack, collectErrors, type ExitInfo, SUPPRESS } from '@uno-async/context'
import {
  CancellationToken,
  CancellationTokenSource,
  CancelledError,
  ClosedError,
  delay,
} from '@uno-async/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

const fail = (error: unknown) => () => {
  throw error
}
const suppressed = (error: unknown, suppressed: unknown) =>
  expect.objectContaining({ name: 'SuppressedError', error, suppressed })

describe('AsyncExitStack', () => {
  it('runs exits in reverse order, each awaited before the next', async () => {
    const log: string[] = []
    const stack = new AsyncExitStack()
    for (const name of ['a', 'b', 'c']) {
      stack.defer(async () => {
        log.push(`+${name}`)
        await Promise.resolve()
        log.push(`-${name}`)
      })
    }
    expect(stack.size).toBe(3)
    await stack.close()
    expect(log).toEqual(['+c', '-c', '+b', '-b', '+a', '-a'])
    expect(stack.size).toBe(0)
  })

  it('says what state it is in', async () => {
    const stack = new AsyncExitStack()
    const seen: string[] = [stack.state]
    stack.defer(async () => void seen.push(stack.state))
    await stack.close()
    expect([...seen, stack.state]).toEqual(['open', 'closing', 'closed'])
  })

  it('closes once, with the same promise for everybody', async () => {
    const exit = vi.fn()
    const stack = new AsyncExitStack()
    stack.defer(exit)
    const closing = stack.close()
    expect(stack.close()).toBe(closing)
    expect(stack[Symbol.asyncDispose]()).toBe(closing)
    await closing
    expect(stack.close({ ok: false, error: 1, cancelled: false })).toBe(closing)
    expect(exit).toHaveBeenCalledTimes(1)
  })

  it('gives an exit that calls close the same promise', async () => {
    const error = new Error('exit')
    const inner: Promise<void>[] = []
    const stack = new AsyncExitStack()
    stack.defer(async () => {
      await Promise.resolve()
      throw error
    })
    stack.defer(() => void inner.push(stack.close()))
    const outer = stack.close()
    expect(inner[0]).toBe(outer)
    await expect(outer).rejects.toBe(error)
    expect(stack.state).toBe('closed')
  })

  it.each(['close', 'move'] as const)(
    'exits what it was entering when that calls %s',
    async (verb) => {
      for (const enter of [(it: () => void) => it(), async (it: () => void) => it()]) {
        const exit = vi.fn()
        const stack = new AsyncExitStack()
        const entering = stack.enter({ enter: () => enter(() => void stack[verb]()), exit })
        await expect(entering).rejects.toThrow(ClosedError)
        expect(exit).toHaveBeenCalledTimes(1)
        expect(stack.size).toBe(0)
        await stack.close()
        expect(stack.state).toBe('closed')
      }
    },
  )

  it('throws the only failure as it is', async () => {
    const error = new Error('only')
    const stack = new AsyncExitStack()
    stack.defer(() => {})
    stack.defer(fail(error))
    await expect(stack.close()).rejects.toBe(error)
  })

  it('nests three failures like the language does', async () => {
    const [a, b, c] = [new Error('a'), new Error('b'), new Error('c')]
    const stack = new AsyncExitStack()
    for (const error of [a, b, c]) stack.defer(fail(error))
    const error = await stack.close().catch((e) => e)
    expect(error).toEqual(suppressed(a, suppressed(b, c)))
    expect(error).toBeInstanceOf(Error)
    expect(Object.keys(error)).toEqual([])
    expect(collectErrors(error)).toEqual([c, b, a])
  })

  it('uses the native SuppressedError where there is one', async () => {
    class SuppressedError extends Error {
      constructor(
        readonly error: unknown,
        readonly suppressed: unknown,
        message: string,
      ) {
        super(message)
      }
    }
    vi.stubGlobal('SuppressedError', SuppressedError)
    try {
      const stack = new AsyncExitStack()
      stack.defer(fail(1))
      stack.defer(fail(2))
      const error = await stack.close().catch((e) => e)
      expect(error).toBeInstanceOf(SuppressedError)
      expect([error.error, error.suppressed]).toEqual([1, 2])
    } finally {
      vi.unstubAllGlobals()
    }
  })

  it('tells each exit of the error that is pending then', async () => {
    const infos: ExitInfo[] = []
    const boom = new Error('boom')
    const exit = new Error('exit')
    const stack = new AsyncExitStack()
    stack.defer((info) => void infos.push(info))
    stack.defer(fail(exit))
    stack.defer((info) => void infos.push(info))
    const info = { ok: false, error: boom, cancelled: false } as const
    await expect(stack.close(info)).rejects.toBe(exit)
    expect(infos[0]).toEqual(info)
    expect(infos[1]).toEqual({ ok: false, error: suppressed(exit, boom), cancelled: false })
  })

  it('never throws info.error from close, not even if an exit rethrows it', async () => {
    const error = new Error('body')
    const stack = new AsyncExitStack()
    stack.push((info) => {
      throw (info as { error: unknown }).error
    })
    await expect(stack.close({ ok: false, error, cancelled: false })).resolves.toBeUndefined()
  })

  it('swallows only on SUPPRESS, and tells outer exits that all is well', async () => {
    const infos: ExitInfo[] = []
    const outcome = await AsyncExitStack.run((stack) => {
      stack.defer((info) => void infos.push(info))
      stack.push(() => SUPPRESS)
      stack.push(() => true as never)
      stack.defer(() => SUPPRESS)
      stack.defer((info) => void infos.push(info))
      throw new Error('body')
    })
    expect(outcome).toBeUndefined()
    expect(infos.map(({ ok }) => ok)).toEqual([false, true])
  })

  it('does not swallow on a truthy return, nor when a release gives SUPPRESS', async () => {
    const error = new Error('body')
    const run = AsyncExitStack.run((stack) => {
      stack.push(() => true as never)
      stack.adopt(1, () => SUPPRESS)
      stack.defer(() => SUPPRESS)
      throw error
    })
    await expect(run).rejects.toBe(error)
  })

  it('lets a middle exit swallow what exits threw before it, and nothing after it', async () => {
    const [late, early] = [new Error('late'), new Error('early')]
    const stack = new AsyncExitStack()
    stack.defer(fail(late))
    stack.push(() => SUPPRESS)
    stack.defer(fail(early))
    await expect(stack.close()).rejects.toBe(late)
  })

  it('gives the result of the body when there was nothing to swallow', async () => {
    const result = await AsyncExitStack.run((stack) => {
      stack.push(() => SUPPRESS)
      return 7
    })
    expect(result).toBe(7)
  })

  it('throws the error of the body with what exits threw on top', async () => {
    const [body, exit] = [new Error('body'), new Error('exit')]
    const run = AsyncExitStack.run((stack) => {
      stack.defer(fail(exit))
      throw body
    })
    await expect(run).rejects.toEqual(suppressed(exit, body))
  })

  it('keeps an error that was thrown again the same, without a cycle', async () => {
    const [body, other] = [new Error('body'), new Error('other')]
    const run = AsyncExitStack.run((stack) => {
      stack.push(fail(body))
      stack.push(fail(other))
      stack.push(fail(body))
      throw body
    })
    await expect(run).rejects.toEqual(suppressed(other, body))
  })

  it('does not wrap an error that already tells of the pending one', async () => {
    const body = new Error('body')
    const wrapper = Object.assign(new Error('w'), {
      name: 'SuppressedError',
      error: 1,
      suppressed: body,
    })
    const run = AsyncExitStack.run((stack) => {
      stack.push(fail(wrapper))
      throw body
    })
    await expect(run).rejects.toBe(wrapper)
  })

  it('loses no undefined that was thrown', async () => {
    const body = new Error('body')
    const run = AsyncExitStack.run((stack) => {
      stack.push(fail(undefined))
      throw body
    })
    await expect(run).rejects.toEqual(suppressed(undefined, body))
    const bare = AsyncExitStack.run((stack) => stack.push(fail(undefined))).then(
      () => 'no',
      (error) => [error],
    )
    expect(await bare).toEqual([undefined])
  })

  it.each(['body', 'exit'])(
    'runs every exit when the %s throws what cannot be looked at',
    async (who) => {
      const stranger = new Proxy(new Error('stranger'), {
        get() {
          throw new Error('no business of yours')
        },
      })
      using source = new CancellationTokenSource()
      let exits = 0
      const seen = new Set<unknown>()
      const body = (stack: AsyncExitStack): void => {
        stack.defer(() => void exits++)
        stack.defer(() => {
          exits++
          if (who === 'exit') throw stranger
        })
        source.cancel('why')
        throw who === 'exit' ? new Error('body') : stranger
      }
      await AsyncExitStack.run(body, { signal: source.token }).catch((error) => {
        seen.add(error).add(who === 'exit' && error.error)
        for (const each of collectErrors(error)) seen.add(each)
      })
      expect([exits, seen.has(stranger)]).toEqual([2, true])
    },
  )

  it('unwinds 10 000 entries', async () => {
    const stack = new AsyncExitStack()
    let left = 10_000
    for (let i = left; i > 0; i--) {
      stack.defer(() => {
        left--
        throw new Error(`${i}`)
      })
    }
    const error = await stack.close().catch((e) => e)
    expect(left).toBe(0)
    expect(collectErrors(error)).toHaveLength(10_000)
  })

  it('lets a caller close what the body closed, and waits for it', async () => {
    const exit = new Error('exit')
    let heard: unknown
    const result = await AsyncExitStack.run(async (stack) => {
      stack.defer(fail(exit))
      await stack.close().catch((error) => {
        heard = error
      })
      return 'done'
    })
    expect([heard, result]).toEqual([exit, 'done'])
  })
})

describe('cancellation and the real error', () => {
  const real = new Error('real')
  const cancelled = new CancelledError('cancelled')

  it('puts the real error before a cancellation, whichever came first', async () => {
    const run = (body: unknown, exit: unknown) =>
      AsyncExitStack.run((stack) => {
        stack.defer(fail(exit))
        throw body
      }).catch((e) => e)
    expect(await run(real, cancelled)).toEqual(suppressed(real, cancelled))
    expect(await run(cancelled, real)).toEqual(suppressed(real, cancelled))
  })

  it('keeps the first of two cancellations, recognisable as one', async () => {
    const run = AsyncExitStack.run((stack) => {
      stack.defer(fail(new CancelledError('second')))
      throw cancelled
    })
    await expect(run).rejects.toBe(cancelled)
  })

  it('throws a cancellation that an exit threw, from close', async () => {
    const stack = new AsyncExitStack()
    stack.defer(fail(cancelled))
    await expect(
      stack.close({ ok: false, error: new CancelledError('body'), cancelled: true }),
    ).rejects.toBe(cancelled)
  })

  it.each([
    ['a CancelledError', cancelled, true],
    ['a DOMException AbortError', AbortSignal.abort().reason, true],
    ['an Error', real, false],
  ])('tells exits whether %s is a cancellation', async (_, error, expected) => {
    let seen: ExitInfo | undefined
    const run = AsyncExitStack.run((stack) => {
      stack.defer((info) => {
        seen = info
      })
      throw error
    })
    await expect(run).rejects.toBe(error)
    expect(seen).toEqual({ ok: false, error, cancelled: expected })
  })

  it('counts what the signal was aborted with as a cancellation, whatever it is', async () => {
    const controller = new AbortController()
    let seen: ExitInfo | undefined
    const run = AsyncExitStack.run(
      async (stack, token) => {
        stack.defer((info) => {
          seen = info
        })
        controller.abort(real)
        token.throwIfCancelled()
      },
      { signal: controller.signal },
    )
    await expect(run).rejects.toBe(real)
    expect(seen).toEqual({ ok: false, error: real, cancelled: true })
  })

  it('does not call the body when it is cancelled before', async () => {
    const body = vi.fn()
    await expect(AsyncExitStack.run(body, { signal: AbortSignal.abort(real) })).rejects.toBe(real)
    expect(body).not.toHaveBeenCalled()
  })

  it('runs exits under a token that outer cancellation does not reach', async () => {
    using source = new CancellationTokenSource()
    const tokens: CancellationToken[] = []
    const run = AsyncExitStack.run(
      async (stack, token) => {
        stack.defer(async (_, own) => {
          tokens.push(own, CancellationToken.current)
          await Promise.resolve()
          own.throwIfCancelled()
        })
        source.cancel()
        token.throwIfCancelled()
      },
      { signal: source.token },
    )
    await expect(run).rejects.toBe(source.token.error)
    expect(tokens[0]?.cancelled).toBe(false)
    expect(tokens[1]).toBe(tokens[0])
  })

  it('goes on when it is cancelled during an exit', async () => {
    using source = new CancellationTokenSource()
    const log: string[] = []
    const run = AsyncExitStack.run(
      (stack) => {
        stack.defer(() => void log.push('outer'))
        stack.defer(async () => {
          source.cancel()
          await Promise.resolve()
          log.push('inner')
        })
        return 'done'
      },
      { signal: source.token },
    )
    expect(await run).toBe('done')
    expect(log).toEqual(['inner', 'outer'])
  })

  it('makes the token current for the body', async () => {
    using source = new CancellationTokenSource()
    await AsyncExitStack.run(
      (_, token) => {
        expect(CancellationToken.current).toBe(token)
      },
      { signal: source.token },
    )
  })
})

describe('limits', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('counts an exit that overruns as timed out and runs the next', async () => {
    const log: string[] = []
    const stack = new AsyncExitStack({ name: 'request', exitTimeout: 100 })
    stack.defer((info) => void log.push((info as never as { error: Error }).error.name))
    let reason: unknown
    stack.defer((_, token) => {
      token.onCancelled((why) => {
        reason = why
      })
      expect(token.remaining).toBe(100)
      return delay(500).then(fail(new Error('late')))
    })
    const closing = stack.close().catch((e) => e)
    await vi.advanceTimersByTimeAsync(99)
    expect(log).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(log).toEqual(['TimeoutError'])
    const error = await closing
    expect(error).toMatchObject({ name: 'TimeoutError', timeout: 100 })
    expect(error.message).toBe('"exit of AsyncExitStack "request"" timed out after 100 ms')
    expect(reason).toBe(error)
    await vi.advanceTimersByTimeAsync(1_000) // the late rejection is handled
    expect(vi.getTimerCount()).toBe(0)
  })

  it('leaves no timer behind when an exit is in time', async () => {
    const stack = new AsyncExitStack({ exitTimeout: 100 })
    stack.defer(() => delay(99))
    const closing = stack.close()
    await vi.advanceTimersByTimeAsync(99)
    await closing
    expect(vi.getTimerCount()).toBe(0)
  })

  it('limits each enter, and exits what is entered after all', async () => {
    const exit = vi.fn()
    let token: CancellationToken | undefined
    const stack = new AsyncExitStack({ enterTimeout: 50 })
    const entering = stack
      .enter({
        name: 'db',
        enter: (its) => {
          token = its
          return delay(80)
        },
        exit,
      })
      .catch((e) => e)
    await vi.advanceTimersByTimeAsync(50)
    const error = await entering
    expect(error).toMatchObject({ name: 'TimeoutError', operation: 'enter of db', timeout: 50 })
    expect([token?.cancelled, token?.error]).toEqual([true, error])
    expect(exit).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(30)
    expect(exit).toHaveBeenCalledTimes(1)
    expect(exit.mock.calls[0]?.[0]).toEqual({ ok: false, error, cancelled: false })
    expect(stack.size).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('reports what an exit throws after an enter that was too late', async () => {
    const reported: unknown[] = []
    vi.stubGlobal('reportError', (error: unknown) => reported.push(error))
    const late = new Error('late exit')
    const stack = new AsyncExitStack({ enterTimeout: 50 })
    const entering = stack.enter({ enter: () => delay(80), exit: fail(late) }).catch((e) => e)
    await vi.advanceTimersByTimeAsync(80)
    expect(reported).toEqual([suppressed(late, await entering)])
    vi.unstubAllGlobals()
  })

  it('limits nothing by default', async () => {
    const stack = new AsyncExitStack()
    await stack.enter({ enter: (token) => expect(token.remaining).toBe(Infinity), exit: () => {} })
    stack.defer((_, token) => expect(token.canBeCancelled).toBe(false))
    await stack.close()
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('enter', () => {
  it('gives the value and exits with the stack', async () => {
    const exit = vi.fn()
    const stack = new AsyncExitStack()
    expect(await stack.enter({ enter: async () => 7, exit })).toBe(7)
    expect(stack.size).toBe(1)
    await stack.close()
    expect(exit).toHaveBeenCalledWith({ ok: true }, CancellationToken.none)
  })

  it('does not exit what failed to enter', async () => {
    const error = new Error('enter')
    const exit = vi.fn()
    const stack = new AsyncExitStack()
    await expect(stack.enter({ enter: fail(error), exit })).rejects.toBe(error)
    await expect(stack.enter({ enter: () => Promise.reject(error), exit })).rejects.toBe(error)
    await stack.close()
    expect(exit).not.toHaveBeenCalled()
  })

  it('waits for an enter when it is cancelled, and exits at once what succeeds after all', async () => {
    using source = new CancellationTokenSource()
    const log: string[] = []
    let finish = (): void => {}
    const stack = new AsyncExitStack({ signal: source.token })
    const entering = stack
      .enter({
        enter: () =>
          new Promise<void>((resolve) => {
            finish = resolve
          }),
        exit: (info) => void log.push(`exit, cancelled: ${!info.ok && info.cancelled}`),
      })
      .catch((error) => {
        log.push('rejected')
        return error
      })
    source.cancel()
    await new Promise(setImmediate)
    expect(log).toEqual([])
    finish()
    expect(await entering).toBe(source.token.error)
    expect(log).toEqual(['exit, cancelled: true', 'rejected'])
    expect(stack.size).toBe(0)
    expect(stack.state).toBe('open')
  })

  it('adds what the exit of a cancelled enter throws', async () => {
    using source = new CancellationTokenSource()
    const exit = new Error('exit')
    const stack = new AsyncExitStack({ signal: source.token })
    const entering = stack.enter({ enter: async () => source.cancel(), exit: fail(exit) })
    await expect(entering).rejects.toEqual(suppressed(exit, source.token.error))
  })

  it('throws the cancellation even if that exit would swallow it', async () => {
    using source = new CancellationTokenSource()
    const stack = new AsyncExitStack({ signal: source.token })
    const entering = stack.enter({ enter: async () => source.cancel(), exit: () => SUPPRESS })
    await expect(entering).rejects.toBe(source.token.error)
  })

  it('cancels who is entering when it closes, and waits for them', async () => {
    const log: string[] = []
    const stack = new AsyncExitStack()
    stack.defer(() => void log.push('first'))
    const entering = stack
      .enter({
        enter: (token) => delay(60_000, { signal: token }).catch(() => log.push('told')),
        exit: () => void log.push('exit'),
      })
      .catch((e) => e)
    await stack.close()
    expect(log).toEqual(['told', 'exit', 'first'])
    expect(await entering).toBeInstanceOf(ClosedError)
  })

  it('enters nothing when cancelled before', async () => {
    const enter = vi.fn()
    const stack = new AsyncExitStack({ signal: AbortSignal.abort('why') })
    await expect(stack.enter({ enter, exit: () => {} })).rejects.toMatchObject({ cause: 'why' })
    expect(enter).not.toHaveBeenCalled()
  })

  it('makes the token current while it enters', async () => {
    const stack = new AsyncExitStack({ enterTimeout: 1_000 })
    await stack.enter({
      enter: (token) => expect(CancellationToken.current).toBe(token),
      exit: () => {},
    })
    await stack.close()
  })

  it('leaves no listener with the signal', async () => {
    using source = new CancellationTokenSource()
    const stack = new AsyncExitStack({ signal: source.token, enterTimeout: 1_000 })
    for (let i = 0; i < 10; i++) await stack.enter({ enter: () => i, exit: () => {} })
    await stack.close()
    const { signal } = new AbortController()
    const add = vi.spyOn(signal, 'addEventListener')
    const remove = vi.spyOn(signal, 'removeEventListener')
    await AsyncExitStack.run((it) => it.enter({ enter: () => 1, exit: () => {} }), {
      signal,
      enterTimeout: 100,
    })
    expect(remove.mock.calls.length).toBe(add.mock.calls.length)
  })
})

describe('a closed stack', () => {
  it.each([
    ['use', (stack: AsyncExitStack) => stack.use(null)],
    ['adopt', (stack: AsyncExitStack) => stack.adopt(1, () => {})],
    ['defer', (stack: AsyncExitStack) => stack.defer(() => {})],
    ['push', (stack: AsyncExitStack) => stack.push(() => {})],
    ['move', (stack: AsyncExitStack) => stack.move()],
  ])('refuses %s with a ClosedError that says that nothing was taken', async (_, act) => {
    const stack = new AsyncExitStack({ name: 'files' })
    let whileClosing: unknown
    stack.defer(() => {
      try {
        act(stack)
      } catch (error) {
        whileClosing = error
      }
    })
    await stack.close()
    expect(whileClosing).toBeInstanceOf(ClosedError)
    expect(() => act(stack)).toThrow(ClosedError)
    expect(() => act(stack)).toThrow(
      'AsyncExitStack "files" is closed: it does not take what it was offered',
    )
  })

  it('refuses enter without calling it', async () => {
    const stack = new AsyncExitStack()
    await stack.close()
    const enter = vi.fn()
    await expect(stack.enter({ enter, exit: () => {} })).rejects.toBeInstanceOf(ClosedError)
    expect(enter).not.toHaveBeenCalled()
  })
})

describe('move', () => {
  it('takes all exits along and closes the old stack without running them', async () => {
    const exit = vi.fn()
    const stack = new AsyncExitStack()
    stack.defer(exit)
    const moved = stack.move()
    expect([stack.state, stack.size, moved.state, moved.size]).toEqual(['closed', 0, 'open', 1])
    await stack.close()
    expect(exit).not.toHaveBeenCalled()
    await moved.close()
    expect(exit).toHaveBeenCalledTimes(1)
  })

  it('keeps the options', async () => {
    const stack = new AsyncExitStack({ signal: AbortSignal.abort(), name: 'x' }).move()
    await expect(stack.enter({ enter: () => {}, exit: () => {} })).rejects.toMatchObject({
      name: 'AbortError',
    })
  })

  it('lets a factory keep what it made only if all went well', async () => {
    const log: string[] = []
    const make = (broken: boolean) =>
      AsyncExitStack.run((stack) => {
        stack.defer(() => void log.push('undone'))
        if (broken) throw new Error('broken')
        return stack.move()
      })
    await expect(make(true)).rejects.toThrow('broken')
    expect(log).toEqual(['undone'])
    const kept = await make(false)
    expect(log).toEqual(['undone'])
    await kept?.close()
    expect(log).toEqual(['undone', 'undone'])
  })
})

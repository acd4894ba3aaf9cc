import {
  AsyncContextGroup,
  type AsyncContextManager,
  ContextProtocolError,
  type ExitInfo,
  SUPPRESS,
  withContext,
} from '@uno-async/context'
import {
  CancellationToken,
  CancellationTokenSource,
  CancelledError,
  ClosedError,
  delay,
} from '@uno-async/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

const suppressed = (error: unknown, suppressed: unknown) =>
  expect.objectContaining({ name: 'SuppressedError', error, suppressed })

/** Managers that write down what happens to them. */
class Book {
  readonly log: string[] = []
  readonly infos: ExitInfo[] = []

  make(
    name: string,
    {
      enter = 0,
      exit = 0,
      enterError,
      exitError,
      result,
    }: {
      enter?: number
      exit?: number
      enterError?: unknown
      exitError?: unknown
      result?: typeof SUPPRESS
    } = {},
  ): AsyncContextManager<string> {
    return {
      name,
      enter: async (token) => {
        this.log.push(`>${name}`)
        if (enter) await delay(enter, { signal: token })
        if (enterError) throw enterError
        this.log.push(`+${name}`)
        return name.toUpperCase()
      },
      exit: async (info) => {
        this.infos.push(info)
        if (exit) await delay(exit)
        this.log.push(`-${name}`)
        if (exitError) throw exitError
        return result
      },
    }
  }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

const [first, second] = [new Error('first'), new Error('second')]

describe('AsyncContextGroup, one after the other', () => {
  it('enters in order and exits in reverse', async () => {
    const book = new Book()
    const group = new AsyncContextGroup([book.make('a'), book.make('b')])
    const result = await group.run((values) => {
      expect(group.entered).toBe(true)
      book.log.push('body')
      return values
    })
    expect(result).toEqual(['A', 'B'])
    expect(book.log).toEqual(['>a', '+a', '>b', '+b', 'body', '-b', '-a'])
    expect(group.entered).toBe(false)
  })

  it('gives the values of a record by name', async () => {
    const book = new Book()
    const group = new AsyncContextGroup({ db: book.make('a'), queue: book.make('b') })
    expect(await group.run((values) => values)).toEqual({ db: 'A', queue: 'B' })
  })

  it('exits those entered, in reverse, when the third of five fails', async () => {
    const book = new Book()
    const managers = ['a', 'b', 'c', 'd', 'e'].map((name) =>
      book.make(name, name === 'c' ? { enterError: first } : {}),
    )
    const group = new AsyncContextGroup(managers)
    await expect(group.run(() => 0)).rejects.toBe(first)
    expect(book.log).toEqual(['>a', '+a', '>b', '+b', '>c', '-b', '-a'])
    expect(book.infos[0]).toEqual({ ok: false, error: first, cancelled: false })
    expect([group.entered, group.results.size]).toEqual([false, 0])
  })

  it('adds what those exits throw', async () => {
    const book = new Book()
    const group = new AsyncContextGroup([
      book.make('a', { exitError: second }),
      book.make('b', { enterError: first }),
    ])
    await expect(group.run(() => 0)).rejects.toEqual(suppressed(second, first))
  })

  it('does not let an exit swallow that another failed to enter', async () => {
    const book = new Book()
    const group = new AsyncContextGroup([
      book.make('a', { result: SUPPRESS }),
      book.make('b', { enterError: first }),
    ])
    await expect(group.run(() => 0)).rejects.toBe(first)
  })

  it('is a context manager itself', async () => {
    const book = new Book()
    const inner = new AsyncContextGroup([book.make('b', { result: SUPPRESS })])
    const outer = new AsyncContextGroup([book.make('a'), inner] as const)
    const result = await withContext(outer, ([a, [b]]) => {
      expect([a, b]).toEqual(['A', 'B'])
      throw first
    })
    expect(result).toBe(undefined)
    expect(book.infos).toEqual([{ ok: false, error: first, cancelled: false }, { ok: true }])
  })

  it('throws only what exits threw from its exit', async () => {
    const book = new Book()
    const group = new AsyncContextGroup([book.make('a', { exitError: second })])
    await expect(
      group.run(() => {
        throw first
      }),
    ).rejects.toEqual(suppressed(second, first))
  })

  it('enters what was added after the others, and has its value in results', async () => {
    const book = new Book()
    const [a, b, c] = [book.make('a'), book.make('b'), book.make('c')]
    const group = new AsyncContextGroup([a])
    group.add(b)
    await group.run(async (values) => {
      expect(values).toEqual(['A'])
      expect(await group.enterContext(c)).toBe('C')
      expect([...group.results]).toEqual([
        [a, 'A'],
        [b, 'B'],
        [c, 'C'],
      ])
    })
    expect(book.log.slice(-3)).toEqual(['-c', '-b', '-a'])
    expect(group.results.size).toBe(0)
  })

  it('can be entered again after its exit, if its managers can', async () => {
    const group = new AsyncContextGroup([new Book().make('a')])
    expect(await group.run(() => 1)).toBe(1)
    expect(await group.run(() => 2)).toBe(2)
  })

  it('works with `await using`', async () => {
    const book = new Book()
    {
      await using group = new AsyncContextGroup([book.make('a')])
      await group.enter()
    }
    expect(book.log).toEqual(['>a', '+a', '-a'])
  })

  it('passes the limits on to each', async () => {
    const book = new Book()
    const group = new AsyncContextGroup(
      [book.make('a', { exit: 80 }), book.make('b', { enter: 80 })],
      {
        name: 'g',
        enterTimeout: 50,
        exitTimeout: 50,
      },
    )
    const run = group.run(() => 0).catch((e) => e)
    await vi.advanceTimersByTimeAsync(200)
    const error = await run
    expect([error.error.operation, error.suppressed.operation]).toEqual(['exit of a', 'enter of b'])
  })

  it('is cancelled by its signal, and by the token of whoever enters it', async () => {
    for (const own of [true, false]) {
      using source = new CancellationTokenSource()
      const book = new Book()
      const managers = [book.make('a'), book.make('b', { enter: 1_000 })]
      const options = { signal: source.token }
      const run = own
        ? new AsyncContextGroup(managers, options).run(() => 0)
        : withContext(new AsyncContextGroup(managers), () => 0, options)
      const failed = run.catch((e) => e)
      await vi.advanceTimersByTimeAsync(10)
      source.cancel()
      expect(await failed).toBe(source.token.error)
      expect(book.log).toEqual(['>a', '+a', '>b', '-a'])
    }
  })

  it('does nothing when it is exited without having been entered', async () => {
    const book = new Book()
    await new AsyncContextGroup([book.make('a')])[Symbol.asyncDispose]()
    expect(book.log).toEqual([])
  })
})

describe('AsyncContextGroup, all at once', () => {
  it('takes as long as the slowest to enter and to exit', async () => {
    const book = new Book()
    const group = new AsyncContextGroup(
      [book.make('a', { enter: 30, exit: 10 }), book.make('b', { enter: 10, exit: 30 })],
      { concurrent: true, exitConcurrently: true },
    )
    const start = performance.now()
    const run = group.run(() => performance.now() - start)
    await vi.advanceTimersByTimeAsync(30)
    expect(book.log).toEqual(['>a', '>b', '+b', '+a'])
    await vi.advanceTimersByTimeAsync(30)
    expect(await run).toBe(30)
    expect(book.log.slice(4)).toEqual(['-a', '-b'])
    expect(performance.now() - start).toBe(60)
  })

  it('exits in reverse of the declaration when not told otherwise', async () => {
    const book = new Book()
    const managers = [
      book.make('a', { enter: 30 }),
      book.make('b', { enter: 10 }),
      book.make('c', { enter: 20 }),
    ]
    const run = new AsyncContextGroup(managers, { concurrent: true }).run((values) => values)
    await vi.advanceTimersByTimeAsync(30)
    expect(await run).toEqual(['A', 'B', 'C'])
    expect(book.log.slice(-3)).toEqual(['-c', '-b', '-a'])
  })

  it('cancels the others when one fails, waits, and exits those that made it', async () => {
    const book = new Book()
    const stubborn = book.make('d')
    const managers = [
      book.make('a'),
      book.make('b', { enter: 10, enterError: first }),
      book.make('c', { enter: 1_000 }),
      {
        ...stubborn,
        enter: async (token: CancellationToken) => {
          await delay(50)
          expect(token.cancelled).toBe(true)
          return stubborn.enter(CancellationToken.none)
        },
      },
    ]
    const run = new AsyncContextGroup(managers, { concurrent: true }).run(() => 0).catch((e) => e)
    await vi.advanceTimersByTimeAsync(10)
    expect(book.log).toEqual(['>a', '+a', '>b', '>c'])
    await vi.advanceTimersByTimeAsync(40)
    expect(await run).toBe(first)
    expect(book.log.slice(4)).toEqual(['>d', '+d', '-d', '-a'])
  })

  it('throws an AggregateError for two real failures', async () => {
    const book = new Book()
    const stubborn = { enter: () => delay(20).then(() => Promise.reject(second)), exit: () => {} }
    const managers = [
      stubborn,
      book.make('b', { enter: 10, enterError: first }),
      book.make('c', { enter: 1_000 }),
    ]
    const run = new AsyncContextGroup(managers, { concurrent: true }).run(() => 0).catch((e) => e)
    await vi.advanceTimersByTimeAsync(20)
    const error = await run
    expect(error).toBeInstanceOf(AggregateError)
    expect(error.errors).toEqual([second, first]) // as declared
    expect(error.message).toBe('AsyncContextGroup: 2 of 3 failed to enter')
  })

  it('throws the cancellation when there is nothing else', async () => {
    const controller = new AbortController()
    const book = new Book()
    const managers = [
      book.make('a'),
      book.make('b', { enter: 1_000 }),
      book.make('c', { enter: 500 }),
    ]
    const group = new AsyncContextGroup(managers, { concurrent: true, signal: controller.signal })
    const run = group.run(() => 0).catch((e) => e)
    await vi.advanceTimersByTimeAsync(10)
    controller.abort(first)
    expect(await run).toBe(first)
    expect(book.log.at(-1)).toBe('-a')
  })

  it('throws the real failure that comes after a cancellation', async () => {
    const controller = new AbortController()
    const managers = [
      { enter: () => delay(5).then(() => Promise.reject(first)), exit: () => {} },
      new Book().make('b', { enter: 1_000 }),
    ]
    const group = new AsyncContextGroup(managers, { concurrent: true, signal: controller.signal })
    const run = group.run(() => 0).catch((e) => e)
    controller.abort()
    await vi.advanceTimersByTimeAsync(10)
    expect(await run).toBe(first)
  })

  it('exits all when it is cancelled and all make it', async () => {
    using source = new CancellationTokenSource()
    const book = new Book()
    const late = { ...book.make('b'), enter: async () => source.cancel() }
    const group = new AsyncContextGroup([book.make('a'), late], {
      concurrent: true,
      signal: source.token,
    })
    await expect(group.run(() => 0)).rejects.toBe(source.token.error)
    expect(book.log.slice(-2)).toEqual(['-b', '-a'])
  })

  it('throws the cancellation that a manager came up with', async () => {
    const own = new CancelledError('by itself')
    const book = new Book()
    const group = new AsyncContextGroup(
      [book.make('a', { enterError: own }), book.make('b', { enter: 99 })],
      {
        concurrent: true,
      },
    )
    await expect(group.run(() => 0)).rejects.toBe(own)
  })

  it('orders errors of exits as declared, not as they came', async () => {
    const book = new Book()
    const managers = [
      book.make('a', { exit: 10, exitError: first }),
      book.make('b', { exit: 30, exitError: second }),
    ]
    const run = new AsyncContextGroup(managers, { exitConcurrently: true })
      .run(() => 0)
      .catch((e) => e)
    await vi.advanceTimersByTimeAsync(30)
    expect(await run).toEqual(suppressed(first, second))
  })

  it('does not let an exit swallow what another one throws, which it was not told of', async () => {
    for (const order of [0, 1]) {
      const book = new Book()
      const managers = [
        book.make('a', { result: SUPPRESS }),
        book.make('b', { exitError: first }),
        book.make('c', { exitError: second }),
      ]
      if (order) managers.reverse()
      const both = order ? suppressed(second, first) : suppressed(first, second)
      const group = new AsyncContextGroup(managers, { exitConcurrently: true })
      expect(await group.run(() => 0).catch((e) => e)).toEqual(both)
      await group.enter()
      const told = { ok: false, error: new Error('body'), cancelled: false } as const
      expect(await group.exit(told).catch((e) => e)).toEqual(both)
    }
  })

  it('swallows the error of the work, whoever else throws it again', async () => {
    const body = new Error('body')
    const rethrowing: AsyncContextManager<number> = {
      enter: () => 1,
      exit: (info) => {
        if (!info.ok) throw info.error
      },
    }
    const managers = [rethrowing, new Book().make('a', { result: SUPPRESS }), rethrowing]
    const group = new AsyncContextGroup(managers, { exitConcurrently: true })
    expect(await group.run(() => Promise.reject(body))).toBeUndefined()
  })
})

describe('misuse of a group', () => {
  it('refuses to be entered twice', async () => {
    const group = new AsyncContextGroup([new Book().make('a')], { name: 'g' })
    await group.run(async () => {
      await expect(group.enter()).rejects.toThrow('AsyncContextGroup "g" was entered twice')
      expect(group.entered).toBe(true)
    })
  })

  it('takes managers before, and enters more while it is entered', async () => {
    const book = new Book()
    const group = new AsyncContextGroup([book.make('a')])
    await expect(group.enterContext(book.make('b'))).rejects.toBeInstanceOf(ContextProtocolError)
    await group.run(() => {
      expect(() => group.add(book.make('b'))).toThrow(ContextProtocolError)
    })
  })

  it('undoes an enterContext that ends after the exit began', async () => {
    const book = new Book()
    const group = new AsyncContextGroup([book.make('a')])
    let entering: Promise<unknown> | undefined
    await group.run(() => {
      entering = group
        .enterContext({ ...book.make('b'), enter: () => Promise.resolve('B') })
        .catch((e) => e)
    })
    expect(await entering).toBeInstanceOf(ClosedError)
    expect(book.log).toEqual(['>a', '+a', '-b', '-a'])
    expect(group.results.size).toBe(0)
  })

  it('can be exited while it enters', async () => {
    const book = new Book()
    const group = new AsyncContextGroup([book.make('a'), book.make('b', { enter: 1_000 })])
    const entering = group.enter().catch((e) => e)
    await vi.advanceTimersByTimeAsync(10)
    await group.exit({ ok: true })
    expect(await entering).toBeInstanceOf(ClosedError)
    expect(book.log).toEqual(['>a', '+a', '>b', '-a'])
  })
  it.each([false, true])('can be exited by what it enters, concurrent: %s', async (concurrent) => {
    const book = new Book()
    const group: AsyncContextGroup<AsyncContextManager<unknown>[]> = new AsyncContextGroup(
      [book.make('a'), { ...book.make('b'), enter: () => void group.exit({ ok: true }) }],
      { concurrent },
    )
    for (const each of ['c', 'd']) group.add(book.make(each))
    const error = await group.enter().catch((e) => e)
    expect(error).toBeInstanceOf(ClosedError)
    expect(error.message).toBe('AsyncContextGroup was closed during the enter')
    expect(book.log.slice(0, 2)).toEqual(['>a', '+a'])
    expect(book.log.slice(2).sort()).toEqual(['-a', '-b'])
  })

  it('exits what was entering when that exits the group', async () => {
    const book = new Book()
    const group = new AsyncContextGroup([book.make('a')])
    await group.enter()
    const enter = () => void group[Symbol.asyncDispose]()
    await expect(group.enterContext({ ...book.make('b'), enter })).rejects.toThrow(ClosedError)
    expect(book.log).toEqual(['>a', '+a', '-b', '-a'])
  })
})

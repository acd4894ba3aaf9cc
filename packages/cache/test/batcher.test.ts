import { runInNewContext } from 'node:vm'
import { AsyncBatcher } from '@uno-async/cache'
import {
  AsyncVariable,
  CancellationToken,
  CancellationTokenSource,
  ClosedError,
} from '@uno-async/core'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { deferred, failure, settle } from './helpers.js'

afterEach(() => {
  vi.useRealTimers()
})

/** Doubles numbers, and remembers the calls. */
const doubling = (options: ConstructorParameters<typeof AsyncBatcher<number, number>>[1] = {}) => {
  const calls: (readonly number[])[] = []
  const batcher = new AsyncBatcher<number, number>(async (items) => {
    calls.push(items)
    return items.map((n) => n * 2)
  }, options)
  return { batcher, calls }
}

/** Its batches are settled by hand. */
const byHand = (options: ConstructorParameters<typeof AsyncBatcher<number, number>>[1] = {}) => {
  const calls: { items: readonly number[]; token: CancellationToken; go(): void }[] = []
  const batcher = new AsyncBatcher<number, number>((items, token) => {
    const gate = deferred<number[]>()
    calls.push({ items, token, go: () => gate.resolve([...items]) })
    return gate.promise
  }, options)
  return { batcher, calls, call: (i: number) => calls[i] as (typeof calls)[number] }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('gathering', () => {
  it('makes one call of what is added in one turn, promise chains included', async () => {
    const { batcher, calls } = doubling()
    const chain = async (depth: number): Promise<number> => {
      for (let i = 0; i < depth; i++) await null
      return batcher.add(depth)
    }
    const all = Promise.all([batcher.add(0), chain(1), chain(10), chain(50)])
    expect([batcher.pending, calls]).toEqual([1, []])
    expect(await all).toEqual([0, 2, 20, 100])
    expect(calls).toEqual([[0, 1, 10, 50]])
    await batcher.add(7)
    expect(calls).toHaveLength(2)
  })

  it('sends off at the end of the turn what a full batch has left over, however many were full', async () => {
    const runs: number[][] = []
    const batcher = new AsyncBatcher<number, number>(
      async (items) => {
        runs.push([...items])
        return items
      },
      { maxBatchSize: 2 },
    )
    const sum = async (items: number[]): Promise<number> =>
      (await Promise.all(items.map((item) => batcher.add(item)))).reduce((a, b) => a + b)
    expect(await sum([1, 2, 3, 4, 5])).toBe(15)
    expect(await sum([6])).toBe(6)
    expect(runs).toEqual([[1, 2], [3, 4], [5], [6]])
  })

  it('maxWait: waits so long for others, since the first item', async () => {
    vi.useFakeTimers()
    const { batcher, calls } = doubling({ maxWait: 10 })
    const a = batcher.add(1)
    await vi.advanceTimersByTimeAsync(9)
    const b = batcher.add(2)
    expect(calls).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(await Promise.all([a, b])).toEqual([2, 4])
    expect(calls).toEqual([[1, 2]])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('sends off at once what is full, and leaves no timer', async () => {
    vi.useFakeTimers()
    const { batcher, calls } = doubling({ maxBatchSize: 2, maxWait: 1_000 })
    const all = Promise.all([1, 2, 3, 4].map((n) => batcher.add(n)))
    expect(calls).toEqual([
      [1, 2],
      [3, 4],
    ])
    expect(await all).toEqual([2, 4, 6, 8])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('concurrency: what waits keeps filling', async () => {
    const { batcher, calls, call } = byHand({ concurrency: 1, maxBatchSize: 3 })
    const add = (...items: number[]) => items.map((n) => batcher.add(n))
    const all = add(1)
    await turn()
    all.push(...add(2))
    await turn()
    all.push(...add(3, 4, 5))
    await turn()
    expect([calls.length, batcher.running, batcher.pending]).toEqual([1, 1, 4])
    call(0).go()
    await turn()
    expect(call(1).items).toEqual([2, 3, 4])
    call(1).go()
    await turn()
    expect(call(2).items).toEqual([5])
    call(2).go()
    expect(await Promise.all(all)).toEqual([1, 2, 3, 4, 5])
    expect([batcher.running, batcher.pending]).toEqual([0, 0])
  })

  it('every item counts without keyOf', async () => {
    const { batcher, calls } = doubling()
    await Promise.all([batcher.add(1), batcher.add(1)])
    expect(calls).toEqual([[1, 1]])
  })

  it('keyOf: items with the same key are one, also against maxBatchSize', async () => {
    const { batcher, calls } = doubling({ keyOf: (n) => n % 10, maxBatchSize: 3 })
    expect(await Promise.all([1, 11, 2, 1, 3].map((n) => batcher.add(n)))).toEqual([2, 2, 4, 2, 6])
    expect(calls).toEqual([[1, 2, 3]])
    expect(await batcher.add(11)).toBe(22)
  })

  it.each([
    ['keyOf', { keyOf: (n: number) => n }, {}],
    ['a signal', {}, { signal: new AbortController().signal }],
  ])('sends off at once what is full with %s, too', async (_, options, how) => {
    const { batcher, calls } = doubling({ ...options, maxBatchSize: 2 })
    const all = Promise.all([batcher.add(1, how), batcher.add(2, how)])
    expect([calls, batcher.pending]).toEqual([[[1, 2]], 0])
    expect(await all).toEqual([2, 4])
  })

  it('a keyOf that throws rejects that add only', async () => {
    const boom = new Error('boom')
    const { batcher, calls } = doubling({
      keyOf: (n) => {
        if (n === 2) throw boom
        return n
      },
    })
    const [a, b] = [batcher.add(1), failure(batcher.add(2))]
    expect([await a, await b, calls]).toEqual([2, boom, [[1]]])
    expect(await failure(batcher.add(2))).toBe(boom)
    await batcher.close()
  })
})

describe('results', () => {
  const run = (result: (items: readonly number[]) => unknown) =>
    new AsyncBatcher<number, unknown>(result as never, { name: 'b' }).addMany([1, 2])

  it.each([
    ['short', () => [1], 'got 1 results for 2 items'],
    ['long', () => [1, 2, 3], 'got 3 results for 2 items'],
    ['null', () => null, 'expected an array or a Map of results, got null'],
    ['undefined', () => undefined, 'expected an array or a Map of results, got undefined'],
    ['an object', () => ({}), 'expected an array or a Map of results, got object'],
    ['half a Map', () => ({ get() {} }), 'expected an array or a Map of results, got object'],
    ['the other half', () => ({ has() {} }), 'expected an array or a Map of results, got object'],
  ])('%s: rejects all', async (_, result, message) => {
    const expected = { status: 'rejected', reason: new TypeError(`AsyncBatcher "b": ${message}`) }
    expect(await run(result)).toEqual([expected, expected])
  })

  it.each([undefined, null, 'Error', { message: 'Error' }])(
    'an Error is the outcome of its item only; %o is a result',
    async (value) => {
      const error = new Error('one')
      expect(await run(() => [error, value])).toEqual([
        { status: 'rejected', reason: error },
        { status: 'fulfilled', value },
      ])
    },
  )

  it('a Map goes by item; what is missing there is rejected', async () => {
    const [one, two] = await run(async () => new Map([[2, 'two']]))
    expect(two).toEqual({ status: 'fulfilled', value: 'two' })
    expect(String((one as PromiseRejectedResult).reason)).toBe(
      'TypeError: AsyncBatcher "b": the Map has no result for this item',
    )
  })

  it('an array is one, whatever else it offers', async () => {
    const like = Object.assign(['one', 'two'], { has: () => false, get: () => undefined })
    expect(await run(() => like)).toEqual([
      { status: 'fulfilled', value: 'one' },
      { status: 'fulfilled', value: 'two' },
    ])
  })

  it('a Map of another realm, or what offers the same, is as good', async () => {
    const inner = new Map([[2, 'two']])
    const like = { has: (item: number) => inner.has(item), get: (item: number) => inner.get(item) }
    for (const result of [runInNewContext(`new Map([[2, 'two']])`), like]) {
      expect(await run(() => result)).toEqual([
        { status: 'rejected', reason: expect.any(TypeError) },
        { status: 'fulfilled', value: 'two' },
      ])
    }
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('boom')
      },
    ],
    ['rejects', () => Promise.reject(new Error('boom'))],
  ])('run %s: rejects all with that', async (_, result) => {
    const [a, b] = (await run(result)) as PromiseRejectedResult[]
    expect(a?.reason).toEqual(new Error('boom'))
    expect(b?.reason).toBe(a?.reason)
  })

  it('that cannot be read reject all, and leave no rejection unhandled', async () => {
    const boom = new Error('boom')
    const unhandled: unknown[] = []
    const listener = (error: unknown): void => void unhandled.push(error)
    process.on('unhandledRejection', listener)
    const results = Object.defineProperty([1, 2], 1, {
      get: () => {
        throw boom
      },
    })
    const expected = { status: 'rejected', reason: boom }
    expect(await run(() => results)).toEqual([expected, expected])
    await turn()
    process.off('unhandledRejection', listener)
    expect(unhandled).toEqual([])
  })
})

describe('cancelling', () => {
  it('before: the item is left out; a batch that is empty is not run', async () => {
    const { batcher, calls } = doubling()
    const source = new CancellationTokenSource()
    const { token } = source
    const a = failure(batcher.add(1, { signal: token }))
    const b = batcher.add(2)
    source.cancel()
    expect(batcher.pending).toBe(1)
    expect([await a, await b, calls]).toEqual([token.error, 4, [[2]]])

    const controller = new AbortController()
    const c = failure(batcher.add(3, { signal: controller.signal }))
    const reason = new Error('mine')
    controller.abort(reason)
    expect(await c).toBe(reason)
    expect(batcher.pending).toBe(0)
    await turn()
    expect(calls).toHaveLength(1)
    expect(await failure(batcher.add(4, { signal: controller.signal }))).toBe(reason)
    await turn()
    expect(calls).toHaveLength(1)
  })

  it('leaves no timer behind when all have left', async () => {
    vi.useFakeTimers()
    const { batcher } = doubling({ maxWait: 1_000 })
    const source = new CancellationTokenSource()
    const a = failure(batcher.add(1, { signal: source.token }))
    source.cancel()
    await a
    expect(vi.getTimerCount()).toBe(0)
  })

  it('of one of two who want the same item leaves the item in', async () => {
    const { batcher, calls } = doubling({ keyOf: (n) => n })
    const source = new CancellationTokenSource()
    const first = failure(batcher.add(1, { signal: source.token }))
    const second = batcher.add(1)
    source.cancel()
    expect([await first, await second, calls]).toEqual([source.token.error, 2, [[1]]])
  })

  it('an item that all have left may come back', async () => {
    const { batcher, calls } = doubling({ keyOf: (n) => n })
    const source = new CancellationTokenSource()
    const other = batcher.add(0)
    const first = failure(batcher.add(1, { signal: source.token }))
    source.cancel()
    const again = batcher.add(1)
    expect(batcher.pending).toBe(2)
    expect([await other, await first, await again]).toEqual([0, source.token.error, 2])
    expect(calls).toEqual([[0, 1]])
  })

  it('during: the token of the batch is cancelled when all have left', async () => {
    const { batcher, call } = byHand()
    const sources = [1, 2].map(() => new CancellationTokenSource())
    const asked = sources.map(({ token }, i) => failure(batcher.add(i, { signal: token })))
    await turn()
    sources[0]?.cancel('first')
    expect(call(0).token.cancelled).toBe(false)
    sources[1]?.cancel('second')
    expect(call(0).token.reason).toBe('second')
    expect(await Promise.all(asked)).toEqual(sources.map(({ token }) => token.error))
    call(0).go()
    await settle()
    expect(batcher.running).toBe(0)
  })

  it('during: who has left hears no more, not even of a failure', async () => {
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    const gate = deferred<never>()
    const batcher = new AsyncBatcher<number, number>(() => gate.promise)
    const source = new CancellationTokenSource()
    const left = failure(batcher.add(1, { signal: source.token }))
    const stays = failure(batcher.add(2))
    await turn()
    source.cancel()
    const boom = new Error('boom')
    gate.reject(boom)
    expect(await Promise.all([left, stays])).toEqual([source.token.error, boom])
    await turn()
    process.off('unhandledRejection', unhandled)
    expect(unhandled).not.toHaveBeenCalled()
  })

  it.each([
    ['many', (i: number) => i],
    ['many who want the same item', () => -2],
  ])('%s who come and go while a batch waits are not remembered', async (_, item) => {
    const { batcher, call } = byHand({ concurrency: 1, keyOf: (n) => n })
    const first = batcher.add(-1)
    await turn()
    const stay = [batcher.add(-2), batcher.add(-2)]
    const refs: WeakRef<CancellationTokenSource>[] = []
    for (let i = 0; i < 1_000; i++) {
      const source = new CancellationTokenSource()
      refs.push(new WeakRef(source))
      const left = failure(batcher.add(item(i), { signal: source.token }))
      source.cancel()
      await left
    }
    await turn()
    globalThis.gc?.()
    expect(refs.filter((ref) => ref.deref()).length).toBeLessThan(50)
    stay.push(batcher.add(-2))
    call(0).go()
    await turn()
    expect(call(1).items).toEqual([-2])
    call(1).go()
    expect(await Promise.all([first, ...stay])).toEqual([-1, -2, -2, -2])
  })
})

describe('context', () => {
  it('is the one in which the batcher was made', async () => {
    const user = new AsyncVariable<string>({ defaultValue: 'nobody' })
    let current: CancellationToken | undefined
    const batcher = user.run(
      'maker',
      () =>
        new AsyncBatcher<number, string>(
          (items, token) => {
            current = CancellationToken.current
            expect(current).toBe(token)
            return items.map(() => user.get())
          },
          { maxBatchSize: 1 },
        ),
    )
    const source = new CancellationTokenSource()
    expect(await user.run('caller', () => source.token.run(() => batcher.add(1)))).toBe('maker')
    expect(current).not.toBe(source.token)
  })

  it('an add from within a running batch goes into the next, also with concurrency 1', async () => {
    const inner: Promise<number>[] = []
    const calls: (readonly number[])[] = []
    const batcher: AsyncBatcher<number, number> = new AsyncBatcher(
      (items) => {
        calls.push(items)
        if (items[0] === 1) inner.push(batcher.add(2))
        return items
      },
      { concurrency: 1 },
    )
    expect(await batcher.add(1)).toBe(1)
    expect(await Promise.all(inner)).toEqual([2])
    expect(calls).toEqual([[1], [2]])
  })

  it('run that throws at once: all that waits for a place is told, however much it is', async () => {
    const gate = deferred<number[]>()
    const boom = new Error('boom')
    let runs = 0
    const batcher = new AsyncBatcher<number, number>(
      () => {
        if (!runs++) return gate.promise
        throw boom
      },
      { maxBatchSize: 1, concurrency: 1 },
    )
    const all = batcher.addMany(Array.from({ length: 10_000 }, (_, i) => i))
    gate.resolve([0])
    const [first, ...others] = await all
    expect(first).toEqual({ status: 'fulfilled', value: 0 })
    expect(others.every((it) => it.status === 'rejected' && it.reason === boom)).toBe(true)
    expect([runs, batcher.running]).toEqual([10_000, 0])
  })

  it('run that fills batch after batch at once is called for one after the other', async () => {
    let deep = 0
    let deepest = 0
    const batcher: AsyncBatcher<number, number> = new AsyncBatcher(
      (items) => {
        deepest = Math.max(deepest, ++deep)
        if (items[0] as number) void batcher.add((items[0] as number) - 1)
        deep--
        return items
      },
      { maxBatchSize: 1 },
    )
    await batcher.add(10_000)
    await batcher.close()
    expect(deepest).toBe(1)
  })
})

describe('flush and close', () => {
  it('flush sends off what waits, and resolves when all has settled', async () => {
    vi.useFakeTimers()
    const { batcher, call } = byHand({ maxWait: 1_000, maxBatchSize: 2 })
    const all = [1, 2, 3].map((n) => batcher.add(n))
    let flushed = false
    const flushing = batcher.flush().then(() => {
      flushed = true
    })
    expect([call(0).items, call(1).items]).toEqual([[1, 2], [3]])
    call(1).go()
    await settle()
    expect(flushed).toBe(false)
    call(0).go()
    await flushing
    expect(await Promise.all(all)).toEqual([1, 2, 3])
    await batcher.flush()
  })

  it('flush does not reject when run does', async () => {
    const batcher = new AsyncBatcher<number, number>(() => Promise.reject(new Error('boom')))
    const added = failure(batcher.add(1))
    await batcher.flush()
    expect(await added).toEqual(new Error('boom'))
  })

  it('close: sends off what waits; later adds are rejected', async () => {
    const { batcher, call } = byHand({ concurrency: 1, maxBatchSize: 1, name: 'b' })
    const all = [1, 2].map((n) => batcher.add(n))
    const closing = batcher.close()
    expect(String(await failure(batcher.add(3)))).toBe('ClosedError: AsyncBatcher "b" is closed')
    call(0).go()
    await turn()
    call(1).go()
    await closing
    expect(await Promise.all(all)).toEqual([1, 2])
    await batcher[Symbol.asyncDispose]()
  })

  it('await using closes', async () => {
    const { batcher, calls } = doubling()
    let added: Promise<number>
    {
      await using scoped = batcher
      added = scoped.add(1)
    }
    expect([calls, await added]).toEqual([[[1]], 2])
    expect(String(await failure(batcher.add(2)))).toBe('ClosedError: AsyncBatcher is closed')
  })

  it('close with drop: rejects what waits, and waits for what runs', async () => {
    const { batcher, calls, call } = byHand({ concurrency: 1, maxBatchSize: 1 })
    const running = batcher.add(1)
    const waiting = failure(batcher.add(2))
    let closed = false
    const closing = batcher.close({ drop: true }).then(() => {
      closed = true
    })
    expect(await waiting).toBeInstanceOf(ClosedError)
    await settle()
    expect(closed).toBe(false)
    call(0).go()
    await closing
    expect(await running).toBe(1)
    expect(calls).toHaveLength(1)
  })
})

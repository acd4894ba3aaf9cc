import {
  AsyncVariable,
  type CancellationToken,
  CancellationTokenSource,
  CancelledError,
  delay,
  CancellationToken as Token,
} from '@uno-async/core'
import {
  anyTask,
  iterateTasks,
  raceTasks,
  runTasks,
  settleTasks,
  type TaskProgress,
  taskPathOf,
} from '@uno-async/tasks'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

const boom = new Error('boom')
const bang = new Error('bang')
const reject = (error: unknown) => () => Promise.reject(error)
const forever = (token: CancellationToken) => delay(Infinity, { signal: token })
const failureOf = (promise: PromiseLike<unknown>) =>
  Promise.resolve(promise).then(
    () => expect.fail('did not reject'),
    (error) => error,
  )

/** A source that counts what is done to it. */
const sourceOf = <T>(next: (n: number) => Promise<IteratorResult<T>> | IteratorResult<T>) => {
  const calls = { next: 0, return: 0, open: 0, most: 0 }
  let pending = 0
  return {
    calls,
    [Symbol.asyncIterator]() {
      calls.open++
      return this
    },
    async next() {
      calls.most = Math.max(calls.most, ++pending)
      try {
        return await next(calls.next++)
      } finally {
        pending--
      }
    },
    async return() {
      calls.return++
      return { done: true as const, value: undefined }
    },
  }
}
const count = (to: number) =>
  sourceOf<number>((n) => (n < to ? { done: false, value: n } : { done: true, value: undefined }))

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('runTasks', () => {
  it('gives values in the shape and order of the input', async () => {
    const slow = async () => {
      await delay(5)
      return 'slow'
    }
    const all = Promise.all([
      runTasks([slow, () => 1]),
      runTasks({ a: slow, b: () => 2 }),
      runTasks([3, 1], (n) => delay(n).then(() => n)),
      runTasks([]),
      runTasks({}),
    ])
    await vi.runAllTimersAsync()
    expect(await all).toEqual([['slow', 1], { a: 'slow', b: 2 }, [3, 1], [], {}])
  })

  it('takes items from wherever they come', async () => {
    const double = (n: number | string) => `${n}${n}`
    async function* later() {
      yield* [1, 2]
    }
    function* soon() {
      yield* [1, 2]
    }
    const stream = new ReadableStream<number>({
      start(controller) {
        controller.enqueue(1)
        controller.enqueue(2)
        controller.close()
      },
    })
    for (const items of [[1, 2], new Set([1, 2]), soon(), later(), count(3), stream, '12']) {
      const values = await runTasks(items as Iterable<number>, double, { concurrency: 2 })
      expect(values.slice(-2)).toEqual(['11', '22'])
    }
    expect(await runTasks(new Map([['a', 1]]), ([key, n]) => key + n)).toEqual(['a1'])
  })

  it('gives a task its item, a token and the index', async () => {
    const seen: unknown[] = []
    await runTasks(['a', 'b'], (item, token, index) => {
      expect(Token.current).toBe(token)
      seen.push([item, token.cancelled, index])
    })
    await runTasks([(token) => void seen.push(Token.is(token))])
    expect(seen).toEqual([['a', false, 0], ['b', false, 1], true])
  })

  it('runs so many at once, and takes no item early', async () => {
    const source = count(10)
    let running = 0
    let most = 0
    const run = runTasks(
      source,
      async () => {
        most = Math.max(most, ++running)
        await delay(5)
        running--
      },
      { concurrency: 3 },
    )
    await vi.advanceTimersByTimeAsync(1)
    expect(source.calls.next).toBe(3)
    await vi.runAllTimersAsync()
    expect(await run).toHaveLength(10)
    expect([most, source.calls]).toEqual([3, { next: 11, return: 0, open: 1, most: 1 }])
  })

  it('waits for what is in flight before it rejects', async () => {
    const log: string[] = []
    const never = vi.fn()
    const tasks = [
      (token: CancellationToken) =>
        forever(token).catch(() => delay(10).then(() => log.push('ended'))),
      () => delay(1).then(reject(boom)),
      never,
    ]
    const run = failureOf(runTasks(tasks, { concurrency: 2 }))
    await vi.runAllTimersAsync()
    expect([await run, log]).toEqual([boom, ['ended']])
    expect(never).not.toHaveBeenCalled()
  })

  it('tells children which failure stopped them', async () => {
    let cause: unknown
    const watch = (token: CancellationToken) => {
      token.onCancelled((reason) => {
        cause = (reason as Error).cause
      })
      return forever(token)
    }
    await failureOf(runTasks([watch, reject(boom)]))
    expect(cause).toBe(boom)
  })

  it('joins several failures in the order of the input', async () => {
    const run = failureOf(
      runTasks(
        [
          (token: CancellationToken) => forever(token).catch(reject(boom)),
          reject(bang),
          (token: CancellationToken) => forever(token),
        ],
        { name: 'import' },
      ),
    )
    expect(await run).toMatchObject({
      name: 'TaskGroupError',
      group: 'import',
      errors: [boom, bang],
    })
    const same = runTasks([(token) => forever(token).catch(reject(boom)), reject(boom)])
    expect(await failureOf(same)).toBe(boom)
    for (const value of [undefined, null, 0]) {
      expect(await runTasks([reject(value)]).catch((error) => [error])).toEqual([value])
    }
  })

  it('rejects with a cancellation from outside, after all have ended', async () => {
    const source = new CancellationTokenSource()
    let ended = false
    const task = (token: CancellationToken) =>
      forever(token).finally(() => {
        ended = true
      })
    const run = failureOf(runTasks([task], { signal: source.token }))
    source.cancel(boom)
    expect([await run, ended]).toEqual([boom, true])
    const items = count(3)
    const never = vi.fn()
    expect(await failureOf(runTasks(items, never, { signal: AbortSignal.abort(bang) }))).toBe(bang)
    expect([items.calls.open, never.mock.calls.length]).toEqual([0, 0])
    const swallowed = failureOf(
      runTasks([(token) => forever(token).catch(() => 1)], { timeout: 5 }),
    )
    await vi.runAllTimersAsync()
    expect(await swallowed).toMatchObject({ name: 'TimeoutError', timeout: 5 })
  })

  it('rejects after its timeout, though no task looked at its token', async () => {
    const deaf = () => new Promise((resolve) => setTimeout(resolve, 20))
    const timed = failureOf(runTasks([deaf], { timeout: 5 }))
    const outer = failureOf(runTasks([deaf], { signal: Token.timeout(5) }))
    const settling = failureOf(settleTasks([deaf], { timeout: 5 }))
    const early = runTasks([deaf], { timeout: 30 })
    await vi.runAllTimersAsync()
    for (const error of await Promise.all([timed, outer, settling])) {
      expect(error).toMatchObject({ name: 'TimeoutError', timeout: 5 })
    }
    expect(await early).toEqual([undefined])
  })

  it('follows the current token', async () => {
    const source = new CancellationTokenSource()
    const outer = failureOf(
      runTasks([(token) => runTasks([forever]).finally(() => expect(token.cancelled).toBe(true))], {
        signal: source.token,
      }),
    )
    source.cancel(boom)
    expect(await outer).toBe(boom)
  })

  it('runs every task in the context of the caller, also who starts late', async () => {
    const user = new AsyncVariable<string>()
    const seen = await user.run('ada', () =>
      runTasks([1, 2, 3], async () => user.get(), { concurrency: 1 }),
    )
    expect(seen).toEqual(['ada', 'ada', 'ada'])
  })

  it('gives as many values as items were taken', async () => {
    const items = [1, 2, 3]
    const shrinking = runTasks(items, async (item) => items.pop() && item, { concurrency: 1 })
    expect(await shrinking).toEqual([1, 2])
  })

  it('cancels one task after its timeout, and still waits for it', async () => {
    let ended = false
    const run = failureOf(
      runTasks(
        [
          () => delay(1),
          (token: CancellationToken) =>
            forever(token).catch(async (error) => {
              await delay(5)
              ended = true
              throw error
            }),
        ],
        { taskTimeout: 10 },
      ),
    )
    await vi.runAllTimersAsync()
    expect([await run, ended]).toMatchObject([{ name: 'TimeoutError', operation: 'task-1' }, true])
    const aborted = failureOf(
      runTasks([(token: CancellationToken) => forever(token).catch(reject(new CancelledError()))], {
        taskTimeout: 10,
      }),
    )
    await vi.runAllTimersAsync()
    expect(await aborted).toMatchObject({ name: 'TimeoutError' })
    expect(vi.getTimerCount()).toBe(0)
  })

  it('tells its progress', async () => {
    const seen: TaskProgress[] = []
    await runTasks([1, 2], (n) => n, { onProgress: (progress) => seen.push(progress) })
    expect(seen).toEqual([
      { done: 1, failed: 0, running: 0, total: 2 },
      { done: 2, failed: 0, running: 0, total: 2 },
    ])
    await settleTasks(new Set([1]), reject(boom), { onProgress: (it) => seen.push(it) })
    await runTasks(count(1), () => 1, { onProgress: (it) => seen.push(it) })
    expect(seen.slice(2)).toEqual([
      { done: 1, failed: 1, running: 0, total: 1 },
      { done: 1, failed: 0, running: 0, total: undefined },
    ])
  })

  it('tells its progress while others run', async () => {
    const seen: TaskProgress[] = []
    const run = runTasks([10, 30, 20], (ms) => delay(ms), {
      concurrency: 2,
      onProgress: (progress) => seen.push(progress),
    })
    await vi.runAllTimersAsync()
    await run
    expect(seen.map(({ done, running }) => [done, running])).toEqual([
      [1, 1],
      [2, 1],
      [3, 0],
    ])
  })

  it('is not stopped by a hook that throws', async () => {
    const report = vi.fn()
    vi.stubGlobal('reportError', report)
    const onProgress = () => {
      throw bang
    }
    expect(await runTasks([1], (n) => n, { onProgress })).toEqual([1])
    expect(report.mock.calls).toEqual([[bang]])
    vi.unstubAllGlobals()
  })

  it('goes on where the size of the items throws', async () => {
    const report = vi.fn()
    vi.stubGlobal('reportError', report)
    const items = Object.defineProperty(new Set([1, 2]), 'size', {
      get() {
        throw boom
      },
    })
    const onProgress = vi.fn()
    expect(await runTasks(items, async (n) => n, { onProgress })).toEqual([1, 2])
    expect(report.mock.calls).toEqual([[boom], [boom]])
    expect(onProgress).not.toHaveBeenCalled()
    vi.unstubAllGlobals()
  })

  it('knows the path of an error', async () => {
    const error = new Error('deep')
    const users = () => runTasks({ ada: reject(error) }, { name: 'users' })
    await failureOf(runTasks({ users }, { name: 'import' }))
    expect(taskPathOf(error)).toEqual(['users', 'ada'])
    const other = new Error('no name')
    await failureOf(runTasks([1], reject(other)))
    expect(taskPathOf(other)).toEqual(['task-0'])
  })
})

it('keeps the results if it is cancelled when all are there', async () => {
  const stop = new CancellationTokenSource()
  const { token: signal } = stop
  const sync = runTasks([() => 1, () => 2], { signal })
  const settled = settleTasks([() => 1], { signal })
  stop.cancel(boom)
  expect(await sync).toEqual([1, 2])
  expect(await settled).toMatchObject([{ value: 1 }])
  const last = new CancellationTokenSource()
  const onProgress = ({ done }: { done: number }) => done === 2 && last.cancel(boom)
  const tasks = [() => delay(1), async () => 1]
  const run = runTasks(tasks, { signal: last.token, onProgress })
  await vi.runAllTimersAsync()
  expect(await run).toEqual([undefined, 1])
})

describe('a source', () => {
  it('that throws ends it all with its error, and is not told to return', async () => {
    const source = sourceOf<number>((n) => {
      if (n === 2) throw boom
      return { done: false, value: n }
    })
    const ended = vi.fn()
    const run = runTasks(source, (_, token) => forever(token).finally(ended), { concurrency: 5 })
    expect(await failureOf(run)).toBe(boom)
    expect([ended.mock.calls.length, source.calls.return]).toEqual([2, 0])
    const broken = {
      [Symbol.iterator]() {
        throw bang
      },
    }
    expect(await failureOf(runTasks(broken as Iterable<number>, () => 1))).toBe(bang)
    function* bad() {
      yield 1
      throw boom
    }
    expect(await failureOf(runTasks(bad(), () => 1))).toBe(boom)
  })

  it('is told to return once on an early end, and awaited', async () => {
    const log: string[] = []
    async function* items() {
      try {
        for (let n = 0; ; n++) yield n
      } finally {
        await delay(5)
        log.push('closed')
      }
    }
    const run = runTasks(items(), (n) => (n === 3 ? Promise.reject(boom) : n), { concurrency: 1 })
    const error = failureOf(run)
    await vi.runAllTimersAsync()
    expect([await error, log]).toEqual([boom, ['closed']])
    const source = count(100)
    const stop = new CancellationTokenSource()
    const stopped = runTasks(source, () => stop.cancel(), { signal: stop.token })
    await failureOf(stopped)
    expect([source.calls.return, source.calls.next]).toEqual([1, 1])
  })

  it('that stalls cannot hang a cancelled call', async () => {
    const stalled = {
      ...sourceOf<number>(() => new Promise(() => {})),
      return: vi.fn(() => new Promise<never>(() => {})),
    }
    const stop = new CancellationTokenSource()
    const run = failureOf(runTasks(stalled, () => 1, { signal: stop.token }))
    await Promise.resolve()
    stop.cancel(boom)
    expect(await run).toBe(boom)
    expect(stalled.return).toHaveBeenCalledTimes(1)
    const half = sourceOf<number>((n) => (n ? new Promise(() => {}) : { done: false, value: n }))
    const failed = failureOf(runTasks(half, () => delay(1).then(reject(bang)), { concurrency: 2 }))
    await vi.runAllTimersAsync()
    expect([await failed, half.calls.return]).toEqual([bang, 1])
  })

  it('whose return() never answers cannot hang a cancelled call', async () => {
    const stuck = async function* () {
      try {
        for (let n = 0; ; n++) yield n
      } finally {
        await new Promise(() => {})
      }
    }
    const ones = { concurrency: 1 }
    const stop = new CancellationTokenSource()
    const run = runTasks(stuck(), (_, token) => forever(token), { ...ones, signal: stop.token })
    const timed = runTasks(stuck(), (_, token) => forever(token), { ...ones, timeout: 5 })
    const errors = Promise.all([run, timed].map(failureOf))
    await vi.advanceTimersByTimeAsync(5)
    stop.cancel(boom)
    expect(await errors).toMatchObject([boom, { name: 'TimeoutError', timeout: 5 }])
    // cancelled while it waits for that
    const later = new CancellationTokenSource()
    const options = { ...ones, signal: later.token }
    const failed = failureOf(runTasks(stuck(), reject(bang), options))
    const won = anyTask(stuck(), (n) => n, options)
    const left = (async () => {
      for await (const _ of iterateTasks(stuck(), (n) => n, options)) break
    })()
    await vi.advanceTimersByTimeAsync(5)
    later.cancel(boom)
    expect(await Promise.all([failed, won, left])).toEqual([bang, 0, undefined])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('that gives something else than results ends it with a TypeError', async () => {
    for (const step of [5, undefined, null, 'text']) {
      const source = sourceOf<number>(() => step as never)
      for (const run of [
        runTasks(source, () => 1),
        runTasks({ [Symbol.iterator]: () => ({ next: () => step }) } as never, () => 1),
      ]) {
        expect(await failureOf(run)).toBeInstanceOf(TypeError)
      }
      expect(source.calls).toMatchObject({ next: 1, return: 0 })
    }
  })

  it('that cancels inside next() starts nothing more', async () => {
    const stop = new CancellationTokenSource()
    const source = sourceOf<number>((n) => {
      if (n === 1) stop.cancel(boom)
      return { done: false, value: n }
    })
    const started = vi.fn()
    const run = runTasks(source, started, { signal: stop.token, concurrency: 2 })
    expect(await failureOf(run)).toBe(boom)
    expect(started.mock.calls.map(([item]) => item)).toEqual([0])
    function* items() {
      yield 0
      stop2.cancel(bang)
      yield 1
    }
    const stop2 = new CancellationTokenSource()
    started.mockClear()
    expect(await failureOf(runTasks(items(), started, { signal: stop2.token }))).toBe(bang)
    expect(started).toHaveBeenCalledTimes(1)
  })

  it('whose return() fails has that reported with the rest', async () => {
    const source = {
      ...count(5),
      return: () => Promise.reject(bang),
    }
    const error = await failureOf(runTasks(source, reject(boom), { concurrency: 1 }))
    expect(error.errors).toEqual([boom, bang])
  })
})

describe('settleTasks', () => {
  it('tells how each ended, in the order of the input', async () => {
    const run = settleTasks(
      { slow: () => delay(5).then(() => 1), bad: reject(boom), none: reject(undefined) },
      { name: 'all' },
    )
    await vi.runAllTimersAsync()
    expect(await run).toMatchObject([
      { status: 'fulfilled', value: 1, task: { name: 'slow', state: 'fulfilled', group: 'all' } },
      { status: 'rejected', reason: boom, task: { name: 'bad', state: 'rejected' } },
      { status: 'rejected', reason: undefined, task: { name: 'none' } },
    ])
    expect(await settleTasks([])).toEqual([])
    const timed = settleTasks([20, 10], (ms) => delay(ms), { concurrency: 1 })
    await vi.runAllTimersAsync()
    expect((await timed).map(({ task: { name, age, group } }) => ({ name, age, group }))).toEqual([
      { name: 'task-0', age: 20, group: '' },
      { name: 'task-1', age: 10, group: '' },
    ])
    const late = settleTasks([1], (_, token) => forever(token), { taskTimeout: 5 })
    await vi.runAllTimersAsync()
    expect(await late).toMatchObject([{ status: 'rejected', reason: { name: 'TimeoutError' } }])
  })

  it('rejects when it is cancelled, and when its source fails', async () => {
    expect(await failureOf(settleTasks([forever], { signal: AbortSignal.abort(boom) }))).toBe(boom)
    const source = sourceOf<number>(() => {
      throw bang
    })
    expect(await failureOf(settleTasks(source, () => 1))).toBe(bang)
  })
})

describe('anyTask', () => {
  it('gives the first success when the losers have ended', async () => {
    const log: string[] = []
    const loser = (token: CancellationToken) =>
      forever(token).catch(() => delay(5).then(() => log.push('ended')))
    const run = anyTask([loser, reject(boom), () => delay(1).then(() => 'won')])
    await vi.runAllTimersAsync()
    expect([await run, log]).toEqual(['won', ['ended']])
    expect(await anyTask({ a: reject(1), b: () => undefined })).toBeUndefined()
  })

  it('joins all failures in the order of the input', async () => {
    const run = failureOf(anyTask([() => delay(5).then(reject(boom)), reject(bang)]))
    await vi.runAllTimersAsync()
    expect((await run).errors).toEqual([boom, bang])
    expect(await run).toBeInstanceOf(AggregateError)
    expect((await failureOf(anyTask([reject(boom)]))).errors).toEqual([boom])
    expect((await failureOf(anyTask([]))).errors).toEqual([])
  })

  it('rejects when it is cancelled', async () => {
    const source = new CancellationTokenSource()
    const run = failureOf(anyTask([forever, reject(bang)], { signal: source.token }))
    source.cancel(boom)
    expect(await run).toBe(boom)
  })
})

describe('raceTasks', () => {
  it('ends like the first to end, when the losers have ended', async () => {
    const log: string[] = []
    const loser = (token: CancellationToken) =>
      forever(token).catch(() => delay(5).then(() => log.push('ended')))
    const won = raceTasks([loser, () => delay(1).then(() => 'won')])
    const lost = failureOf(
      raceTasks([loser, () => delay(1).then(reject(undefined))]).then(String, (e) =>
        Promise.reject([e]),
      ),
    )
    await vi.runAllTimersAsync()
    expect([await won, await lost, log]).toEqual(['won', [undefined], ['ended', 'ended']])
  })

  it('starts nothing after a synchronous first', async () => {
    const never = vi.fn()
    expect(await raceTasks([() => 1, never])).toBe(1)
    expect(never).not.toHaveBeenCalled()
    expect(await failureOf(raceTasks([]))).toBeInstanceOf(RangeError)
  })
})

it.each([
  ['a function', async () => 1],
  ['a date', new Date()],
  ['an expression', /x/],
  ['an instance', new (class Tasks {})()],
])('refuses %s, which is no record', async (_, tasks) => {
  await expect(runTasks(tasks as never)).rejects.toThrow(/`tasks`/)
})

it('takes a record without a prototype', async () => {
  const tasks = Object.assign(Object.create(null), { one: () => 1 })
  expect(await runTasks(tasks)).toEqual({ one: 1 })
})

import { type CancellationToken, CancellationTokenSource, delay } from '@uno-async/core'
import { iterateTasks } from '@uno-async/tasks'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'

const boom = new Error('boom')
const bang = new Error('bang')
const forever = (token: CancellationToken) => delay(Infinity, { signal: token })
const failureOf = (promise: PromiseLike<unknown> | undefined) =>
  Promise.resolve(promise).then(
    () => expect.fail('did not reject'),
    (error) => error,
  )
const wait = (n: number) => delay(n).then(() => n)
const read = async <T>(values: AsyncIterable<T>, into: T[] = []) => {
  for await (const value of values) into.push(value)
  return into
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('gives values in the order of the input, or as tasks end', async () => {
  const both = Promise.all([
    read(iterateTasks([9, 1, 5], wait)),
    read(iterateTasks([9, 1, 5], wait, { order: 'completion' })),
    read(iterateTasks([9, 1, 5], wait, { order: 'completion', concurrency: 2 })),
    read(iterateTasks([], wait)),
  ])
  await vi.runAllTimersAsync()
  expect(await both).toEqual([[9, 1, 5], [1, 5, 9], [1, 5, 9], []])
})

it('starts nothing before the first next()', async () => {
  const started = vi.fn()
  const values = iterateTasks([1], started)
  await vi.advanceTimersByTimeAsync(5)
  expect(started).not.toHaveBeenCalled()
  await values.return?.()
  expect(started).not.toHaveBeenCalled()
  expect((await values.next()).done).toBe(true)
})

it('is never further ahead of a slow reader than concurrency + buffer', async () => {
  function* items() {
    for (let n = 0; n < 20; n++) yield n
  }
  for (const buffer of [0, 3]) {
    let started = 0
    let read = 0
    const run = async (n: number) => {
      started++
      expect(started - read).toBeLessThanOrEqual(2 + buffer)
      await delay(1)
      return n
    }
    const reading = (async () => {
      for await (const _ of iterateTasks(items(), run, { concurrency: 2, buffer })) {
        read++
        await delay(10)
        if (started < 20) expect(started - read).toBe(2 + buffer)
      }
    })()
    await vi.runAllTimersAsync()
    await reading
    expect(read).toBe(20)
  }
})

it('cancels and awaits what is in flight when the loop is left', async () => {
  const log: string[] = []
  let closed = 0
  async function* items() {
    try {
      for (let n = 0; ; n++) yield n
    } finally {
      closed++
    }
  }
  const run = async (n: number, token: CancellationToken) => {
    if (n) await forever(token).catch(() => delay(5).then(() => log.push('ended')))
    else await delay(1)
    return n
  }
  const reading = (async () => {
    for await (const _ of iterateTasks(items(), run, { concurrency: 3 })) break
    log.push('left')
  })()
  await vi.runAllTimersAsync()
  await reading
  expect(log).toEqual(['ended', 'ended', 'left'])
  expect(closed).toBe(1)
})

it('can be left while there is no room for more', async () => {
  const reading = (async () => {
    for await (const _ of iterateTasks([0, 1, 2, 3], wait, { concurrency: 2 })) {
      await delay(50)
      break
    }
  })()
  await vi.runAllTimersAsync()
  await reading
})

it('cancels nothing, and listens to nothing any more, when all was read', async () => {
  const source = new CancellationTokenSource()
  const told = vi.fn()
  const run = (_: number, token: CancellationToken) => void token.onCancelled(told)
  await read(iterateTasks([1, 2], run, { signal: source.token }))
  source.cancel()
  expect(told).not.toHaveBeenCalled()
})

it('throws what really fails while the loop is left', async () => {
  const run = async (n: number, token: CancellationToken) => {
    await (n ? forever(token).catch(() => Promise.reject(boom)) : delay(0))
  }
  const values = iterateTasks([0, 1], run)
  const first = values.next()
  await vi.advanceTimersByTimeAsync(1)
  await first
  expect(await failureOf(values.return?.())).toBe(boom)
})

it('can be left while it waits for a value', async () => {
  const values = iterateTasks([1], (_, token) => forever(token))
  const waiting = values.next()
  expect((await values.return?.())?.done).toBe(true)
  expect((await waiting).done).toBe(true)
})

it('gives what comes before a failure, then the failure', async () => {
  const run = async (n: number, token: CancellationToken) => {
    if (n === 3) await delay(1).then(() => Promise.reject(boom))
    if (n === 4) await forever(token).catch(() => Promise.reject(bang))
    return n
  }
  const seen: number[] = []
  const reading = failureOf(read(iterateTasks([1, 2, 3, 4], run), seen))
  await vi.runAllTimersAsync()
  const error = await reading
  expect([error.errors, seen]).toEqual([
    [boom, bang],
    [1, 2],
  ])
  const values = iterateTasks([3], run)
  const failure = failureOf(values.next())
  await vi.runAllTimersAsync()
  expect(await failure).toBe(boom)
  expect((await values.next()).done).toBe(true)
})

it('rejects when it is cancelled, with nothing more', async () => {
  const source = new CancellationTokenSource()
  const seen: number[] = []
  const run = (n: number, token: CancellationToken) => (n < 3 ? n : forever(token).then(() => n))
  const reading = failureOf(
    (async () => {
      for await (const value of iterateTasks([1, 2, 3], run, { signal: source.token })) {
        seen.push(value)
        source.cancel(boom)
      }
    })(),
  )
  expect([await reading, seen]).toEqual([boom, [1]])
})

it('serves several next() at once', async () => {
  const values = iterateTasks([2, 1], wait)
  const three = Promise.all([values.next(), values.next(), values.next()])
  await vi.runAllTimersAsync()
  expect((await three).map(({ value }) => value)).toEqual([2, 1, undefined])
})

import { getEventListeners } from 'node:events'
import { type Cancellation, CancellationToken, CancellationTokenSource } from '@uno-async/core'
import {
  type AsyncDecorator,
  type CommonOptions,
  cancellable,
  concurrentLimited,
  rateLimited,
  retry,
  timeoutHandler,
} from '@uno-async/decorators'
import { describe, expect, it } from 'vitest'

const gc = globalThis.gc as () => void
const all: [string, AsyncDecorator][] = [
  ['cancellable', cancellable],
  ['timeoutHandler', timeoutHandler(60_000)],
  ['retry', retry({ timeout: 60_000, attemptTimeout: 60_000 })],
  ['rateLimited', rateLimited({ limit: 2 ** 40 })],
  ['concurrentLimited', concurrentLimited(10)],
]

describe.each(all)('%s', (_, decorate) => {
  it('leaves nothing on a token that lives long', async () => {
    const source = new CancellationTokenSource()
    const fn = decorate(async () => CancellationToken.current)
    const round = async (times: number) => {
      for (let i = 0; i < times; i++) await source.token.run(() => fn())
      gc()
      return process.memoryUsage().heapUsed
    }
    await round(5_000)
    const before = await round(1_000)
    const after = await round(20_000)
    expect((after - before) / 2 ** 20).toBeLessThan(1)
  })
})

it('cancelled, lets go of the arguments, though the function never ends', async () => {
  for (const decorate of [cancellable, timeoutHandler(60_000)]) {
    const source = new CancellationTokenSource()
    let value: object | undefined = {}
    const seen = new WeakRef(value)
    const fn = decorate((_: object) => new Promise<never>(() => {}))
    const call = source.token.run(() => fn(value as object))
    source.cancel()
    await call.catch(() => {})
    value = undefined
    await new Promise((resolve) => setTimeout(resolve))
    gc()
    expect(seen.deref()).toBeUndefined()
  }
})

it('limits of an instance go with it', async () => {
  const fn = concurrentLimited({ limit: 1, per: 'instance' })(async function (this: unknown) {})
  let instance: object | undefined = {}
  const seen = new WeakRef(instance)
  await fn.call(instance)
  instance = undefined
  await new Promise((resolve) => setTimeout(resolve))
  gc()
  expect(seen.deref()).toBeUndefined()
})

describe('a function that reads the native signal of its token', () => {
  const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length
  const fetching = async (..._args: unknown[]) => void CancellationToken.current.signal

  it.each([
    ['cancellable', cancellable],
    ['timeoutHandler', (more) => timeoutHandler({ timeout: 60_000, ...more })],
    ['retry', retry],
    ['retry, with a timeout', (more) => retry({ timeout: 60_000, ...more })],
    ['retry, with one for each', (more) => retry({ attemptTimeout: 60_000, ...more })],
    ['rateLimited', (more) => rateLimited({ limit: 1_000, ...more })],
    ['concurrentLimited', (more) => concurrentLimited({ limit: 10, ...more })],
  ] as [string, (more: CommonOptions) => AsyncDecorator][])(
    'leaves no listener: %s',
    async (_, decorate) => {
      const [option, current, argument] = [1, 2, 3].map(() => new AbortController().signal) as [
        AbortSignal,
        AbortSignal,
        AbortSignal,
      ]
      const run = CancellationToken.from(current)
      await run.run(() => decorate({})(fetching)())
      await run.run(() => decorate({ signal: option })(fetching)())
      await run.run(() => decorate({ signalArgument: 0 })(fetching)({ signal: argument }))
      await decorate({ signal: option, signalArgument: 0 })(fetching)(argument)
      await decorate({ signal: option, signalArgument: 0 })(async (_: AbortSignal) => {
        await fetching()
        throw argument
      })(argument).catch(() => {})
      expect([option, current, argument].map(listeners)).toEqual([0, 0, 0])
    },
  )

  it('leaves no listener: a hook of retry', async () => {
    const { signal } = new AbortController()
    const seen: Cancellation[] = []
    const onRetry = ({ token }: { token: CancellationToken }) => void seen.push(token.signal)
    const fn = retry({ timeout: 60_000, baseDelay: 0, onRetry })(() => Promise.reject(new Error()))
    await CancellationToken.from(signal)
      .run(() => fn())
      .catch(() => {})
    expect(seen).toHaveLength(2)
    expect(listeners(signal)).toBe(0)
  })

  it('leaves no listener: a limiter of somebody else', async () => {
    const [option, current] = [new AbortController().signal, new AbortController().signal]
    const limiter = { acquire: async (_?: { signal?: Cancellation }) => () => {} }
    const fn = cancellable({ signal: option })(concurrentLimited(limiter)(fetching))
    await CancellationToken.from(current).run(() => fn())
    expect([option, current].map(listeners)).toEqual([0, 0])
  })
})

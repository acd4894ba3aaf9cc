import { CancellationToken, CancellationTokenSource } from '@uno-async/core'
import {
  type AsyncDecorator,
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

import { CancellationTokenSource } from '@uno-async/core'
import { AsyncManager } from '@uno-async/lifecycle'
import { expect, it } from 'vitest'

const gc = globalThis.gc as () => void
const heap = async () => {
  await new Promise(setImmediate)
  gc()
  return process.memoryUsage().heapUsed
}

it('keeps nothing of tasks and work that ended', async () => {
  const manager = new AsyncManager()
  const work = async () => {
    await manager.createTask(async () => 1)
    await manager
      .createTask(() => Promise.reject(new Error('x')), { onError: 'ignore' })
      .catch(() => {})
    await manager.track(Promise.resolve(1))
    using _ = manager.subscribe(() => {})
  }
  for (let i = 0; i < 500; i++) await work()
  const before = await heap()
  for (let i = 0; i < 5_000; i++) await work()
  expect((await heap()) - before).toBeLessThan(1 << 20)
  await manager.shutdown()
})

it('lets a long-lived signal forget a manager that has stopped', async () => {
  const source = new CancellationTokenSource()
  const work = async () => {
    const manager = new AsyncManager({ signal: source.token })
    manager.registerResource({ name: 'x', start: () => {}, stop: () => {} })
    await manager.start()
    await manager.shutdown()
  }
  for (let i = 0; i < 200; i++) await work()
  const before = await heap()
  for (let i = 0; i < 1_000; i++) await work()
  expect((await heap()) - before).toBeLessThan(1 << 20)
})

import {
  AsyncContextGroup,
  AsyncExitStack,
  asyncContextManager,
  withContext,
} from '@uno-async/context'
import { CancellationTokenSource } from '@uno-async/core'
import { expect, it } from 'vitest'

const gc = globalThis.gc as () => void

async function growth(rounds: number, work: () => Promise<unknown>): Promise<number> {
  const heap = async () => {
    await new Promise(setImmediate)
    gc()
    return process.memoryUsage().heapUsed
  }
  for (let i = 0; i < 1_000; i++) await work()
  const before = await heap()
  for (let i = 0; i < rounds; i++) await work()
  return (await heap()) - before
}

const manager = { enter: () => 1, exit: () => {} }
const generated = asyncContextManager(async function* () {
  yield 1
})
const source = new CancellationTokenSource()
const options = { signal: source.token, enterTimeout: 60_000, exitTimeout: 60_000 }

it.each([
  ['withContext', () => withContext(manager, () => 1, options)],
  ['a generator', () => withContext(generated(), () => 1, options)],
  [
    'a group',
    () => new AsyncContextGroup([manager, manager], { ...options, concurrent: true }).run(() => 1),
  ],
  [
    'a stack that fails',
    () =>
      AsyncExitStack.run((stack) => {
        stack.defer(() => {})
        throw new Error('x')
      }, options).catch(() => {}),
  ],
])('%s keeps nothing, with one long-lived signal', async (_, work) => {
  expect(await growth(5_000, work)).toBeLessThan(1 << 20)
})

it('lets go of what was adopted once it is released', async () => {
  const stack = new AsyncExitStack()
  let value: object | undefined = { big: new Array(1_000) }
  const ref = new WeakRef(value)
  stack.adopt(value, () => {})
  value = undefined
  await stack.close()
  await new Promise(setImmediate)
  gc()
  expect(ref.deref()).toBe(undefined)
  expect(stack.state).toBe('closed')
})

import {
  AsyncVariable,
  CancellationToken,
  CancellationTokenSource,
  delay,
  enableAsyncContext,
} from '@uno-async/core'
import { expect, it } from 'vitest'
import { currentContract } from './current.shared.js'

// In a file of its own: it holds for the whole process.
it('can be enabled twice', () => {
  expect([enableAsyncContext(), enableAsyncContext()]).toEqual([true, true])
})

currentContract(true)

it('lets a value follow a function through all its awaits', async () => {
  const variable = new AsyncVariable({ defaultValue: 'nobody' })
  const inner = async () => {
    await new Promise((resolve) => setImmediate(resolve))
    return variable.get()
  }
  const outer = async () => {
    await undefined
    const nested = variable.run('bob', inner)
    return [await inner(), await nested, variable.get()]
  }
  expect(await variable.run('ada', outer)).toEqual(['ada', 'bob', 'ada'])
  expect(variable.get()).toBe('nobody')
  expect(CancellationToken.current).toBe(CancellationToken.none)
})

it('shows the callback of a deadline nobody else’s value, though they share a timer', async () => {
  const variable = new AsyncVariable({ defaultValue: 'nobody' })
  const deadline = performance.now() + 200
  const seen: unknown[] = []
  for (const name of ['ada', 'bob']) {
    const source = new CancellationTokenSource({ deadline })
    const told = () => void seen.push([variable.get(), CancellationToken.current])
    source.token.run(() => variable.run(name, () => source.token.onCancelled(told)))
  }
  await delay(220)
  const { none } = CancellationToken
  expect(seen).toEqual([
    ['nobody', none],
    ['nobody', none],
  ])
})

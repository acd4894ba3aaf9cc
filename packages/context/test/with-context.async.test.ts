import { type ExitInfo, withContext } from '@uno-async/context'
import { enableAsyncContext } from '@uno-async/core'
import { expect, it } from 'vitest'

it('works the same with async context enabled', async () => {
  expect(enableAsyncContext()).toBe(true)
  const error = new Error('body')
  const infos: ExitInfo[] = []
  const manager = { enter: () => 'value', exit: (info: ExitInfo) => void infos.push(info) }
  const failing = withContext(manager, () => {
    throw error
  })
  await expect(failing).rejects.toBe(error)
  expect(infos).toHaveLength(1)
})

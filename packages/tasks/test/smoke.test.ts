import { CancellationTokenSource, delay } from '@uno-async/core'
import { getTaskManager, iterateTasks, runTask, runTasks, TaskGroup, anyTask, raceTasks, settleTasks } from '@uno-async/tasks'
import { expect, it } from 'vitest'
it('works', async () => {
  expect(await TaskGroup.run(async (g) => { const a = g.createTask(async () => { await delay(1); return 1 }); const b = g.createTask(() => 2); return (await a) + (await b) })).toBe(3)
  expect(await runTasks([() => 1, async () => 'x'])).toEqual([1, 'x'])
  expect(await runTasks({ a: () => 1 })).toEqual({ a: 1 })
  async function* src() { yield 1; yield 2; yield 3 }
  expect(await runTasks(src(), async (x) => x * 2, { concurrency: 2 })).toEqual([2, 4, 6])
  const out: number[] = []
  for await (const v of iterateTasks(src(), async (x) => x * 2, { concurrency: 2 })) out.push(v)
  expect(out).toEqual([2, 4, 6])
  const t = runTask((token) => delay(1000, { signal: token }), { name: 'x' })
  console.log(getTaskManager().dump())
  console.log(getTaskManager().dump({ format: 'mermaid' }))
  await t.cancel()
  expect(t.state).toBe('cancelled')
  expect(await anyTask([() => Promise.reject(1), async () => 2])).toBe(2)
  expect(await raceTasks([5, 1], (x, token) => delay(x, { signal: token }).then(() => x))).toBe(1)
  expect((await settleTasks([1], (x) => x))[0]).toMatchObject({ status: 'fulfilled', value: 1 })
})

import { CancelledError, delay } from '@uno-async/core'
import * as tasks from '@uno-async/tasks'
import { equal, errorOf, fails } from './assert.mjs'

const double = async (n) => {
  await delay(1)
  return n * 2
}
const forever = ({ signal }) => delay(60_000, { signal })

const checks = {
  async TaskGroup({ TaskGroup }) {
    const sum = await TaskGroup.run(async (group) => {
      group.createTask(forever, { service: true })
      const [one, two] = [
        group.createTask(() => 1),
        group.createTask(() => double(1), { timeout: 60_000 }),
      ]
      return (await one) + (await two)
    })
    equal(sum, 3)
    const group = new TaskGroup({ name: 'import' })
    const stopped = group.createTask(forever)
    equal([group.size, group.state, group.tree().name], [1, 'open', 'import'])
    await group.cancel('enough')
    equal([stopped.state, group.size], ['cancelled', 0])
    await errorOf(stopped)
  },
  async TaskGroupError({ TaskGroup, TaskGroupError }) {
    const failing = TaskGroup.run(
      (group) => {
        for (const n of [1, 2]) group.createTask(() => Promise.reject(new Error(`${n}`)))
      },
      { cancelOnError: false },
    )
    const error = await fails(failing, TaskGroupError)
    equal([error.code, error.errors.map((it) => it.message)], ['ERR_TASK_GROUP', ['1', '2']])
  },
  async TaskManager({ TaskManager }) {
    const manager = new TaskManager({ name: 'app' })
    const seen = []
    manager.on(({ type }) => seen.push(type))
    const task = manager.createTask(forever, { name: 'sweep', group: 'jobs' })
    equal([manager.tasks.length, manager.dump().includes('sweep')], [1, true])
    const { cancelled, abandoned } = await manager.shutdown({ grace: 5_000 })
    equal([cancelled, abandoned, task.state, seen[0]], [1, [], 'cancelled', 'start'])
    await errorOf(task)
  },
  anyTask: async ({ anyTask }) =>
    equal(await anyTask([() => Promise.reject(new Error('x')), () => double(2)]), 4),
  async cancelOnExit({ cancelOnExit, runTask }) {
    const task = cancelOnExit(runTask(forever))
    await task[Symbol.asyncDispose]()
    equal(task.state, 'cancelled')
    await fails(task, CancelledError)
  },
  currentGroup: ({ currentGroup, taskContext }) =>
    taskContext((group) => equal(currentGroup() === group, true)),
  currentTask: async ({ currentTask, runTask }) =>
    equal(await runTask(() => currentTask().name, { name: 'me' }), 'me'),
  getTaskManager: ({ getTaskManager }) => equal(getTaskManager(), getTaskManager()),
  async iterateTasks({ iterateTasks }) {
    const found = []
    for await (const it of iterateTasks([1, 2, 3], double, { concurrency: 2 })) found.push(it)
    equal(found, [2, 4, 6])
  },
  raceTasks: async ({ raceTasks }) => equal(await raceTasks([forever, () => double(2)]), 4),
  async runTask({ runTask }) {
    const task = runTask(() => double(2), { name: 'two' })
    equal([await task, task.state, task.name], [4, 'fulfilled', 'two'])
  },
  async runTasks({ runTasks }) {
    equal(await runTasks([1, 2, 3], double, { concurrency: 2 }), [2, 4, 6])
    equal(await runTasks({ a: () => 1, b: async () => 2 }), { a: 1, b: 2 })
  },
  async settleTasks({ settleTasks }) {
    const outcomes = await settleTasks([() => 1, () => Promise.reject(new Error('x'))])
    equal(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected'],
    )
  },
  async taskContext({ taskContext }) {
    let task
    equal(await taskContext((group) => void (task = group.createTask(() => double(1)))), undefined)
    equal(task.state, 'fulfilled')
  },
  async taskPathOf({ taskPathOf, runTasks }) {
    const work = () => Promise.reject(new Error('x'))
    const error = await errorOf(runTasks([1], work, { name: 'import' }))
    equal(taskPathOf(error), ['import', 'task-0'])
  },
}

export default [{ specifier: '@uno-async/tasks', exports: tasks, checks }]

// Timers and the life of a process, on the built package.
import { spawnSync } from 'node:child_process'
import { expect, it } from 'vitest'

/** Runs `code` in a process of its own, which has nothing else to do. */
function run(code: string): { status: number | null; out: string } {
  const script = `import * as core from '@uno-async/core'
    import { getTaskManager, iterateTasks, runTask, runTasks, TaskGroup } from '@uno-async/tasks'
    const idle = (token) => token.race(new Promise(() => {}))
    ${code}`
  const args = ['--input-type=module', '--eval', script]
  const { status, stdout } = spawnSync(process.execPath, args, {
    cwd: import.meta.dirname,
    encoding: 'utf8',
    timeout: 30_000,
  })
  return { status, out: stdout.trim() }
}

it.each([
  ['TaskGroup', 'TaskGroup.run((group) => void group.createTask(idle), { timeout: 30 })'],
  [
    'a group that is joined',
    `(() => {
      const group = new TaskGroup({ timeout: 30 })
      group.createTask(idle)
      return group.join()
    })()`,
  ],
  ['the body of a group', 'TaskGroup.run((group) => idle(group.token), { timeout: 30 })'],
  ['a task', 'runTask(idle, { timeout: 30 })'],
  ['runTasks', 'runTasks([idle], { timeout: 30 })'],
  ['each of runTasks', 'runTasks([idle], { taskTimeout: 30 })'],
  ['iterateTasks', 'iterateTasks([1], (_, token) => idle(token), { timeout: 30 }).next()'],
  ['each of iterateTasks', 'iterateTasks([1], (_, t) => idle(t), { taskTimeout: 30 }).next()'],
])('the timeout of %s keeps the process alive', (_, call) => {
  const code = `await ${call}.then(() => console.log('no error'), ({ name }) => console.log(name))`
  expect(run(code)).toEqual({ status: 0, out: 'TimeoutError' })
})

it.each([
  ['runTasks', 'await runTasks([() => 1], { timeout: 60_000, taskTimeout: 60_000 })'],
  ['a task', 'await runTask(() => 1, { timeout: 60_000 })'],
  ['a group', 'await TaskGroup.run((g) => void g.createTask(() => 1), { timeout: 60_000 })'],
])('a timeout of %s that has ended keeps no process alive', (_, call) => {
  expect(run(call)).toEqual({ status: 0, out: '' })
})

it('runTask gives a task born cancelled after the shutdown of the manager of the runtime', () => {
  const code = `
    runTask(() => 1)
    await getTaskManager().shutdown()
    console.log(runTask(() => console.log('called')).state)`
  expect(run(code)).toEqual({ status: 0, out: 'cancelled' })
})

it('what the callback of finally throws is not hidden', () => {
  const code = `
    process.on('unhandledRejection', (error) => console.log('unhandled', error))
    const group = new TaskGroup()
    const task = group.createTask(() => Promise.reject('of the task'))
    task.finally(() => {})
    task.finally(() => Promise.reject('of the callback'))
    await group.join().catch((error) => console.log('joined', error))`
  expect(run(code).out.split('\n').sort()).toEqual([
    'joined of the task',
    'unhandled of the callback',
  ])
})

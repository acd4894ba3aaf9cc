// biome-ignore-all lint/nursery/noFloatingPromises: what throws gives no task
import {
  anyTask,
  cancelOnExit,
  iterateTasks,
  raceTasks,
  runTask,
  runTasks,
  settleTasks,
  TaskGroup,
  TaskManager,
  taskContext,
} from '@uno-async/tasks'
import { describe, expect, it } from 'vitest'

type Call = (value: never) => unknown
const values = [
  undefined,
  null,
  true,
  '3',
  '',
  Number.NaN,
  -1,
  0,
  1.5,
  1,
  Infinity,
  2 ** 53,
  {},
  [],
  () => {},
  Symbol('s'),
]
const kinds = {
  name: (it: unknown) => it === undefined || typeof it === 'string',
  flag: (it: unknown) => it === undefined || typeof it === 'boolean',
  milliseconds: (it: unknown) => it === undefined || (typeof it === 'number' && it >= 0),
  count: (it: unknown) => it === undefined || it === 1 || it === Infinity,
  buffer: (it: unknown) => it === undefined || it === 0 || it === 1 || it === Infinity,
  hook: (it: unknown) => it === undefined || typeof it === 'function',
  callback: (it: unknown) => typeof it === 'function',
  signal: (it: unknown) => it === undefined || it === null,
  order: (it: unknown) => it === undefined,
  never: () => false,
}

const group = (options: object) => new TaskGroup(options)
const task = (options: object) => new TaskGroup().createTask(() => {}, options)
const many = (options: object) => runTasks([], () => {}, options)
const iterate = (options: object) => iterateTasks([], () => {}, options)

const table: [string, keyof typeof kinds, Call][] = [
  ['group name', 'name', (name) => group({ name })],
  ['group signal', 'signal', (signal) => group({ signal })],
  ['group timeout', 'milliseconds', (timeout) => group({ timeout })],
  ['group concurrency', 'count', (concurrency) => group({ concurrency })],
  ['group cancelOnError', 'flag', (cancelOnError) => group({ cancelOnError })],
  ['group onTaskError', 'hook', (onTaskError) => group({ onTaskError })],
  ['group grace', 'milliseconds', (grace) => group({ grace })],
  ['group onStraggler', 'hook', (onStraggler) => group({ onStraggler })],
  ['TaskGroup.run body', 'callback', (body) => TaskGroup.run(body)],
  ['taskContext body', 'callback', (body) => taskContext(body)],
  ['task run', 'callback', (run) => new TaskGroup().createTask(run)],
  ['task name', 'name', (name) => task({ name })],
  ['task signal', 'signal', (signal) => task({ signal })],
  ['task timeout', 'milliseconds', (timeout) => task({ timeout })],
  ['task service', 'flag', (service) => task({ service })],
  [
    'startTask run',
    'never',
    (run) =>
      typeof run === 'function'
        ? Promise.reject(new TypeError('`'))
        : new TaskGroup().startTask(run),
  ],
  ['adopt promise', 'never', (promise) => new TaskGroup().adopt(promise)],
  ['adopt name', 'name', (name) => new TaskGroup().adopt(Promise.resolve(), { name })],
  ['whenSlotFree signal', 'signal', (signal) => new TaskGroup().whenSlotFree({ signal })],
  ['join timeout', 'milliseconds', (timeout) => new TaskGroup().join({ timeout })],
  ['runTask run', 'callback', (run) => runTask(run)],
  ['runTasks name', 'name', (name) => many({ name })],
  ['runTasks signal', 'signal', (signal) => many({ signal })],
  ['runTasks concurrency', 'count', (concurrency) => many({ concurrency })],
  ['runTasks timeout', 'milliseconds', (timeout) => many({ timeout })],
  ['runTasks taskTimeout', 'milliseconds', (taskTimeout) => many({ taskTimeout })],
  ['runTasks onProgress', 'hook', (onProgress) => many({ onProgress })],
  ['iterateTasks order', 'order', (order) => iterate({ order })],
  ['iterateTasks buffer', 'buffer', (buffer) => iterate({ buffer })],
  ['iterateTasks concurrency', 'count', (concurrency) => iterate({ concurrency })],
  ['iterateTasks run', 'callback', (run) => iterateTasks([], run)],
  ['manager name', 'name', (name) => new TaskManager({ name })],
  ['manager listener', 'callback', (listener) => new TaskManager().on(listener)],
  ['manager run', 'callback', (run) => new TaskManager().createTask(run)],
  ['manager group', 'name', (group) => new TaskManager().createTask(() => {}, { group })],
  ['manager createGroup', 'name', (name) => new TaskManager().createGroup(name ?? 'x')],
  ['dump format', 'order', (format) => new TaskManager().dump({ format })],
  ['dump olderThan', 'milliseconds', (olderThan) => new TaskManager().dump({ olderThan })],
  ['shutdown grace', 'milliseconds', (grace) => new TaskManager().shutdown({ grace })],
  ['cancelOnExit target', 'never', (target) => cancelOnExit(target)],
]

describe.each(table)('%s', (_, kind, call) => {
  it.each(values.map((value) => [value]))('%s', async (value) => {
    if (_ === 'manager createGroup' && value === null) return
    const outcome = await (async () => call(value as never))().then(
      () => 'taken',
      // a timeout of 0 is over at once
      (error) => (error.name === 'TimeoutError' ? 'taken' : error),
    )
    if (kinds[kind](value)) return expect(outcome).toBe('taken')
    const expected =
      typeof value === 'number' && !/callback|name|flag|hook|signal|order|never/.test(kind)
    expect(outcome).toBeInstanceOf(expected ? RangeError : TypeError)
    expect(outcome.message).toMatch(/`/)
  })
})

it.each([runTasks, settleTasks, anyTask, raceTasks] as ((
  ...args: unknown[]
) => Promise<unknown>)[])('%o rejects what is in none of the three shapes', async (all) => {
  for (const input of [undefined, null, 1, 'text', [1], { a: 1 }, new Set([() => 1])]) {
    await expect(all(input)).rejects.toThrow(TypeError)
  }
  for (const items of [undefined, null, 1, {}]) {
    await expect(all(items, () => 1)).rejects.toThrow(TypeError)
  }
  for (const options of [null, 1, 'text']) {
    await expect(all([() => 1], options)).rejects.toThrow(TypeError)
    await expect(all([1], () => 1, options)).rejects.toThrow(TypeError)
  }
  await expect(all([() => 1, 'x'])).rejects.toThrow(
    'Expected `tasks[1]` to be a function, got `x` (string)',
  )
  await expect(all([1], undefined)).rejects.toThrow('tasks[0]')
})

it.each<[string, Call]>([
  ['TaskGroup', (options) => new TaskGroup(options)],
  ['TaskManager', (options) => new TaskManager(options)],
  ['createTask', (options) => new TaskGroup().createTask(() => {}, options)],
  ['startTask', (options) => new TaskGroup().startTask(async () => {}, options)],
  ['join', (options) => new TaskGroup().join(options)],
  ['runTask', (options) => runTask(() => {}, options)],
  ['createTask of a manager', (options) => new TaskManager().createTask(() => {}, options)],
  ['createGroup', (options) => new TaskManager().createGroup('g', options)],
  ['shutdown', (options) => new TaskManager().shutdown(options)],
  ['runTasks', (options) => runTasks([], options)],
])('%s takes no options that are no object', async (_, call) => {
  for (const options of [null, 5, 'text', true, [], () => {}, Symbol('s')]) {
    if (_ === 'runTasks' && typeof options === 'function') continue
    await expect((async () => call(options as never))()).rejects.toThrow(/`options`/)
  }
})

describe('a function that is called by no string, as stubs of remote functions are, is nameless', () => {
  const boom = new Error('boom')
  const refuse = () => {
    throw new Error('no name')
  }
  const remote = new Proxy(() => {}, { get: () => () => ({}) })
  it.each<[string, PropertyDescriptor]>([
    ['a symbol', { value: Symbol('s') }],
    ['a number', { value: 5 }],
    ['an object', { value: {} }],
    ['a proxy', { value: remote }],
    ['what throws', { get: refuse }],
  ])('%s', async (_, name) => {
    const run = Object.defineProperty(() => Promise.reject(boom), 'name', name)
    const group = new TaskGroup()
    const task = group.createTask(run)
    expect(task.name).toBe(`task-${task.id}`)
    expect(await group.join().catch((error) => error)).toBe(boom)
    expect(await new TaskGroup().startTask(run).catch((error) => error)).toBe(boom)
    expect(await settleTasks([run])).toMatchObject([{ reason: boom, task: { name: 'task-0' } }])
  })
})

it('names the hole in an array of tasks', async () => {
  // biome-ignore lint/suspicious/noSparseArray: that is it
  await expect(runTasks([, () => 1] as never)).rejects.toThrow('Expected `tasks[0]`')
})

it('rejects asynchronously where it is asynchronous', () => {
  for (const call of [
    () => TaskGroup.run(1 as never),
    () => taskContext(1 as never),
    () => new TaskGroup().join({ timeout: -1 }),
    () => new TaskGroup().startTask(1 as never),
    () => new TaskGroup().whenSlotFree({ signal: 1 as never }),
    () => runTasks(1 as never),
  ]) {
    expect(() => void call().catch(() => {})).not.toThrow()
  }
})

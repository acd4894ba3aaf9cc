// biome-ignore-all lint/nursery/noFloatingPromises: never run
import type { CancellationToken, CancellationTokenSource } from '@uno-async/core'
import {
  anyTask,
  cancelOnExit,
  currentGroup,
  currentTask,
  iterateTasks,
  raceTasks,
  runTask,
  runTasks,
  settleTasks,
  type Task,
  TaskGroup,
  type TaskInfo,
  type TaskOutcome,
  taskContext,
} from '@uno-async/tasks'
import { expectTypeOf, it } from 'vitest'

declare const group: TaskGroup
declare const stream: ReadableStream<number>
async function* source() {
  yield 'a'
}

it('types groups and tasks', () => {
  expectTypeOf(group.createTask(() => 1)).toEqualTypeOf<Task<number>>()
  expectTypeOf(group.createTask(async (token) => token)).toEqualTypeOf<Task<CancellationToken>>()
  expectTypeOf<Awaited<Task<string>>>().toEqualTypeOf<string>()
  expectTypeOf(group.adopt(Promise.resolve('x'))).toEqualTypeOf<Task<string>>()
  expectTypeOf(
    group.startTask(async (_token, ready: (port: number) => void) => {
      ready(1)
      return 'end'
    }),
  ).resolves.toEqualTypeOf<{ value: number; task: Task<string> }>()
  expectTypeOf(
    group.startTask(async (_token, ready: (port: Promise<number>) => void) => {
      ready(Promise.resolve(1))
    }),
  ).resolves.toEqualTypeOf<{ value: number; task: Task<void> }>()
  expectTypeOf(TaskGroup.run(async () => 1)).toEqualTypeOf<Promise<number>>()
  expectTypeOf(taskContext(() => 'x')).toEqualTypeOf<Promise<string>>()
  expectTypeOf(group.completed()).toEqualTypeOf<AsyncIterableIterator<TaskOutcome<unknown>>>()
  expectTypeOf(runTask(() => true)).toEqualTypeOf<Task<boolean>>()
  expectTypeOf(currentTask()).toEqualTypeOf<TaskInfo | undefined>()
  expectTypeOf(currentGroup()).toEqualTypeOf<TaskGroup | undefined>()
  // @ts-expect-error a function is needed
  group.createTask(Promise.resolve())
  // @ts-expect-error no such option
  group.createTask(() => 1, { retries: 1 })
})

it('types the three shapes', () => {
  const tuple = runTasks([() => 1, async () => 'x', (token) => token.cancelled])
  expectTypeOf(tuple).resolves.toEqualTypeOf<[number, string, boolean]>()
  const record = runTasks({ a: () => 1, b: async () => 'x' })
  expectTypeOf(record).resolves.toEqualTypeOf<{ a: number; b: string }>()
  const items = runTasks([1, 2], async (item, token, index) => {
    expectTypeOf(item).toEqualTypeOf<number>()
    expectTypeOf(token).toEqualTypeOf<CancellationToken>()
    expectTypeOf(index).toEqualTypeOf<number>()
    return `${item}`
  })
  expectTypeOf(items).resolves.toEqualTypeOf<string[]>()
  expectTypeOf(runTasks(source(), (item) => item.length)).resolves.toEqualTypeOf<number[]>()
  expectTypeOf(runTasks(new Map([['a', 1]]), ([key]) => key)).resolves.toEqualTypeOf<string[]>()
  expectTypeOf(runTasks(stream as AsyncIterable<number>, (n) => n)).resolves.toEqualTypeOf<
    number[]
  >()
  const list: (() => Promise<Date>)[] = []
  expectTypeOf(runTasks(list)).resolves.toEqualTypeOf<Date[]>()
  // @ts-expect-error items need something to do with them
  runTasks([1, 2])
  // @ts-expect-error no such option
  runTasks([() => 1], { retries: 1 })
})

it('types what else takes them', () => {
  expectTypeOf(settleTasks([() => 1, async () => 'x'])).resolves.toEqualTypeOf<
    [TaskOutcome<number>, TaskOutcome<string>]
  >()
  expectTypeOf(settleTasks({ a: () => 1, b: () => 'x' })).resolves.toEqualTypeOf<
    TaskOutcome<number | string>[]
  >()
  expectTypeOf(settleTasks([1], async (n) => n)).resolves.toEqualTypeOf<TaskOutcome<number>[]>()
  expectTypeOf(anyTask([() => 1, async () => 'x'])).resolves.toEqualTypeOf<number | string>()
  expectTypeOf(raceTasks({ a: () => 1, b: async () => 'x' })).resolves.toEqualTypeOf<
    number | string
  >()
  expectTypeOf(anyTask([1], async (n) => `${n}`)).resolves.toEqualTypeOf<string>()
  const values = iterateTasks([1], async (n) => `${n}`, { order: 'completion' })
  expectTypeOf(values).toEqualTypeOf<AsyncIterableIterator<string>>()
  // @ts-expect-error there are two orders
  iterateTasks([1], (n) => n, { order: 'random' })
})

it('types guards', () => {
  const controller = cancelOnExit(new AbortController())
  expectTypeOf(controller).toEqualTypeOf<AbortController & AsyncDisposable>()
  expectTypeOf(cancelOnExit({} as CancellationTokenSource).token).toEqualTypeOf<CancellationToken>()
  // @ts-expect-error nothing to cancel
  cancelOnExit({})
})

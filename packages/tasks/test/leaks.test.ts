// biome-ignore-all lint/nursery/noFloatingPromises: a task has an owner, who waits for it
import { execFile } from 'node:child_process'
import { getEventListeners } from 'node:events'
import { promisify } from 'node:util'
import {
  type CancellationToken,
  CancellationTokenSource,
  captureContext,
  delay,
} from '@uno-async/core'
import { iterateTasks, runTasks, type Task, TaskGroup, TaskManager } from '@uno-async/tasks'
import { build } from 'esbuild'
import { expect, it, vi } from 'vitest'

vi.setConfig({ testTimeout: 60_000 })

const gc = globalThis.gc as () => void
const turn = () => new Promise((resolve) => setImmediate(resolve))

it('leaves no listener of 10 000 groups on one signal', async () => {
  const { signal } = new AbortController()
  for (let n = 0; n < 10_000; n++) {
    await TaskGroup.run((group) => void group.createTask(async () => {}), { signal })
  }
  await runTasks([1, 2], async (n) => n, { signal, taskTimeout: 1_000 })
  for await (const _ of iterateTasks([1, 2], async (n) => n, { signal })) break
  const group = new TaskGroup({ concurrency: 1 })
  group.createTask(async () => {})
  await group.whenSlotFree({ signal })
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
})

it('puts one listener on a signal, whatever the number of tasks', async () => {
  const warning = vi.fn()
  process.on('warning', warning)
  const controller = new AbortController()
  const { signal } = controller
  const group = new TaskGroup({ signal })
  for (let n = 0; n < 1_000; n++) {
    group.createTask((token) => delay(Infinity, { signal: token }), { signal })
  }
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
  controller.abort('done')
  await expect(group.join()).rejects.toMatchObject({ cause: 'done' })
  await turn()
  expect(warning).not.toHaveBeenCalled()
  process.off('warning', warning)
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
})

it('keeps nothing of 1 000 000 finished tasks', async () => {
  const group = new TaskGroup()
  const spawn = async (total: number) => {
    for (let n = 0; n < total; n += 1_000) {
      for (let i = 0; i < 500; i++) group.createTask(() => i)
      for (let i = 0; i < 500; i++) group.createTask(async () => i)
      await null
    }
    await turn()
    gc()
    return process.memoryUsage().heapUsed
  }
  const before = await spawn(10_000)
  const after = await spawn(1_000_000)
  expect(group.size).toBe(0)
  expect(after - before).toBeLessThan(2 ** 20)
  await group.join()
})

it('keeps nothing that a finished task left listening to its token', async () => {
  const group = new TaskGroup()
  const refs: WeakRef<object>[] = []
  for (let n = 0; n < 100; n++) {
    group.createTask(async (token) => {
      const left = () => {}
      token.onCancelled(left)
      refs.push(new WeakRef(left))
    })
  }
  await turn()
  gc()
  expect(refs.filter((ref) => ref.deref())).toEqual([])
  await group.join()
})

it('keeps no finished task, its value or its function', async () => {
  const group = new TaskGroup()
  let run: (() => object) | undefined = () => new Array(10)
  let task: Task<object> | undefined = group.createTask(run)
  const refs = [new WeakRef(await task), new WeakRef(task), new WeakRef(run)]
  task = run = undefined
  await turn()
  gc()
  expect(refs.map((ref) => ref.deref())).toEqual([undefined, undefined, undefined])
  await group.join()
})

it('keeps nothing of tasks whose end was read, however long the reader is behind', async () => {
  const group = new TaskGroup()
  const refs: WeakRef<object>[] = []
  const create = () =>
    group.createTask(() => {
      const value = {}
      refs.push(new WeakRef(value))
      return value
    })
  const ends = group.completed()
  void create()
  for (let n = 0; n < 100; n++) {
    void create()
    await ends.next()
  }
  await turn()
  gc()
  expect(refs.filter((ref) => ref.deref()).length).toBeLessThan(10)
  await group.cancel()
})

it('keeps nothing for a reader that has left', async () => {
  const group = new TaskGroup()
  const refs: WeakRef<object>[] = []
  const ends = group.completed()
  await ends.return?.()
  for (let n = 0; n < 100; n++) {
    await group.createTask(() => {
      const value = {}
      refs.push(new WeakRef(value))
      return value
    })
  }
  await turn()
  gc()
  expect(refs.filter((ref) => ref.deref()).length).toBeLessThan(10)
  expect((await ends.next()).done).toBe(true)
  await group.join()
})

it('keeps no group by an error', async () => {
  const error = new Error('boom')
  const make = async () => {
    const group = new TaskGroup({ name: 'g' })
    group.createTask(() => Promise.reject(error))
    await group.join().catch(() => {})
    return new WeakRef(group)
  }
  const ref = await make()
  await turn()
  gc()
  expect(ref.deref()).toBeUndefined()
})

it('runs 100 000 synchronous tasks without using up the stack', async () => {
  let sum = 0
  const add = () => void sum++
  await TaskGroup.run(
    (group) => {
      for (let n = 0; n < 100_000; n++) group.createTask(add)
      group.createTask(turn)
      // what is queued behind it runs in one go when its slot is free
      for (let n = 0; n < 100_000; n++) group.createTask(add)
    },
    { concurrency: 1 },
  )
  const items = Array.from({ length: 100_000 }, (_, n) => n)
  for (const concurrency of [1, 16, Infinity]) await runTasks(items, add, { concurrency })
  let read = 0
  for await (const _ of iterateTasks(items, add, { concurrency: 100, buffer: Infinity })) read++
  expect([sum, read]).toEqual([600_000, 100_000])
})

it('names 20 000 stragglers at once', async () => {
  const named: number[] = []
  const group = new TaskGroup({ grace: 1, onStraggler: ({ length }) => void named.push(length) })
  let end = () => {}
  const late = new Promise<void>((resolve) => {
    end = resolve
  })
  for (let n = 0; n < 20_000; n++) group.createTask(() => late)
  const cancelled = group.cancel()
  await vi.waitFor(() => expect(named.reduce((sum, n) => sum + n, 0)).toBe(20_000))
  await delay(5) // each has its time to be late
  end()
  await cancelled
  await group.join()
})

it('ends the tasks of a manager however deep they are', async () => {
  const manager = new TaskManager()
  let inside = captureContext()
  const task = (token: CancellationToken) => {
    inside = captureContext()
    return delay(Infinity, { signal: token })
  }
  manager.createTask(task)
  for (let depth = 1; depth < 2_500; depth++) {
    inside(() => new TaskGroup().createTask(task)) // or it is the making of them that recurses
  }
  expect(manager.tasks).toHaveLength(2_500)
  expect(await manager.shutdown()).toMatchObject({ cancelled: 2_500, errors: [] })
  expect(manager.tasks).toEqual([])
})

it('reports 150 000 failures of a manager', async () => {
  const manager = new TaskManager()
  const group = manager.createGroup('g', { cancelOnError: false })
  for (let n = 0; n < 150_000; n++) group.createTask(() => Promise.reject(n))
  expect((await manager.shutdown()).errors).toHaveLength(150_000)
})

it('ends 40 000 groups of a manager', async () => {
  const manager = new TaskManager()
  const forever = (token: CancellationToken) => delay(Infinity, { signal: token })
  for (let n = 0; n < 40_000; n++) manager.createGroup('g').createTask(forever)
  expect((await manager.shutdown()).cancelled).toBe(40_000)
})

it('cancels 1 000 nested groups without recursion', async () => {
  const source = new CancellationTokenSource()
  let deepest: string | undefined
  const nest = async (depth: number, signal: CancellationToken): Promise<unknown> => {
    await null // or it is the making of them that recurses
    return TaskGroup.run(
      (group) => {
        const task = group.createTask((token) =>
          depth ? nest(depth - 1, token) : delay(Infinity, { signal: token }),
        )
        if (!depth) task.finally(() => (deepest = task.state)).catch(() => {})
      },
      { signal },
    )
  }
  const outer = nest(1_000, source.token)
  await turn()
  source.cancel('enough')
  await expect(outer).rejects.toMatchObject({ cause: 'enough' })
  expect(deepest).toBe('cancelled')
})

const bundle = async () => {
  const { outputFiles } = await build({
    stdin: { contents: "export * from './packages/tasks/src/index.ts'", resolveDir: '.' },
    bundle: true,
    write: false,
    format: 'esm',
    alias: { '@uno-async/core': './packages/core/src/index.ts' },
  })
  return `data:text/javascript,${encodeURIComponent(outputFiles[0]?.text ?? '')}`
}

it('shares one manager between two copies of the package', async () => {
  const url = await bundle()
  const one = await import(/* @vite-ignore */ `${url}//1`)
  const two = await import(/* @vite-ignore */ `${url}//2`)
  expect(one.TaskGroup).not.toBe(two.TaskGroup)
  expect(one.getTaskManager()).toBe(two.getTaskManager())
  const seen: unknown[] = []
  await one.TaskGroup.run((group: unknown) => seen.push(two.currentGroup() === group), {
    name: 'g',
  })
  const error = new Error('boom')
  await one.TaskGroup.run(() => two.runTask(() => Promise.reject(error), { name: 't' }), {
    name: 'g',
  }).catch(() => {})
  expect([seen, two.taskPathOf(error)]).toEqual([[true], ['g', 't']])
})

it('never makes an unhandled rejection of a failing task that nobody awaits', async () => {
  const script = `
    import { runTask, runTasks, TaskGroup, getTaskManager } from ${JSON.stringify(await bundle())}
    const group = new TaskGroup({ cancelOnError: false })
    group.createTask(() => Promise.reject(new Error('async')))
    group.createTask(() => { throw new Error('sync') })
    const started = group.startTask(async (_, ready) => { ready(); throw new Error('later') })
    group.startTask(() => Promise.reject(new Error('early')))
    const task = runTask(() => Promise.reject(new Error('loose')))
    await new Promise((resolve) => setTimeout(resolve, 20))
    const run = runTasks([() => Promise.reject(1), () => Promise.reject(2)]).catch((error) => error.errors)
    const { errors } = await group.join().catch((error) => error)
    const report = await getTaskManager().shutdown()
    console.log(errors.length, report.errors.length, (await run).join())`
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--unhandled-rejections=strict',
    '--input-type=module',
    '--eval',
    script,
  ])
  expect(stdout.trim()).toBe('4 1 1,2')
})

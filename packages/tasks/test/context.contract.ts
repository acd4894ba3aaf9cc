// biome-ignore-all lint/nursery/noFloatingPromises: a task has an owner, who waits for it
import {
  AsyncVariable,
  CancellationToken,
  CancellationTokenSource,
  delay,
  isCancelled,
} from '@uno-async/core'
import {
  cancelOnExit,
  currentGroup,
  currentTask,
  runTask,
  TaskGroup,
  TaskManager,
  taskContext,
} from '@uno-async/tasks'
import { describe, expect, it } from 'vitest'

const boom = new Error('boom')
const forever = (token: CancellationToken) => delay(Infinity, { signal: token })
const failureOf = (promise: PromiseLike<unknown>) =>
  Promise.resolve(promise).then(
    () => expect.fail('did not reject'),
    (error) => error,
  )

/** What holds for the current task, group, token and variables, with and without async context. */
export function contextContract(follows: boolean): void {
  it('knows the current task and group', async () => {
    expect([currentTask(), currentGroup()]).toEqual([undefined, undefined])
    await TaskGroup.run(async (group) => {
      expect([currentTask(), currentGroup()]).toEqual([undefined, group])
      group.createTask(
        async (token) => {
          expect(CancellationToken.current).toBe(token)
          expect(currentTask()).toMatchObject({ name: 'a', state: 'running' })
          expect(currentGroup()).toBe(group)
          await delay(0)
          expect(currentTask()?.name).toBe(follows ? 'a' : undefined)
          expect(currentGroup()).toBe(follows ? group : undefined)
        },
        { name: 'a' },
      )
      group.createTask(
        () =>
          TaskGroup.run((inner) =>
            expect([currentTask()?.name, currentGroup()]).toEqual(['b', inner]),
          ),
        { name: 'b' },
      )
    })
  })

  it('runs a task in the context of who created it, also when it was queued', async () => {
    const user = new AsyncVariable<string>()
    const seen: unknown[] = []
    await TaskGroup.run(
      (group) => {
        for (const name of ['ada', 'bob']) {
          user.run(name, () =>
            group.createTask(() => {
              seen.push(user.get())
              return delay(0)
            }),
          )
        }
      },
      { concurrency: 1 },
    )
    expect(seen).toEqual(['ada', 'bob'])
  })

  it('cancels what is left over when a context ends', async () => {
    let left: { state: string } | undefined
    const value = await taskContext((group) => {
      left = runTask(forever)
      expect(group.size).toBe(1)
      return 42
    })
    expect([value, left?.state]).toEqual([42, 'cancelled'])
    const failed = taskContext((group) => {
      group.createTask(forever)
      throw boom
    })
    expect(await failureOf(failed)).toBe(boom)
    const source = new CancellationTokenSource()
    const outer = taskContext(async () => void (await delay(0)), { signal: source.token })
    source.cancel(boom)
    expect(await failureOf(outer)).toBe(boom)
  })

  it('gets an error instead of a hang where it awaits its own group', async () => {
    const group = new TaskGroup({ name: 'g' })
    const task = group.createTask(async () => {
      if (follows) await delay(0)
      await group.join()
    })
    expect(await failureOf(task)).toMatchObject({ message: expect.stringContaining('"g"') })
    const other = new TaskGroup()
    other.createTask(async () => {
      if (follows) await delay(0)
      await other.cancel()
    })
    await other.join()
  })

  it('gets an error, not a hang, where it awaits the shutdown of its manager without grace', async () => {
    for (const end of ['shutdown', Symbol.asyncDispose] as const) {
      const manager = new TaskManager({ name: 'app' })
      const sibling = manager.createTask(forever)
      const task = manager.createTask(async () => {
        if (follows) await delay(0)
        await manager[end]()
      })
      expect(await failureOf(task)).toMatchObject({ message: expect.stringContaining('"app"') })
      const report = await manager.shutdown()
      expect([sibling.state, report.abandoned]).toEqual(['cancelled', []])
    }
    const begun = new TaskManager({ name: 'begun' })
    const late = begun.createTask(async () => {
      void begun.shutdown()
      await begun[Symbol.asyncDispose]()
    })
    expect(await failureOf(late)).toMatchObject({ message: expect.stringContaining('"begun"') })
    const manager = new TaskManager()
    let shutdown: unknown
    const shut = () => {
      shutdown = manager.shutdown({ grace: 20 })
      return shutdown
    }
    const task = manager.createTask(shut, { name: 'me' })
    expect(isCancelled(await failureOf(task))).toBe(true)
    expect(await shutdown).toMatchObject({ abandoned: [{ name: 'me' }] })
  })

  describe('cancelOnExit', () => {
    it('guards a task, with its reason', async () => {
      const group = new TaskGroup()
      const task = group.createTask((token) => forever(token).finally(() => void 0))
      {
        await using guarded = cancelOnExit(task, { reason: boom })
        expect(guarded).toBe(task)
      }
      expect([task.state, await failureOf(task)]).toEqual(['cancelled', boom])
      await cancelOnExit(task)[Symbol.asyncDispose]()
      await group.join()
    })

    it('guards a group, which throws failures nobody has seen', async () => {
      const group = cancelOnExit(new TaskGroup({ cancelOnError: false }), { reason: 'left' })
      group.createTask(() => Promise.reject(boom))
      const task = group.createTask(forever)
      expect(await failureOf(group[Symbol.asyncDispose]())).toBe(boom)
      expect([task.state, group.token.reason, group.state]).toEqual(['cancelled', 'left', 'closed'])
    })

    it('guards a source and an AbortController', async () => {
      const source = new CancellationTokenSource()
      const controller = new AbortController()
      {
        await using one = cancelOnExit(source, { reason: boom })
        await using two = cancelOnExit(controller, { reason: boom })
        expect([one.token.cancelled, two.signal.aborted]).toEqual([false, false])
      }
      expect([source.token.reason, controller.signal.reason]).toEqual([boom, boom])
    })
  })

  it('gives a task its own token, whether or not its function declares it', async () => {
    const group = new TaskGroup()
    const user = new AsyncVariable<string>()
    const seen: unknown[] = []
    const sibling = group.createTask(() => delay(0))
    const task = group.createTask((...args: CancellationToken[]) => {
      const { current } = CancellationToken
      expect(args).toEqual([current])
      user.run('ada', () => seen.push(currentTask()?.name, CancellationToken.current === current))
      return forever(current)
    })
    await task.cancel(boom)
    expect(seen).toEqual([task.name, true])
    expect([task.token.reason, sibling.token.cancelled, group.token.cancelled]).toEqual([
      boom,
      false,
      false,
    ])
    await group.join()
  })
}

// biome-ignore-all lint/nursery/noFloatingPromises: a task has an owner, who waits for it
import { type CancellationToken, CancellationTokenSource, delay } from '@uno-async/core'
import {
  currentGroup,
  getTaskManager,
  type TaskManager as Manager,
  runTask,
  TaskGroup,
  TaskManager,
} from '@uno-async/tasks'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

const boom = new Error('boom')
const bang = new Error('bang')
const forever = (token: CancellationToken) => delay(Infinity, { signal: token })
const failureOf = (promise: PromiseLike<unknown>) =>
  Promise.resolve(promise).then(
    () => expect.fail('did not reject'),
    (error) => error,
  )

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('groups of a manager', () => {
  it('have labels: the newest open one of a name is found', async () => {
    const manager = new TaskManager()
    const first = manager.createGroup('mail')
    const second = manager.createGroup('mail')
    expect(manager.getGroup('mail')).toBe(second)
    await second.join()
    expect(manager.getGroup('mail')).toBe(first)
    await first.cancel()
    expect(manager.getGroup('mail')).toBeUndefined()
    expect(manager.tree().children).toEqual([])
  })

  it('are made for a task that names one', async () => {
    await using manager = new TaskManager()
    manager.createTask(forever, { group: 'mail', name: 'a' })
    manager.createTask(forever, { group: 'mail', name: 'b' })
    manager.createTask(forever, { name: 'c' })
    expect(manager.tasks.map(({ name, group }) => [name, group])).toEqual([
      ['a', 'mail'],
      ['b', 'mail'],
      ['c', 'root'],
    ])
  })

  it('do not hang on the token of who happens to make them', async () => {
    await using manager = new TaskManager()
    const source = new CancellationTokenSource()
    const group = source.token.run(() => manager.createGroup('x'))
    source.cancel()
    expect(group.state).toBe('open')
  })
})

describe('shutdown', () => {
  it('are let go when they are cancelled from outside and empty', () => {
    const manager = new TaskManager()
    const source = new CancellationTokenSource()
    manager.createGroup('a', { signal: source.token }).createTask(() => 1)
    expect(manager.tree().children).toHaveLength(1)
    source.cancel()
    expect(manager.tree().children).toHaveLength(0)
  })

  it('are kept for the report when they are cancelled with failures nobody has seen', async () => {
    const manager = new TaskManager()
    const group = manager.createGroup('a', { cancelOnError: false })
    group.createTask(() => Promise.reject(boom))
    await vi.advanceTimersByTimeAsync(1)
    await group.cancel()
    expect((await manager.shutdown()).errors).toEqual([boom])
  })

  it('leave no timer where all end in their grace', async () => {
    const manager = new TaskManager()
    for (const name of ['a', 'b']) manager.createGroup(name).createTask(forever)
    expect((await manager.shutdown({ grace: 60_000 })).abandoned).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('ends group after group, the newest first', async () => {
    const manager = new TaskManager()
    const log: string[] = []
    for (const name of ['database', 'server']) {
      manager.createGroup(name).createTask((token) =>
        forever(token).catch(async (error) => {
          log.push(`${name} ends`)
          await delay(5)
          log.push(`${name} ended`)
          throw error
        }),
      )
    }
    const shutdown = manager.shutdown({ reason: boom })
    expect([manager.shuttingDown, manager.token.reason]).toEqual([true, boom])
    expect(manager.shutdown()).toBe(shutdown)
    await vi.runAllTimersAsync()
    expect(await shutdown).toEqual({
      duration: expect.any(Number),
      cancelled: 2,
      abandoned: [],
      errors: [],
    })
    expect(log).toEqual(['server ends', 'server ended', 'database ends', 'database ended'])
    const never = vi.fn()
    expect(manager.createTask(never).state).toBe('cancelled')
    expect(manager.createGroup('late').createTask(never).state).toBe('cancelled')
    expect(never).not.toHaveBeenCalled()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('abandons after grace, and names who', async () => {
    const manager = new TaskManager()
    const polite = manager.createGroup('polite').createTask(forever)
    manager.createGroup('stuck').createTask(() => new Promise(() => {}), { name: 'hung' })
    const shutdown = manager.shutdown({ grace: 100 })
    await vi.advanceTimersByTimeAsync(99)
    expect(polite.state).toBe('running')
    await vi.runAllTimersAsync()
    expect(await shutdown).toMatchObject({
      cancelled: 2,
      abandoned: [{ name: 'hung', group: 'stuck' }],
    })
    expect(polite.state).toBe('cancelled')
    expect(vi.getTimerCount()).toBe(0)
  })

  it('leaves no timer of the grace of a group whose task it abandons', async () => {
    const manager = new TaskManager()
    const onStraggler = vi.fn()
    const group = manager.createGroup('a', { grace: 60_000, onStraggler })
    group.createTask(() => new Promise(() => {}))
    const shutdown = manager.shutdown({ grace: 100 })
    await vi.advanceTimersByTimeAsync(101)
    expect((await shutdown).abandoned).toHaveLength(1)
    expect(vi.getTimerCount()).toBe(0)
    expect(onStraggler).not.toHaveBeenCalled()
  })

  it('gives each group its grace, and all that are left at once when one has used it up', async () => {
    const manager = new TaskManager()
    const slow = (duration: number) => (token: CancellationToken) =>
      forever(token).catch(() => delay(duration))
    for (const name of ['a', 'b']) {
      manager.createGroup(name).createTask(slow(90), { name: `slow ${name}` })
    }
    manager.createGroup('c').createTask(() => new Promise(() => {}), { name: 'deaf' })
    const shutdown = manager.shutdown({ grace: 100 })
    await vi.advanceTimersByTimeAsync(191)
    const report = await shutdown
    expect(report.abandoned.map(({ name }) => name)).toEqual(['deaf'])
  })

  it('reports the failure of what was adopted when the last task had ended', async () => {
    const manager = new TaskManager()
    const group = manager.createGroup('mail')
    const undo = () => delay(5).then(() => Promise.reject(boom))
    group.createTask(forever).catch(() => void group.adopt(undo()))
    const shutdown = manager.shutdown()
    await vi.runAllTimersAsync()
    expect(await shutdown).toMatchObject({ cancelled: 1, errors: [boom] })
    expect(group.state).toBe('closed')
  })

  it('gives services their grace too, after those they serve', async () => {
    const manager = new TaskManager()
    const group = manager.createGroup('mail')
    group.createTask(() => new Promise(() => {}), { name: 'deaf' })
    let closed = false
    const close = () => delay(50).then(() => void (closed = true))
    group.createTask((token) => forever(token).catch(close), { service: true })
    const hung = group.createTask(() => new Promise(() => {}), { name: 'hung', service: true })
    const shutdown = manager
      .shutdown({ grace: 100 })
      .then(({ abandoned }) => [closed, ...abandoned.map(({ name, state }) => [name, state])])
    await vi.advanceTimersByTimeAsync(99)
    expect(hung.state).toBe('running')
    await vi.advanceTimersByTimeAsync(101)
    expect(await shutdown).toEqual([true, ['deaf', 'cancelling'], ['hung', 'cancelling']])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('reports a failure once, though it passed from group to group', async () => {
    const manager = new TaskManager()
    const bad = manager.createGroup('mail').createTask(() => Promise.reject(boom))
    manager.createGroup('web').createTask(() => bad)
    manager.createTask(() => bad)
    await vi.runAllTimersAsync()
    await expect(manager[Symbol.asyncDispose]()).rejects.toBe(boom)
    expect((await manager.shutdown()).errors).toEqual([boom])
  })

  it('keeps nobody waiting for what it abandons', async () => {
    const manager = new TaskManager()
    const web = manager.createGroup('web')
    const deaf = manager.createGroup('mail').createTask(() => new Promise(() => {}))
    web.createTask(() => deaf)
    const outside = failureOf(TaskGroup.run(() => deaf))
    const shutdown = manager.shutdown({ grace: 100, reason: boom })
    const cancelled = deaf.cancel()
    await vi.advanceTimersByTimeAsync(200)
    expect(await outside).toBe(boom)
    await cancelled
    const { abandoned, errors } = await shutdown
    expect([abandoned.map(({ id }) => id), errors]).toEqual([[deaf.id], []])
    expect(await deaf.outcome()).toMatchObject({ status: 'cancelled', reason: boom })
  })

  it('abandons what was adopted then, if it takes too long', async () => {
    const manager = new TaskManager()
    const group = manager.createGroup('mail')
    group.createTask(forever).catch(() => {
      group.adopt(new Promise(() => {}), { name: 'undo' })
    })
    const shutdown = manager.shutdown({ grace: 100 })
    await vi.runAllTimersAsync()
    expect((await shutdown).abandoned).toMatchObject([{ name: 'undo' }])
  })

  it('rejects for bad options', async () => {
    const manager = new TaskManager()
    await expect(manager.shutdown({ grace: -1 })).rejects.toThrow(RangeError)
    await expect(manager.shutdown(5 as never)).rejects.toThrow(TypeError)
    expect(manager.shuttingDown).toBe(false)
    expect(() => manager.createGroup(undefined as never)).toThrow(/`name`/)
    expect(() => manager.dump(5 as never)).toThrow(/`options`/)
  })

  it('names those in nested groups too', async () => {
    const manager = new TaskManager()
    manager.createTask(
      () =>
        TaskGroup.run(
          (group) => void group.createTask(() => new Promise(() => {}), { name: 'in' }),
        ),
      { name: 'out' },
    )
    expect(manager.tasks.map(({ name }) => name)).toEqual(['out', 'in'])
    const shutdown = manager.shutdown({ grace: 0 })
    await vi.runAllTimersAsync()
    expect((await shutdown).abandoned.map(({ name }) => name)).toEqual(['out', 'in'])
  })

  it('reports failures nobody has seen, and dispose throws them', async () => {
    const fill = (manager: Manager) => {
      manager.createTask(() => Promise.reject(boom))
      manager.createTask(() => Promise.reject(bang)).catch(() => {})
      manager
        .createGroup('g')
        .createTask((token) => forever(token).catch(() => Promise.reject(bang)))
    }
    const manager = new TaskManager()
    fill(manager)
    await vi.advanceTimersByTimeAsync(1)
    expect((await manager.shutdown()).errors).toEqual([bang, boom])
    await manager[Symbol.asyncDispose]()
    const disposed = new TaskManager()
    fill(disposed)
    expect((await failureOf(disposed[Symbol.asyncDispose]())).errors).toEqual([bang, boom])
  })

  it('are in one report, also for who asks while it begins', async () => {
    const manager = new TaskManager()
    const reports: unknown[] = []
    const again = () => void reports.push(manager.shutdown())
    manager.token.onCancelled(again)
    manager.createTask((token) => {
      token.onCancelled(again)
      return forever(token).catch(() => Promise.reject(boom))
    })
    const report = await manager.shutdown()
    expect(report).toMatchObject({ cancelled: 1, errors: [boom] })
    expect(reports).toHaveLength(2)
    for (const other of await Promise.all(reports)) expect(other).toBe(report)
  })

  it('begins to dispose at once, and has failures reported by that alone', async () => {
    const manager = new TaskManager()
    manager.createTask(() => Promise.reject(boom))
    await vi.advanceTimersByTimeAsync(1)
    const disposed = failureOf(manager[Symbol.asyncDispose]())
    expect(manager.shuttingDown).toBe(true)
    expect(await disposed).toBe(boom)
  })
})

it('creates tasks born cancelled during and after shutdown, whatever ran before', async () => {
  const never = vi.fn()
  const create = (manager: Manager) => [
    manager.createTask(never).state,
    manager.createTask(never, { group: 'old' }).state,
    manager.createTask(never, { group: 'new' }).state,
  ]
  const born = ['cancelled', 'cancelled', 'cancelled']
  for (const used of [true, false]) {
    const manager = new TaskManager()
    if (used) {
      manager.createTask(() => delay(20))
      manager.createTask(() => delay(5), { group: 'old' })
    }
    const shutdown = manager.shutdown()
    expect(create(manager)).toEqual(born)
    await vi.runAllTimersAsync()
    expect((await shutdown).cancelled).toBe(used ? 2 : 0)
    expect(create(manager)).toEqual(born)
    expect(manager.tree().children).toEqual([])
  }
  expect(never).not.toHaveBeenCalled()
})

it('makes another root group when somebody has ended that', async () => {
  await using manager = new TaskManager()
  let root: TaskGroup | undefined
  manager.createTask(() => {
    root = currentGroup()
  })
  await root?.cancel()
  expect(await manager.createTask(() => 1)).toBe(1)
  await root?.join()
  expect(await manager.createTask(() => 2)).toBe(2)
})

it('keeps the last thousand of the failures nobody sees', async () => {
  const manager = new TaskManager()
  for (let n = 0; n < 1_500; n++) {
    manager.createTask(() => {
      throw n
    })
  }
  const { errors } = await manager.shutdown()
  expect([errors.length, errors[0], errors.at(-1)]).toEqual([1_000, 500, 1_499])
})

describe('events', () => {
  it('tell what happens to tasks, here and below', async () => {
    const manager = new TaskManager()
    const log: string[] = []
    const registration = manager.on(({ type, task }) =>
      log.push(`${type} ${task.name} ${task.state}`),
    )
    const group = manager.createGroup('g', { grace: 5, cancelOnError: false })
    group.createTask(() => 1, { name: 'sync' })
    group.createTask(() => Promise.reject(boom), { name: 'bad' }).catch(() => {})
    const slow = group.createTask(
      () => TaskGroup.run((inner) => void inner.createTask(() => delay(10), { name: 'in' })),
      { name: 'slow' },
    )
    void slow.cancel()
    await vi.runAllTimersAsync()
    expect(log).toEqual([
      'start sync running',
      'end sync fulfilled',
      'start bad running',
      'start slow running',
      'start in running',
      'cancel slow cancelling',
      'cancel in cancelling',
      'end bad rejected',
      'straggler slow cancelling',
      'end in fulfilled',
      'end slow cancelled',
    ])
    registration.dispose()
    group.createTask(() => 1)
    expect(log).toHaveLength(11)
    await manager.shutdown()
  })

  it('reach who listens when they happen: not who comes then, nor who has gone', () => {
    const manager = new TaskManager()
    const log: string[] = []
    let again = manager.on(function listener({ type }) {
      log.push(type)
      again.dispose()
      gone.dispose()
      if (log.length < 10) again = manager.on(listener)
    })
    const gone = manager.on(() => log.push('gone'))
    manager.createTask(() => 1)
    expect(log).toEqual(['start', 'end'])
    again.dispose()
  })

  it('survive a listener that throws', async () => {
    const report = vi.fn()
    vi.stubGlobal('reportError', report)
    await using manager = new TaskManager()
    manager.on(() => {
      throw bang
    })
    expect(await manager.createTask(() => 1)).toBe(1)
    expect(report).toHaveBeenCalledWith(bang)
    vi.unstubAllGlobals()
  })
})

describe('dump', () => {
  const fill = async () => {
    const manager = new TaskManager({ name: 'app' })
    const group = manager.createGroup('import')
    group.createTask(
      () =>
        TaskGroup.run((inner) => void inner.createTask(forever, { name: 'page "1"' }), {
          name: 'pages',
        }),
      { name: 'users' },
    )
    await vi.advanceTimersByTimeAsync(200_000)
    manager.createTask(forever, { name: 'young' })
    await vi.advanceTimersByTimeAsync(1_500)
    return manager
  }

  it('is a tree that a person can read', async () => {
    const manager = await fill()
    expect(manager.dump()).toBe(
      [
        'manager "app" running 3 min 21 s',
        '├─ group "import" open 3 min 21 s',
        '│  └─ task "users" running 3 min 21 s',
        '│     └─ group "pages" joining 3 min 21 s',
        '│        └─ task "page \\"1\\"" running 3 min 21 s',
        '└─ group "root" open 1.5 s',
        '   └─ task "young" running 1.5 s',
      ].join('\n'),
    )
    expect(manager.dump({ olderThan: 2_000 })).not.toContain('root')
    expect(manager.dump({ olderThan: 1e9 })).toBe('manager "app" running 3 min 21 s')
    await manager.shutdown()
  })

  it.each([
    [0.34, '0.3 ms'],
    [9.94, '9.9 ms'],
    [10.4, '10 ms'],
    [999.4, '999 ms'],
    [1_000, '1 s'],
    [1_590, '1.5 s'],
    [59_999, '59.9 s'],
    [60_000, '1 min 0 s'],
    [200_000, '3 min 20 s'],
    [3_599_999, '59 min 59 s'],
    [3_600_000, '1 h 0 min'],
    [18_150_000, '5 h 2 min'],
  ])('spells %s ms as %s', (age, text) => {
    const now = vi.spyOn(performance, 'now').mockReturnValue(0)
    const manager = new TaskManager()
    now.mockReturnValue(age)
    expect(manager.dump()).toBe(`manager "tasks" running ${text}`)
    now.mockRestore()
  })

  it('leaves out what is younger than olderThan, and groups that have nothing older', async () => {
    const manager = new TaskManager()
    const group = manager.createGroup('old')
    await vi.advanceTimersByTimeAsync(1_000)
    const task = group.createTask(forever, { name: 'young' })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(manager.dump({ olderThan: 1_001 }).split('\n')).toHaveLength(1)
    expect(manager.dump({ olderThan: 1_000 })).toContain('task "young" running 1 s')
    const ended = manager.shutdown()
    expect(manager.dump({ olderThan: 1e9 })).toBe('manager "tasks" shutting down 2 s')
    await vi.advanceTimersByTimeAsync(500)
    expect([(await ended).duration, task.state]).toEqual([0, 'cancelled'])
  })

  it('can be JSON', async () => {
    const manager = await fill()
    expect(JSON.parse(manager.dump({ format: 'json' }))).toEqual(manager.tree())
    await manager.shutdown()
  })

  it('can be a mermaid graph, whatever the names', async () => {
    const manager = await fill()
    const lines = manager.dump({ format: 'mermaid' }).split('\n')
    expect(lines[0]).toBe('graph LR')
    expect(lines).toHaveLength(8)
    expect(lines[1]).toBe('  n1["manager app<br/>running 3 min 21 s"]')
    expect(lines[5]).toBe('  n4 --> n5["task page #34;1#34;<br/>running 3 min 21 s"]')
    await manager.shutdown()
  })
})

describe('runTask', () => {
  it('belongs to the current group, else to the one manager of the runtime', async () => {
    const manager = getTaskManager()
    expect(getTaskManager()).toBe(manager)
    const task = runTask(forever, { name: 'loose' })
    expect(manager.tasks).toMatchObject([{ name: 'loose', group: 'root' }])
    await task.cancel()
    await TaskGroup.run((group) => {
      runTask(forever)
      expect(group.size).toBe(1)
      void group.cancel()
    })
    expect(manager.tasks).toEqual([])
  })

  it('hangs on the current token', async () => {
    const source = new CancellationTokenSource()
    const task = source.token.run(() => runTask(forever))
    source.cancel(boom)
    expect(await failureOf(task)).toBe(boom)
    expect(task.state).toBe('cancelled')
  })

  it('keeps the identity of a failure, and stops no other', async () => {
    const other = runTask(() => delay(1).then(() => 1))
    expect(await failureOf(runTask(() => Promise.reject(boom)))).toBe(boom)
    await vi.runAllTimersAsync()
    expect(await other).toBe(1)
  })
})

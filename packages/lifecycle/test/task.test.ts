import { CancellationToken, CancelledError, delay } from '@uno-async/core'
import {
  AsyncManager,
  asTask,
  getAsyncManager,
  LifecycleError,
  ManagedTask,
  resetAsyncManager,
  ShutdownError,
  setAsyncManager,
} from '@uno-async/lifecycle'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

beforeEach(() => void vi.useFakeTimers())
afterEach(async () => {
  await resetAsyncManager()
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const error = new Error('broken')
const fail = async () => {
  throw error
}
const forever = (token: CancellationToken) => delay(Infinity, { signal: token })

describe('createTask', () => {
  it('is a promise of the result', async () => {
    const manager = new AsyncManager()
    const task = manager.createTask(async () => 7, { name: 'seven' })
    expect(task).toBeInstanceOf(ManagedTask)
    expect([task.name, task.state, task.active]).toEqual(['seven', 'running', true])
    let cleaned = false
    expect(await task.finally(() => void (cleaned = true))).toBe(7)
    expect(cleaned).toBe(true)
    expect([task.state, task.active, String(task)]).toEqual(['done', false, '[object ManagedTask]'])
    expect(manager.inspect().tasks).toEqual([])
  })

  it('shuts down when a task fails', async () => {
    const manager = new AsyncManager()
    const task = manager.createTask(fail, { name: 'worker' })
    const report = await manager.waitForShutdown()
    expect(report).toMatchObject({
      code: 1,
      reason: { kind: 'task-failed', detail: 'worker', error },
      errors: [error],
    })
    expect(await task.catch((e) => e)).toBe(error)
    expect(task.state).toBe('failed')
  })

  it.each([
    ['ignore', 'ignore' as const],
    ['a function', vi.fn()],
  ])('lets the application decide by %s', async (_, onError) => {
    const manager = new AsyncManager()
    await manager.createTask(fail, { onError }).catch(() => {})
    expect(manager.shuttingDown).toBe(false)
    if (typeof onError === 'function') expect(onError).toHaveBeenCalledWith(error)
  })

  it('shuts down with what onError throws, at once or later', async () => {
    const worse = new Error('worse')
    const throwIt = (what?: unknown) => () => {
      throw what
    }
    for (const onError of [throwIt(worse), () => Promise.reject(worse)]) {
      const manager = new AsyncManager()
      manager.createTask(fail, { onError, significant: true })
      expect((await manager.waitForShutdown()).errors).toEqual([worse])
    }
    const manager = new AsyncManager()
    manager.createTask(fail, { name: 't', onError: throwIt() })
    const { code, reason } = await manager.waitForShutdown()
    expect([code, String(reason.error)]).toEqual([
      1,
      'LifecycleError: Task "t" failed with undefined',
    ])
  })

  it('does not take a cancellation for a failure', async () => {
    const manager = new AsyncManager()
    const task = manager.createTask(() => Promise.reject(new CancelledError()))
    await task.catch(() => {})
    expect([task.state, manager.shuttingDown]).toEqual(['cancelled', false])
    const cancelled = manager.createTask(forever)
    expect([cancelled.cancel('why'), cancelled.cancel()]).toEqual([true, false])
    await cancelled.catch(() => {})
    expect([cancelled.state, manager.shuttingDown]).toEqual(['cancelled', false])
  })

  it('takes an AbortError for a failure if nobody cancelled the task', async () => {
    const manager = new AsyncManager()
    const abandoned = () => Promise.reject(AbortSignal.abort().reason)
    const task = manager.createTask(abandoned, { name: 't' })
    await task.catch(() => {})
    const { code, reason } = await manager.waitForShutdown()
    expect([task.state, code, reason.kind, (reason.error as Error).name]).toEqual([
      'failed',
      1,
      'task-failed',
      'AbortError',
    ])
  })

  it('takes an AbortError for obedience once the task was cancelled', async () => {
    const manager = new AsyncManager()
    const task = manager.createTask(async (token) => {
      await token.race(new Promise(() => {})).catch(() => {})
      throw AbortSignal.abort().reason
    })
    task.cancel()
    await task.catch(() => {})
    expect([task.state, manager.shuttingDown]).toEqual(['cancelled', false])
  })

  it('starts again after an AbortError of somebody else', async () => {
    const manager = new AsyncManager()
    let runs = 0
    const task = manager.createTask(
      async () => {
        if (++runs === 1) throw AbortSignal.abort().reason
      },
      { restart: { when: 'on-error' } },
    )
    await vi.advanceTimersByTimeAsync(100)
    await task
    expect([runs, task.state]).toEqual([2, 'done'])
  })

  it('knows a failure with undefined', async () => {
    const manager = new AsyncManager()
    manager.createTask(() => Promise.reject(), { name: 't' })
    const { code, reason } = await manager.waitForShutdown()
    expect([code, String(reason.error)]).toEqual([
      1,
      'LifecycleError: Task "t" failed with undefined',
    ])
  })

  it('is cancelled after the drain and waited for', async () => {
    const log: string[] = []
    const manager = new AsyncManager()
    await manager.start()
    manager.addShutdownHook(() => log.push('drain'), { phase: 'drain' })
    manager.addShutdownHook(() => log.push('stop'))
    manager.createTask(
      async (token) => {
        await forever(token).catch(() => {})
        log.push('told')
        await delay(100)
        log.push('ended')
      },
      { name: 'loop' },
    )
    const stopping = manager.shutdown()
    await vi.advanceTimersByTimeAsync(100)
    const report = await stopping
    expect(log).toEqual(['drain', 'told', 'ended', 'stop'])
    expect(report.entries).toMatchObject([{}, { name: 'loop', phase: 'cancel', outcome: 'ok' }, {}])
    expect(report.code).toBe(0)
  })

  it('is named when it does not obey', async () => {
    const manager = new AsyncManager({ shutdownTimeout: 100 })
    manager.createTask(() => new Promise(() => {}), { name: 'stubborn' })
    const stopping = manager.shutdown()
    await vi.advanceTimersByTimeAsync(100)
    expect((await stopping).entries).toMatchObject([
      { name: 'stubborn', phase: 'cancel', outcome: 'timeout' },
    ])
  })

  it('keeps an error that comes while it stops', async () => {
    const manager = new AsyncManager()
    manager.createTask((token) => forever(token).catch(fail))
    const { code, errors } = await manager.shutdown()
    expect([code, errors]).toEqual([1, [error]])
  })

  it('does not run once a stop was asked for: the task is cancelled already', async () => {
    const manager = new AsyncManager()
    const stopping = manager.shutdown()
    const run = vi.fn()
    const task = manager.createTask(run, { significant: true })
    expect([task.state, task.active]).toEqual(['cancelled', false])
    await expect(task).rejects.toBeInstanceOf(ShutdownError)
    expect(run).not.toHaveBeenCalled()
    expect(manager.inspect().tasks).toEqual([])
    expect((await stopping).entries).toEqual([])
  })

  it('shuts down cleanly when the last significant task ends', async () => {
    const manager = new AsyncManager()
    manager.createTask(forever)
    manager.createTask(() => delay(100), { significant: true, name: 'a' })
    manager.createTask(() => delay(200), { significant: true, name: 'b' })
    await vi.advanceTimersByTimeAsync(100)
    expect(manager.shuttingDown).toBe(false)
    await vi.advanceTimersByTimeAsync(100)
    expect(await manager.waitForShutdown()).toMatchObject({
      code: 0,
      reason: { kind: 'tasks-ended', detail: 'b' },
    })
  })
})

describe('restart', () => {
  it('starts again with backoff, then gives up', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(1)
    const runs: number[] = []
    const manager = new AsyncManager()
    const task = manager.createTask(
      () => {
        runs.push(performance.now())
        return fail()
      },
      {
        name: 'worker',
        restart: { when: 'on-error', maxRestarts: 3, baseDelay: 100, maxDelay: 250 },
      },
    )
    await vi.advanceTimersByTimeAsync(50)
    expect(task.state).toBe('waiting')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(runs.map((at) => at - (runs[0] as number))).toEqual([0, 100, 300, 550])
    expect([task.restarts, task.state]).toEqual([3, 'failed'])
    expect((await manager.waitForShutdown()).reason).toMatchObject({ kind: 'task-failed', error })
  })

  it('starts again without end when told to, at once if told to', async () => {
    const manager = new AsyncManager()
    let runs = 0
    const run = (): void => {
      if (++runs === 1_500) throw error
    }
    const endless = { when: 'always', maxRestarts: Infinity, baseDelay: 0 } as const
    const task = manager.createTask(run, { restart: endless })
    await vi.advanceTimersByTimeAsync(2_000)
    expect([runs > 1_500, task.active]).toEqual([true, true])
    await manager.shutdown()
  })

  it('tells listeners of each state, from the first on', async () => {
    const manager = new AsyncManager()
    const states: string[] = []
    using _ = manager.subscribe(({ type, state }) => void (type === 'task' && states.push(state)))
    let runs = 0
    const run = (): void => {
      if (++runs === 1) throw error
    }
    const task = manager.createTask(run, { restart: { when: 'on-error' } })
    await vi.advanceTimersByTimeAsync(100)
    await task
    expect(states).toEqual(['running', 'waiting', 'running', 'done'])
    await manager.shutdown()
  })

  it('draws the delay between half and all', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0)
    const run = vi.fn(fail)
    const manager = new AsyncManager()
    manager.createTask(run, { restart: { when: 'on-error', baseDelay: 100 } })
    await vi.advanceTimersByTimeAsync(49)
    expect(run).toHaveBeenCalledTimes(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(run).toHaveBeenCalledTimes(2)
    await manager.shutdown()
  })

  it('counts restarts within the window only', async () => {
    const run = vi.fn(fail)
    const manager = new AsyncManager()
    const restart = {
      when: 'on-error',
      maxRestarts: 1,
      within: 500,
      healthyAfter: Infinity,
      baseDelay: 1_000,
    } as const
    const task = manager.createTask(run, { restart })
    await vi.advanceTimersByTimeAsync(10_000)
    expect(task.active).toBe(true)
    expect(run.mock.calls.length).toBeGreaterThan(5)
    await manager.shutdown()
  })

  it('forgets them after a healthy run', async () => {
    const manager = new AsyncManager()
    const restart = { when: 'on-error', maxRestarts: 1, healthyAfter: 500, baseDelay: 1 } as const
    const task = manager.createTask(() => delay(500).then(fail), { restart })
    await vi.advanceTimersByTimeAsync(5_000)
    expect(task.active).toBe(true)
    expect(task.restarts).toBeGreaterThan(5)
    const stopping = manager.shutdown()
    await vi.advanceTimersByTimeAsync(1_000)
    await stopping
  })

  it('parks a task if asked to, and the application runs on', async () => {
    const manager = new AsyncManager()
    const restart = { when: 'on-error', maxRestarts: 0, whenExhausted: 'park' } as const
    const task = manager.createTask(fail, { restart })
    expect(await task.catch((e) => e)).toBe(error)
    expect([task.state, manager.shuttingDown]).toEqual(['parked', false])
  })

  it('runs on when the last significant task is parked, until another one ends', async () => {
    const manager = new AsyncManager()
    const restart = { when: 'on-error', maxRestarts: 0, whenExhausted: 'park' } as const
    const task = manager.createTask(fail, { restart, significant: true })
    await task.catch(() => {})
    expect([task.state, manager.shuttingDown]).toEqual(['parked', false])
    await manager.createTask(() => {}, { name: 'last', significant: true })
    const { code, reason } = await manager.waitForShutdown()
    expect([code, reason]).toEqual([0, { kind: 'tasks-ended', detail: 'last' }])
  })

  it('starts what ended again when told to always, and names it when that is too often', async () => {
    const run = vi.fn(async () => {})
    const manager = new AsyncManager()
    manager.createTask(run, {
      name: 'poll',
      restart: { when: 'always', maxRestarts: 2, baseDelay: 1 },
    })
    await vi.advanceTimersByTimeAsync(10)
    expect(run).toHaveBeenCalledTimes(3)
    const { reason } = await manager.waitForShutdown()
    expect(reason.error).toBeInstanceOf(LifecycleError)
    expect(String(reason.error)).toContain('Task "poll" ended after 2 restarts')
  })

  it('does not start again while it stops', async () => {
    const run = vi.fn(fail)
    const manager = new AsyncManager()
    const task = manager.createTask(run, { restart: { when: 'on-error', baseDelay: 10_000 } })
    await vi.advanceTimersByTimeAsync(10)
    const { code } = await manager.shutdown()
    expect([run.mock.calls.length, task.state, code]).toEqual([1, 'cancelled', 0])
  })
})

describe('asTask', () => {
  it('makes each call a task of the shared manager', async () => {
    let current: CancellationToken | undefined
    const send = asTask(async function sendMail(to: string, times: number) {
      current = CancellationToken.current
      return to.repeat(times)
    })
    const task = send('x', 3)
    expect(task).toBeInstanceOf(ManagedTask)
    expect([task.name, send.name, send.length]).toEqual(['sendMail', 'sendMail', 2])
    expect(await task).toBe('xxx')
    expect(current).not.toBe(CancellationToken.none)
  })

  it('takes a name or options', async () => {
    expect(asTask('mail')(() => 1)().name).toBe('mail')
    const task = asTask({ name: 'mail', onError: 'ignore' })(fail)()
    await task.catch(() => {})
    expect(getAsyncManager().shuttingDown).toBe(false)
  })

  it('decorates methods, and keeps this', async () => {
    class Mailer {
      prefix = 'to '
      @asTask('mail')
      async send(to: string) {
        return this.prefix + to
      }
      @asTask({ onError: 'ignore' })
      static async count() {
        return 1
      }
    }
    const sending = new Mailer().send('ada')
    expect((sending as unknown as ManagedTask<string>).name).toBe('mail')
    expect([await sending, await Mailer.count()]).toEqual(['to ada', 1])
  })

  it('decorates in the legacy dialect', async () => {
    class Mailer {
      prefix = 'to '
      async send(to: string) {
        return this.prefix + to
      }
    }
    const descriptor = Object.getOwnPropertyDescriptor(
      Mailer.prototype,
      'send',
    ) as TypedPropertyDescriptor<Mailer['send']>
    asTask('mail')(Mailer.prototype, 'send', descriptor)
    Object.defineProperty(Mailer.prototype, 'send', descriptor)
    expect(await new Mailer().send('ada')).toBe('to ada')
  })

  it('works for the manager of the time of the call', async () => {
    const task = asTask(async () => 1)
    const manager = new AsyncManager()
    setAsyncManager(manager)
    void task()
    expect(manager.inspect().tasks).toHaveLength(1)
    await resetAsyncManager()
    expect(await task()).toBe(1)
  })
})

describe('the shared manager', () => {
  it('is one, until it is reset', async () => {
    const manager = getAsyncManager()
    expect(getAsyncManager()).toBe(manager)
    await resetAsyncManager()
    expect(manager.state).toBe('stopped')
    expect(getAsyncManager()).not.toBe(manager)
  })

  it('is shared by two copies of the package', async () => {
    vi.resetModules()
    const copy = await import('@uno-async/lifecycle')
    expect(copy.getAsyncManager()).toBe(getAsyncManager())
    const manager = new copy.AsyncManager()
    setAsyncManager(manager as unknown as AsyncManager)
    expect(getAsyncManager()).toBe(manager)
  })
})

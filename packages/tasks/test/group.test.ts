// biome-ignore-all lint/nursery/noMisusedPromises: what finally() returns is awaited
// biome-ignore-all lint/nursery/noFloatingPromises: a task has an owner, who waits for it
import {
  CancellationToken,
  CancellationTokenSource,
  CancelledError,
  ClosedError,
  delay,
  isCancelled,
  TimeoutError,
} from '@uno-async/core'
import {
  cancelOnExit,
  type TaskGroup as Group,
  runTasks,
  TaskGroup,
  TaskGroupError,
  taskPathOf,
} from '@uno-async/tasks'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

const boom = new Error('boom')
const bang = new Error('bang')
const reject = (error: unknown) => () => Promise.reject(error)
const forever = (token: CancellationToken) => delay(Infinity, { signal: token })
const failureOf = (promise: PromiseLike<unknown>) =>
  Promise.resolve(promise).then(
    () => expect.fail('did not reject'),
    (error) => error,
  )

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('joining', () => {
  it('ends an empty group', async () => {
    expect(await TaskGroup.run(() => 7)).toBe(7)
    const group = new TaskGroup()
    expect([group.state, group.size]).toEqual(['open', 0])
    await group.join()
    await group.join()
    expect(group.state).toBe('closed')
  })

  it('does not end before its tasks', async () => {
    const log: string[] = []
    const run = TaskGroup.run(async (group) => {
      group.createTask(() => delay(10).then(() => log.push('slow')))
      group.createTask(() => delay(5).then(() => log.push('fast')))
      return 'body'
    }).then((value) => log.push(value))
    await vi.runAllTimersAsync()
    await run
    expect(log).toEqual(['fast', 'slow', 'body'])
  })

  it('takes new tasks while one still runs, also during join', async () => {
    const group = new TaskGroup()
    let late: unknown
    group.createTask(async () => {
      await delay(5)
      expect(group.state).toBe('joining')
      late = group.createTask(() => delay(5).then(() => 'late'))
    })
    const joined = group.join()
    await vi.runAllTimersAsync()
    await joined
    expect(await late).toBe('late')
    expect(() => group.createTask(() => 1)).toThrow(ClosedError)
  })

  it('stops waiting after a timeout, and cancels nothing', async () => {
    const group = new TaskGroup({ name: 'import' })
    const task = group.createTask(() => delay(20).then(() => 1))
    const joined = failureOf(group.join({ timeout: 10 }))
    await vi.advanceTimersByTimeAsync(10)
    expect(await joined).toMatchObject({ name: 'TimeoutError', operation: 'join of import' })
    expect(group.token.cancelled).toBe(false)
    expect(await failureOf(group.join({ timeout: 0 }))).toBeInstanceOf(TimeoutError)
    const again = group.join({ timeout: 100 })
    await vi.runAllTimersAsync()
    await again
    expect(await task).toBe(1)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('rejects with the same error as often as it is asked', async () => {
    const group = new TaskGroup({ cancelOnError: false })
    group.createTask(reject(boom))
    group.createTask(reject(bang))
    const error = await failureOf(group.join())
    expect(error).toBeInstanceOf(TaskGroupError)
    expect(await failureOf(group.join())).toBe(error)
  })

  it('tells a task that would wait for itself, instead of hanging', async () => {
    const group = new TaskGroup()
    const task = group.createTask(() => group.join())
    expect(await failureOf(task)).toMatchObject({ message: expect.stringContaining('itself') })
    const nested = new TaskGroup()
    const inner = nested.createTask(() =>
      TaskGroup.run((child) => void child.createTask(() => nested.join())),
    )
    expect(await failureOf(inner)).toMatchObject({ message: expect.stringContaining('itself') })
  })
})

describe('the first failure', () => {
  it('stops the siblings, whose finally blocks end before the group rejects', async () => {
    const log: unknown[] = []
    const run = failureOf(
      TaskGroup.run((group) => {
        group.createTask(
          async (token) => {
            try {
              await forever(token)
            } catch (error) {
              log.push((error as Error).cause)
              await delay(10)
              log.push('cleaned up')
              throw error
            }
          },
          { name: 'sibling' },
        )
        group.createTask(() => delay(5).then(reject(boom)))
      }),
    )
    await vi.runAllTimersAsync()
    expect(await run).toBe(boom)
    expect(log).toEqual([boom, 'cleaned up'])
  })

  it('wakes the body through the token', async () => {
    const run = failureOf(
      TaskGroup.run(async (group) => {
        group.createTask(() => delay(5).then(reject(boom)))
        await forever(group.token)
      }),
    )
    await vi.runAllTimersAsync()
    expect(await run).toBe(boom)
  })

  it('is thrown although the body ignores it and returns a value', async () => {
    const body = async (group: Group) => {
      group.createTask(reject(boom))
      await delay(5)
      return 1
    }
    const run = failureOf(TaskGroup.run(body))
    await vi.runAllTimersAsync()
    expect(await run).toBe(boom)
  })

  it('starts nothing that is queued', async () => {
    const never = vi.fn()
    const run = TaskGroup.run(
      (group) => {
        group.createTask(reject(boom))
        expect(group.createTask(never).state).toBe('queued')
      },
      { concurrency: 1 },
    )
    expect(await failureOf(run)).toBe(boom)
    expect(never).not.toHaveBeenCalled()
  })

  it('may be undefined, null, 0 or a string', async () => {
    for (const value of [undefined, null, 0, 'text']) {
      const error = await TaskGroup.run((group) => void group.createTask(reject(value))).then(
        () => 'resolved',
        (error) => [error],
      )
      expect(error).toEqual([value])
      const awaited = TaskGroup.run(async (group) => await group.createTask(reject(value)))
      await expect(
        awaited.then(
          () => 'resolved',
          (error) => [error],
        ),
      ).resolves.toEqual([value])
    }
  })

  it('may be thrown synchronously, or come from a thenable that is no promise', async () => {
    const thrown = TaskGroup.run((group) => {
      group.createTask(() => {
        throw boom
      })
    })
    expect(await failureOf(thrown)).toBe(boom)
    const thenable = {
      // biome-ignore lint/suspicious/noThenProperty: that is the point
      then: (_: unknown, no: (error: unknown) => void) => no(bang),
    } as unknown as PromiseLike<number>
    expect(await failureOf(TaskGroup.run((group) => group.createTask(() => thenable)))).toBe(bang)
    const broken = Object.defineProperty({}, 'then', {
      get() {
        throw boom
      },
    })
    expect(await failureOf(TaskGroup.run((group) => void group.createTask(() => broken)))).toBe(
      boom,
    )
  })
})

describe('the shape of failure', () => {
  it('is one error with all that failed, in the order in which it happened', async () => {
    const third = new Error('third')
    const run = failureOf(
      TaskGroup.run(
        (group) => {
          group.createTask(() => delay(1).then(reject(boom)))
          group.createTask(reject(bang))
          group.createTask(() => {
            throw third
          })
          group.createTask(forever)
        },
        { name: 'import' },
      ),
    )
    await vi.runAllTimersAsync()
    expect(await run).toMatchObject({
      name: 'TaskGroupError',
      code: 'ERR_TASK_GROUP',
      group: 'import',
      message: '3 tasks of "import" failed',
      errors: [third, bang, boom],
    })
    expect(await run).toBeInstanceOf(AggregateError)
  })

  it('takes three failures of one tick together', async () => {
    const error = await failureOf(
      TaskGroup.run((group) => {
        for (const each of [boom, bang, undefined]) group.createTask(reject(each))
      }),
    )
    expect(error.errors).toEqual([boom, bang, undefined])
  })

  it('throws once what the body throws again of a child, or a child of a sibling', async () => {
    const again = async (group: Group) => {
      const task = group.createTask(reject(boom))
      group.createTask(() => task)
      await task
    }
    expect(await failureOf(TaskGroup.run(again))).toBe(boom)
  })

  it('joins what the body throws with what children answer', async () => {
    const error = await failureOf(
      TaskGroup.run((group) => {
        group.createTask(async (token) => {
          await forever(token).catch(() => {
            throw bang
          })
        })
        throw boom
      }),
    )
    expect(error.errors).toEqual([boom, bang])
  })

  it('is the error of the body alone, before and after a child has run', async () => {
    for (const wait of [0, 5]) {
      const run = failureOf(
        TaskGroup.run(async (group) => {
          group.createTask(() => delay(1))
          group.createTask(forever)
          if (wait) await delay(wait)
          throw boom
        }),
      )
      await vi.runAllTimersAsync()
      expect(await run).toBe(boom)
    }
  })

  it('leaves out echoes of any kind, and takes what is none', async () => {
    const dom = new DOMException('stop', 'AbortError')
    const run = (answer: (token: CancellationToken) => unknown) =>
      failureOf(
        TaskGroup.run((group) => {
          group.createTask((token) =>
            forever(token).catch(() => {
              throw answer(token)
            }),
          )
          group.createTask(reject(boom))
        }),
      )
    expect(await run(({ reason }) => reason)).toBe(boom)
    expect(await run(() => new CancelledError())).toBe(boom)
    expect(await run(() => dom)).toBe(boom)
    expect((await run(() => bang)).errors).toEqual([boom, bang])
    expect((await run(() => new TimeoutError())).errors).toHaveLength(2)
    // nobody cancelled it: then a cancellation is a failure
    expect(await failureOf(TaskGroup.run((group) => void group.createTask(reject(dom))))).toBe(dom)
  })
})

describe('cancelling from outside', () => {
  it('gives the children the reason, waits, and rejects with it', async () => {
    const controller = new AbortController()
    const reason = new Error('shutdown')
    const seen: unknown[] = []
    const run = failureOf(
      TaskGroup.run(
        (group) => {
          group.createTask(async (token) => {
            token.onCancelled((it) => seen.push(it))
            await forever(token).catch(() => delay(10))
            seen.push('ended')
          })
        },
        { signal: controller.signal },
      ),
    )
    controller.abort(reason)
    await vi.runAllTimersAsync()
    expect(await run).toBe(reason)
    expect(seen).toEqual([reason, 'ended'])
  })

  it('calls nothing in a group that is cancelled already', async () => {
    const never = vi.fn()
    const signal = AbortSignal.abort(boom)
    const run = TaskGroup.run(
      (group) => {
        expect(group.state).toBe('cancelling')
        expect(group.createTask(never).state).toBe('cancelled')
      },
      { signal },
    )
    expect(await failureOf(run)).toBe(boom)
    expect(never).not.toHaveBeenCalled()
  })

  it('takes null as a reason', async () => {
    const signal = AbortSignal.abort(null)
    const error = await failureOf(TaskGroup.run(() => {}, { signal }))
    expect([isCancelled(error), error.cause]).toEqual([true, null])
  })

  it('gives way to a real failure', async () => {
    const source = new CancellationTokenSource()
    const group = new TaskGroup({ signal: source.token })
    group.createTask(async (token) => {
      await forever(token).catch(() => {
        throw boom
      })
    })
    source.cancel()
    expect(await failureOf(group.join())).toBe(boom)
    expect(boom.cause).toBeUndefined()
  })

  it('happens after the timeout of the group', async () => {
    const run = failureOf(TaskGroup.run((group) => void group.createTask(forever), { timeout: 5 }))
    await vi.advanceTimersByTimeAsync(5)
    expect(await run).toMatchObject({ name: 'TimeoutError', timeout: 5 })
    expect(vi.getTimerCount()).toBe(0)
  })

  it('follows the current token', async () => {
    const source = new CancellationTokenSource()
    const run = source.token.run(() => TaskGroup.run((group) => void group.createTask(forever)))
    source.cancel(boom)
    expect(await failureOf(run)).toBe(boom)
  })
})

describe('cancel()', () => {
  it('is an ordinary end', async () => {
    const group = new TaskGroup()
    const task = group.createTask(forever)
    const cancelled = group.cancel('enough')
    expect([group.state, task.state]).toEqual(['cancelling', 'cancelling'])
    await group.cancel('again')
    await cancelled
    expect([group.size, task.state, group.token.reason]).toEqual([0, 'cancelled', 'enough'])
    await group.join()
    await group.cancel()
    expect(group.state).toBe('closed')
  })

  it('may come before the first task, in the body, and during join', async () => {
    const never = vi.fn()
    const early = new TaskGroup()
    await early.cancel()
    expect(early.createTask(never).state).toBe('cancelled')
    await early.join()
    await TaskGroup.run(async (group) => {
      const task = group.createTask(forever)
      await group.cancel(null)
      expect(task.state).toBe('cancelled')
      expect(group.createTask(never).state).toBe('cancelled')
      await forever(group.token)
    })
    const joining = new TaskGroup()
    joining.createTask(forever)
    const joined = joining.join()
    await joining.cancel()
    await joined
    expect(never).not.toHaveBeenCalled()
  })

  it('can be what disposing by a child in its synchronous part comes to', async () => {
    const group = new TaskGroup()
    const task = group.createTask(async () => {
      await group[Symbol.asyncDispose]()
      return 1
    })
    expect(await task).toBe(1)
    expect(group.state).toBe('closed')
  })

  it('can be called by a child in its synchronous part', async () => {
    await TaskGroup.run((group) => {
      group.createTask(async (token) => {
        await group.cancel()
        await forever(token)
      })
    })
  })

  it('still throws what really fails', async () => {
    const group = new TaskGroup()
    group.createTask((token) => forever(token).catch(reject(boom)))
    await group.cancel()
    expect(await failureOf(group.join())).toBe(boom)
  })

  it('lets a child swallow it and give a value', async () => {
    const group = new TaskGroup()
    const task = group.createTask((token) => forever(token).catch(() => 'saved'))
    await group.cancel()
    expect([task.state, await task]).toEqual(['fulfilled', 'saved'])
    await group.join()
  })

  it('empties the queue at once', async () => {
    const group = new TaskGroup({ concurrency: 1 })
    const never = vi.fn()
    group.createTask(forever)
    const queued = [1, 2, 3].map(() => group.createTask(never))
    void group.cancel(boom)
    expect(queued.map(({ state }) => state)).toEqual(['cancelled', 'cancelled', 'cancelled'])
    expect(await failureOf(queued[0] as PromiseLike<unknown>)).toBe(boom)
    await group.join()
    expect(never).not.toHaveBeenCalled()
  })
})

describe('nesting', () => {
  const nested = (inner: (group: Group) => unknown, outer: (group: Group) => unknown = () => {}) =>
    TaskGroup.run(
      async (group) => {
        group.createTask(() => TaskGroup.run(inner, { name: 'inner' }), { name: 'task' })
        await outer(group)
      },
      { name: 'outer' },
    )

  it('throws the failure of an inner group as it is', async () => {
    expect(await failureOf(nested((group) => void group.createTask(reject(boom))))).toBe(boom)
  })

  it('cancels the inner group when the outer fails', async () => {
    const log: string[] = []
    const inner = (group: Group) =>
      void group.createTask((token) => forever(token).finally(() => log.push('inner')))
    const error = await failureOf(nested(inner, reject(boom)))
    expect([error, log]).toEqual([boom, ['inner']])
  })

  it('joins the failures of both', async () => {
    const inner = (group: Group) =>
      void group.createTask((token) => forever(token).catch(reject(bang)))
    expect((await failureOf(nested(inner, reject(boom)))).errors).toEqual([boom, bang])
  })

  it('does not let an inner group swallow the cancellation of the outer', async () => {
    let state: unknown
    await TaskGroup.run(async (outer) => {
      const task = outer.createTask(() =>
        TaskGroup.run((group) => forever(group.token).catch(() => 'swallowed')),
      )
      await outer.cancel()
      state = task.state
    })
    expect(state).toBe('cancelled')
  })

  it('knows the path of an error', async () => {
    const error = new Error('deep')
    await failureOf(nested((group) => void group.createTask(reject(error), { name: 'page-3' })))
    expect(taskPathOf(error)).toEqual(['outer', 'task', 'inner', 'page-3'])
    expect(taskPathOf(new Error('elsewhere'))).toBeUndefined()
    expect(taskPathOf('text')).toBeUndefined()
    expect(taskPathOf(undefined)).toBeUndefined()
  })

  it('lets a child spawn a failing grandchild in its synchronous part', async () => {
    const run = TaskGroup.run((group) => {
      group.createTask(() => {
        group.createTask(() => {
          throw boom
        })
        return delay(1)
      })
    })
    const error = failureOf(run)
    await vi.runAllTimersAsync()
    expect(await error).toBe(boom)
  })
})

describe('a supervisor', () => {
  it('lets siblings go on, and throws at join', async () => {
    const group = new TaskGroup({ cancelOnError: false })
    group.createTask(reject(boom))
    const task = group.createTask(() => delay(5).then(() => 'done'))
    const joined = failureOf(group.join())
    await vi.runAllTimersAsync()
    expect([await task, await joined]).toEqual(['done', boom])
    expect(group.errors).toEqual([boom])
  })

  it('hands failures to onTaskError, and then neither keeps nor throws them', async () => {
    const seen: unknown[] = []
    await TaskGroup.run(
      (group) => {
        group.createTask(reject(boom), { name: 'a' })
        group.createTask(reject(undefined), { name: 'b' })
      },
      {
        cancelOnError: false,
        onTaskError: (error, { name, state }) => seen.push([error, name, state]),
      },
    )
    expect(seen).toEqual([
      [boom, 'a', 'rejected'],
      [undefined, 'b', 'rejected'],
    ])
  })

  it('is cancelled by an error of its body', async () => {
    const run = TaskGroup.run(
      (group) => {
        group.createTask(forever)
        throw boom
      },
      { cancelOnError: false },
    )
    expect(await failureOf(run)).toBe(boom)
  })

  it('only watches with cancelOnError, and a hook that throws stops nobody', async () => {
    const report = vi.fn()
    vi.stubGlobal('reportError', report)
    const onTaskError = () => {
      throw bang
    }
    const run = TaskGroup.run((group) => void group.createTask(reject(boom)), { onTaskError })
    expect(await failureOf(run)).toBe(boom)
    expect(report.mock.calls).toEqual([[bang]])
    vi.unstubAllGlobals()
  })
})

describe('disposing', () => {
  it('cancels what still runs and waits', async () => {
    let task: { state: string } | undefined
    {
      await using group = new TaskGroup()
      task = group.createTask(forever)
    }
    expect(task.state).toBe('cancelled')
  })

  it('throws only failures nobody has seen, once', async () => {
    const group = new TaskGroup({ cancelOnError: false })
    const seen = group.createTask(reject(boom))
    group.createTask(reject(bang))
    await failureOf(seen)
    expect(await failureOf(group[Symbol.asyncDispose]())).toBe(bang)
    await group[Symbol.asyncDispose]()
    const joined = new TaskGroup()
    joined.createTask(reject(boom))
    await failureOf(joined.join())
    await joined[Symbol.asyncDispose]()
  })
})

describe('order and slots', () => {
  it('runs so many at once, in order', async () => {
    const log: number[] = []
    const run = TaskGroup.run(
      (group) => {
        for (const n of [1, 2, 3, 4]) group.createTask(() => delay(5).then(() => log.push(n)))
      },
      { concurrency: 2 },
    )
    await vi.advanceTimersByTimeAsync(5)
    expect(log).toEqual([1, 2])
    await vi.advanceTimersByTimeAsync(5)
    await run
    expect(log).toEqual([1, 2, 3, 4])
  })

  it('skips a queued task that was cancelled alone', async () => {
    const group = new TaskGroup({ concurrency: 1 })
    const never = vi.fn()
    const own = new CancellationTokenSource()
    group.createTask(() => delay(5))
    const byHand = group.createTask(never)
    const bySignal = group.createTask(never, { signal: own.token })
    const last = group.createTask(() => 'last')
    await byHand.cancel()
    own.cancel()
    expect([byHand.state, bySignal.state]).toEqual(['cancelled', 'cancelled'])
    await vi.runAllTimersAsync()
    expect(await last).toBe('last')
    await group.join()
    expect(never).not.toHaveBeenCalled()
  })

  it('lets nobody in before who is queued, or waits, also from within a hook', async () => {
    const log: string[] = []
    const group = new TaskGroup({
      concurrency: 1,
      cancelOnError: false,
      onTaskError() {
        group.createTask(() => log.push('hook'))
        void group.whenSlotFree().then(() => log.push('told of hook'))
      },
    })
    group.createTask(() => delay(5).then(reject(boom)))
    group.createTask(() => log.push('queued'))
    void group.whenSlotFree().then(() => log.push('told'))
    await vi.runAllTimersAsync()
    expect(log).toEqual(['queued', 'hook', 'told', 'told of hook'])
    await group.join()
    const line: string[] = []
    const other = new TaskGroup({
      concurrency: 1,
      cancelOnError: false,
      onTaskError: () => void other.whenSlotFree().then(() => line.push('hook')),
    })
    other.createTask(() => delay(5).then(reject(boom)))
    void other.whenSlotFree().then(() => line.push('told'))
    await vi.runAllTimersAsync()
    expect(line).toEqual(['told', 'hook'])
    await other.join()
  })

  it('tells who comes to a group that is cancelled, though it has slots', async () => {
    const group = new TaskGroup({ concurrency: 1 })
    void group.cancel(boom)
    expect(await failureOf(group.whenSlotFree())).toBe(boom)
    await group.join()
  })

  it('tells who waits for a slot when the group has ended meanwhile', async () => {
    const group = new TaskGroup({ concurrency: 1 })
    const first = group.whenSlotFree()
    const second = failureOf(group.whenSlotFree())
    const third = failureOf(group.whenSlotFree())
    await Promise.all([first, group.join()])
    expect(await second).toBeInstanceOf(ClosedError)
    expect(await third).toBeInstanceOf(ClosedError)
  })

  it('holds the slot until the function has ended, also after a timeout', async () => {
    const group = new TaskGroup({ concurrency: 1, cancelOnError: false })
    const slow = group.createTask(() => delay(20), { timeout: 5 })
    const next = group.createTask(() => 1)
    await vi.advanceTimersByTimeAsync(10)
    expect([slow.state, next.state]).toEqual(['cancelling', 'queued'])
    await vi.advanceTimersByTimeAsync(10)
    expect([slow.state, next.state]).toEqual(['fulfilled', 'fulfilled'])
    await group.join()
  })

  it('tells producers when a slot is free, one at a time', async () => {
    const group = new TaskGroup({ concurrency: 1 })
    const log: string[] = []
    await group.whenSlotFree()
    group.createTask(() => delay(5))
    for (const name of ['a', 'b']) {
      void group.whenSlotFree().then(() => {
        log.push(name)
        expect(group.createTask(() => delay(5)).state).toBe('running')
      })
    }
    const unused = group.whenSlotFree().then(() => log.push('unused'))
    void group.whenSlotFree().then(() => log.push('last'))
    const stopped = failureOf(group.whenSlotFree({ signal: AbortSignal.abort(boom) }))
    expect(await stopped).toBe(boom)
    await vi.advanceTimersByTimeAsync(5)
    expect(log).toEqual(['a'])
    await vi.advanceTimersByTimeAsync(10)
    await unused
    expect(log).toEqual(['a', 'b', 'unused', 'last'])
    group.createTask(forever)
    const waiting = failureOf(group.whenSlotFree())
    void group.cancel(bang)
    expect(await waiting).toBe(bang)
    await group.join()
    expect(await failureOf(group.whenSlotFree())).toBeInstanceOf(ClosedError)
  })
})

describe('producers', () => {
  it('have a slot each, also when all come at once while some are free', async () => {
    const group = new TaskGroup({ concurrency: 2 })
    const states: string[] = []
    const produce = async () => {
      await group.whenSlotFree()
      states.push(group.createTask(() => delay(5)).state)
    }
    for (let n = 0; n < 5; n++) void produce()
    await vi.advanceTimersByTimeAsync(4)
    expect(states).toEqual(['running', 'running'])
    const late = produce()
    await vi.runAllTimersAsync()
    await late
    expect(states).toEqual(Array(6).fill('running'))
    await group.join()
  })

  it('come in between only when the one whose turn it is has had the time to start', async () => {
    const group = new TaskGroup({ concurrency: 1 })
    const log: string[] = []
    const unused = group.whenSlotFree().then(() => log.push('unused'))
    const first = group.whenSlotFree().then(() => {
      log.push('first')
      group.createTask(() => delay(5))
      return group.whenSlotFree().then(() => log.push('again'))
    })
    const last = group.whenSlotFree().then(() => log.push('last'))
    await unused
    await vi.advanceTimersByTimeAsync(4)
    expect(log).toEqual(['unused', 'first'])
    await vi.runAllTimersAsync()
    await Promise.all([first, last])
    expect(log).toEqual(['unused', 'first', 'last', 'again'])
    await group.join()
  })

  it('do not wait for each other where there are slots for all', async () => {
    const group = new TaskGroup()
    const order: string[] = []
    for (let n = 0; n < 3; n++) void group.whenSlotFree().then(() => order.push('told'))
    await Promise.resolve().then(() => order.push('later'))
    expect(order).toEqual(['told', 'told', 'told', 'later'])
    await group.join()
  })
})

describe('service tasks', () => {
  it.each([['a word'], [null], [boom]])(
    'are cancelled for the reason of the group: %s',
    async (reason) => {
      const group = new TaskGroup()
      const service = group.createTask(forever, { service: true })
      await group.cancel(reason)
      expect([service.state, service.token.reason]).toEqual(['cancelled', reason])
      await group.join()
    },
  )

  it('are cancelled for a reason that names the group, where it ends as it should', async () => {
    const group = new TaskGroup({ name: 'g' })
    const service = group.createTask(forever, { service: true })
    await group.join()
    expect(service.token.reason).toMatchObject({ code: 'ABORT_ERR', message: '"g" was cancelled' })
  })

  it('do not keep the group open, and end last', async () => {
    const log: string[] = []
    const run = TaskGroup.run(
      async (group) => {
        group.createTask((token) => forever(token).finally(() => log.push('service')), {
          service: true,
        })
        group.createTask(() => delay(5).then(() => log.push('task')))
        await delay(1)
        log.push('body')
      },
      { concurrency: 1 },
    )
    await vi.runAllTimersAsync()
    await run
    expect(log).toEqual(['body', 'task', 'service'])
  })

  it('end last in a cancelled group too', async () => {
    const log: string[] = []
    const source = new CancellationTokenSource()
    const run = failureOf(
      TaskGroup.run(
        async (group) => {
          group.createTask((token) => forever(token).finally(() => log.push('service')), {
            service: true,
          })
          group.createTask((token) =>
            forever(token).catch(() => delay(5).then(() => log.push('task'))),
          )
          await forever(group.token).catch(() => delay(10).then(() => log.push('body')))
        },
        { signal: source.token },
      ),
    )
    source.cancel(boom)
    await vi.runAllTimersAsync()
    expect(await run).toBe(boom)
    expect(log).toEqual(['task', 'body', 'service'])
  })

  it('end with a group without body that is cancelled from outside', async () => {
    const source = new CancellationTokenSource()
    const group = new TaskGroup({ signal: source.token })
    const service = group.createTask(forever, { service: true })
    source.cancel(boom)
    expect(service.token.reason).toBe(boom)
    expect(await failureOf(group.join())).toBe(boom)
  })

  it('end with cancel() of a body that was woken from outside', async () => {
    const source = new CancellationTokenSource()
    const run = failureOf(
      TaskGroup.run(
        async (group) => {
          const service = group.createTask(forever, { service: true })
          await forever(group.token).catch(() => {})
          expect(service.state).toBe('running')
          await group.cancel()
          expect(service.state).toBe('cancelled')
        },
        { signal: source.token },
      ),
    )
    source.cancel(boom)
    expect(await run).toBe(boom)
  })

  it('end with cancel() as well, and their failures count', async () => {
    const group = new TaskGroup()
    group.createTask((token) => forever(token).catch(reject(boom)), { service: true })
    await group.cancel()
    expect(await failureOf(group.join())).toBe(boom)
  })
})

describe('startTask', () => {
  it('resolves with what was passed to ready, while the task goes on', async () => {
    const group = new TaskGroup()
    const start = group.startTask(async (token, ready: (port: number) => void) => {
      ready(8080)
      await forever(token)
    })
    const { value, task } = await start
    expect([value, task.state]).toEqual([8080, 'running'])
    await group.cancel()
    await group.join()
  })

  it('rejects with a failure before ready', async () => {
    const group = new TaskGroup()
    expect(await failureOf(group.startTask(reject(boom)))).toBe(boom)
    await group[Symbol.asyncDispose]() // seen
    const early = new TaskGroup()
    expect(await failureOf(early.startTask(async () => 1))).toMatchObject({ code: 'ERR_UNO_ASYNC' })
    await early.join()
  })

  it('leaves a failure after ready to the group', async () => {
    const group = new TaskGroup()
    const { value } = await group.startTask(async (_, ready: (value: string) => void) => {
      ready('up')
      throw boom
    })
    expect(value).toBe('up')
    expect(await failureOf(group[Symbol.asyncDispose]())).toBe(boom)
  })

  it('leaves a failure before ready to the group, if nobody awaits the start', async () => {
    const group = new TaskGroup()
    void group.startTask(reject(boom))
    await vi.advanceTimersByTimeAsync(1)
    expect(await failureOf(group[Symbol.asyncDispose]())).toBe(boom)
    const seen = new TaskGroup()
    const start = seen.startTask(reject(boom))
    await vi.advanceTimersByTimeAsync(1)
    expect(await failureOf(start)).toBe(boom)
    await seen[Symbol.asyncDispose]()
  })

  it('leaves a failure after what was passed to ready rejected to the group', async () => {
    const group = new TaskGroup()
    const start = group.startTask(async (_, ready: (value: unknown) => void) => {
      ready(Promise.reject(bang))
      await delay(0)
      throw boom
    })
    expect(await failureOf(start)).toBe(bang)
    await vi.advanceTimersByTimeAsync(1)
    expect(await failureOf(group[Symbol.asyncDispose]())).toBe(boom)
  })

  it('counts as ready at once, whatever was passed to ready', async () => {
    const group = new TaskGroup()
    const start = group.startTask(async (_, ready: (value: Promise<number>) => void) => {
      ready(Promise.resolve(9))
    })
    expect((await start).value).toBe(9)
    const failed = group.startTask((_, ready: (value: string) => void): Promise<void> => {
      ready('up')
      throw boom
    })
    expect((await failed).value).toBe('up')
    const refused = new TaskGroup().startTask(async (_, ready: (value: unknown) => void) => {
      ready(Promise.reject(bang))
    })
    expect(await failureOf(refused)).toBe(bang)
    expect(await failureOf(group.join())).toBe(boom)
  })

  it('rejects when its task fails while what was passed to ready is pending', async () => {
    const group = new TaskGroup()
    const start = group.startTask(async (_, ready: (value: unknown) => void) => {
      ready(new Promise(() => {}))
      throw boom
    })
    expect(await failureOf(start)).toBe(boom)
    await group[Symbol.asyncDispose]() // seen
  })

  it('rejects when it is cancelled before ready', async () => {
    const group = new TaskGroup()
    const start = failureOf(group.startTask((token) => forever(token)))
    await group.cancel(boom)
    expect(await start).toBe(boom)
    await group.join()
  })
})

describe('adopt', () => {
  it('is waited for by cancel(), also if the end of the last task is the reason for it', async () => {
    const group = new TaskGroup()
    let undone = false
    const undo = () => delay(5).then(() => void (undone = true))
    group.createTask(forever).catch(() => void group.adopt(undo()))
    const cancelled = group.cancel().then(() => [group.size, undone])
    await vi.runAllTimersAsync()
    expect(await cancelled).toEqual([0, true])
    await group.join()
  })

  it('awaits a promise with the rest, and cannot cancel it', async () => {
    const group = new TaskGroup({ concurrency: 1 })
    const task = group.adopt(
      delay(10).then(() => 'value'),
      { name: 'foreign' },
    )
    expect([task.name, task.state, group.size]).toEqual(['foreign', 'running', 1])
    expect(group.createTask(() => 1).state).toBe('fulfilled')
    const cancelled = group.cancel()
    await vi.runAllTimersAsync()
    await cancelled
    expect(task.state).toBe('fulfilled')
    await group.join()
  })

  it('fails the group like any task', async () => {
    const group = new TaskGroup()
    group.adopt(Promise.reject(boom))
    expect(await failureOf(group.join())).toBe(boom)
    expect(() => group.adopt(Promise.resolve())).toThrow(ClosedError)
  })
})

describe('completed', () => {
  it('gives the last task too where it fails', async () => {
    const group = new TaskGroup()
    const iterator = group.completed()
    group.createTask(() => 1)
    group.createTask(() => delay(5).then(reject(boom)))
    await vi.advanceTimersByTimeAsync(5)
    const log: unknown[] = []
    for await (const { status } of iterator) log.push(status)
    expect(log).toEqual(['fulfilled', 'rejected'])
    expect(await failureOf(group.join())).toBe(boom)
  })

  it('gives the last task to a reader who waits for it, who has seen its failure then', async () => {
    const group = new TaskGroup()
    const step = group.completed().next()
    group.createTask(() => Promise.reject(boom))
    expect(await step).toMatchObject({ value: { status: 'rejected', reason: boom } })
    await group[Symbol.asyncDispose]()
  })

  it('gives outcomes as tasks end, and ends with the group', async () => {
    const group = new TaskGroup({ cancelOnError: false })
    group.createTask(() => delay(5).then(() => 'slow'), { name: 'slow' })
    const iterator = group.completed()
    group.createTask(reject(boom), { name: 'bad' })
    const cancelled = group.createTask(forever, { name: 'gone' })
    const log: unknown[] = []
    const reading = (async () => {
      for await (const { status, task } of iterator) log.push([status, task.name, task.state])
    })()
    await cancelled.cancel()
    const joined = failureOf(group.join())
    await vi.runAllTimersAsync()
    await reading
    await joined
    expect(log).toEqual([
      ['rejected', 'bad', 'rejected'],
      ['cancelled', 'gone', 'cancelled'],
      ['fulfilled', 'slow', 'fulfilled'],
    ])
    expect(await group.completed().next()).toEqual({ done: true, value: undefined })
  })

  it('lets a body go that reads it in a cancelled group, though services wait for the body', async () => {
    const log: unknown[] = []
    const service = (token: CancellationToken) => forever(token).finally(() => log.push('service'))
    const run = failureOf(
      TaskGroup.run(async (group) => {
        group.createTask(service, { service: true })
        group.createTask(() => delay(5).then(() => reject(boom)()), { name: 'bad' })
        for await (const { task } of group.completed()) log.push(task.name)
        for await (const { task } of group.completed()) log.push(task.name)
        await delay(5)
        log.push('body')
      }),
    )
    await vi.advanceTimersByTimeAsync(10)
    expect([await run, log]).toEqual([boom, ['bad', 'body', 'service']])
  })

  it('gives how services end, to a reader besides the body', async () => {
    const group = new TaskGroup()
    group.createTask(forever, { name: 'service', service: true })
    const steps = group.completed()
    const first = steps.next()
    const joined = group.join()
    expect((await first).value?.task.name).toBe('service')
    expect((await steps.next()).done).toBe(true)
    await joined
  })

  it('ends with a group without tasks that is cancelled from outside', async () => {
    const source = new CancellationTokenSource()
    const group = new TaskGroup({ signal: source.token })
    const step = group.completed().next()
    source.cancel(boom)
    expect((await step).done).toBe(true)
    expect(await failureOf(group.join())).toBe(boom)
  })

  it('serves many readers, who may be ahead, as quickly as few', async () => {
    const group = new TaskGroup()
    const iterator = group.completed()
    const steps = Array.from({ length: 70_000 }, () => iterator.next())
    for (const _ of steps) group.createTask(() => 1)
    const all = await Promise.all(steps)
    expect(all.every(({ value }) => value?.status === 'fulfilled')).toBe(true)
    await group.join()
  })

  it('gives nothing after it was left, whoever was ahead or behind', async () => {
    const group = new TaskGroup()
    const behind = group.completed()
    const ahead = group.completed()
    const waiting = [ahead.next(), ahead.next(), ahead.next()]
    group.createTask(() => 1)
    group.createTask(() => 2)
    for (const left of [behind, ahead]) {
      await left.return?.()
      expect(await left.next()).toEqual({ done: true, value: undefined })
    }
    expect((await Promise.all(waiting)).map(({ done }) => done)).toEqual([false, false, true])
    await group.join()
  })

  it('can be left, and serves readers who are ahead', async () => {
    const group = new TaskGroup()
    const iterator = group.completed()
    const two = [iterator.next(), iterator.next()]
    group.createTask(() => 1)
    group.createTask(() => 2)
    expect((await Promise.all(two)).map(({ value }) => value?.value)).toEqual([1, 2])
    const waiting = iterator.next()
    expect(await iterator.return?.()).toEqual({ done: true, value: undefined })
    expect((await waiting).done).toBe(true)
    await group.join()
  })
})

describe('stragglers', () => {
  it('are those too that were adopted when all was cancelled already', async () => {
    const named: string[] = []
    const group = new TaskGroup({
      grace: 10,
      onStraggler(stragglers) {
        for (const { name } of stragglers) named.push(name)
        return 'abandon'
      },
    })
    void group.cancel()
    group.adopt(new Promise(() => {}), { name: 'undo' })
    group.adopt(delay(5), { name: 'quick' })
    const join = group.join()
    await vi.runAllTimersAsync()
    await join
    expect(named).toEqual(['undo'])
  })

  it('are named after their grace, all at once, and waited for', async () => {
    const onStraggler = vi.fn()
    const group = new TaskGroup({ name: 'g', grace: 10, onStraggler })
    group.createTask(() => delay(50), { name: 'a' })
    group.createTask(() => delay(60), { name: 'b' })
    group.createTask((token) => forever(token).finally(() => delay(5)), { name: 'polite' })
    const cancelled = group.cancel()
    await vi.advanceTimersByTimeAsync(30)
    expect(onStraggler).toHaveBeenCalledTimes(1)
    expect(onStraggler.mock.calls[0]?.[0]).toMatchObject([
      { name: 'a', group: 'g', state: 'cancelling' },
      { name: 'b', age: expect.any(Number) },
    ])
    expect(group.size).toBe(2)
    await vi.runAllTimersAsync()
    await cancelled
    await group.join()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('can be abandoned', async () => {
    const onTaskError = vi.fn()
    const group = new TaskGroup({ grace: 10, onStraggler: () => 'abandon', onTaskError })
    const stuck = group.createTask(() => delay(50).then(reject(boom)))
    const cancelled = group.cancel()
    await vi.advanceTimersByTimeAsync(10)
    await cancelled
    await group.join()
    expect([group.state, stuck.state]).toEqual(['closed', 'cancelling'])
    await vi.runAllTimersAsync()
    expect([stuck.state, await failureOf(stuck)]).toEqual(['rejected', boom])
    expect(onTaskError).toHaveBeenCalledTimes(1)
  })

  it.each<[string, (token: CancellationToken) => unknown, unknown[]]>([
    ['obeys', (token) => Promise.reject(token.reason), []],
    ['gives a value', () => 1, []],
    ['fails', reject(bang), [bang]],
  ])(
    'fail by their own timeout, if they are abandoned: one that %s after that',
    async (_, end, more) => {
      const onTaskError = vi.fn()
      const slow = (token: CancellationToken) => delay(50).then(() => end(token))
      const job = failureOf(
        TaskGroup.run((group) => void group.createTask(slow, { timeout: 5 }), {
          name: 'job',
          grace: 10,
          onStraggler: () => 'abandon',
          onTaskError,
        }),
      )
      await vi.advanceTimersByTimeAsync(15)
      const error = await job
      expect(error).toBeInstanceOf(TimeoutError)
      expect(taskPathOf(error)).toEqual(['job', 'slow'])
      await vi.runAllTimersAsync()
      expect(onTaskError.mock.calls.map(([each]) => each)).toEqual([error, ...more])
    },
  )

  it('fail by their own timeout in a supervisor too, while others go on', async () => {
    const group = new TaskGroup({
      grace: 10,
      onStraggler: () => 'abandon',
      cancelOnError: false,
    })
    const slow = group.createTask(() => delay(20), { timeout: 5 })
    const other = group.createTask(() => delay(50).then(() => 'done'))
    await vi.advanceTimersByTimeAsync(30)
    expect(await slow.outcome()).toMatchObject({ status: 'fulfilled' })
    expect(group.errors).toEqual([expect.any(TimeoutError)])
    await vi.runAllTimersAsync()
    expect(await other).toBe('done')
    expect(await failureOf(group.join())).toBe(group.errors[0])
  })

  it('keep nobody waiting, if they are abandoned', async () => {
    const options = { grace: 10, onStraggler: () => 'abandon' as const }
    const deaf = () => new Promise<never>(() => {})
    const stopped = TaskGroup.run((group) => group.createTask(deaf), { ...options, timeout: 5 })
    const own = TaskGroup.run((group) => group.createTask(deaf, { timeout: 5 }), options)
    const outcome = TaskGroup.run((group) => {
      const task = group.createTask(deaf)
      void task.cancel(boom)
      return task.outcome()
    }, options)
    const start = TaskGroup.run(async (group) => group.startTask(deaf, { timeout: 5 }), options)
    const late = TaskGroup.run(async (group) => {
      const task = group.createTask(deaf, { timeout: 5 })
      await delay(30)
      return [task.state, await task.outcome()]
    }, options)
    const failures = [stopped, own, start, late].map(failureOf)
    await vi.runAllTimersAsync()
    for (const failure of failures) expect(await failure).toBeInstanceOf(TimeoutError)
    expect(await outcome).toMatchObject({ status: 'cancelled', reason: boom })
  })

  it('have an outcome when they are abandoned, and another if they end after all', async () => {
    const group = new TaskGroup({
      grace: 10,
      onStraggler: () => 'abandon',
      cancelOnError: false,
    })
    const slow = group.createTask(() => delay(50).then(() => 'late'), { timeout: 5 })
    await vi.advanceTimersByTimeAsync(20)
    expect(await slow.outcome()).toMatchObject({
      status: 'rejected',
      reason: expect.any(TimeoutError),
      task: { state: 'cancelling' },
    })
    await slow.cancel()
    expect(slow.state).toBe('cancelling')
    await vi.runAllTimersAsync()
    expect(await slow.outcome()).toMatchObject({ status: 'fulfilled', value: 'late' })
    expect(await failureOf(group.join())).toBeInstanceOf(TimeoutError)
  })

  it('give up their slots, if they are abandoned', async () => {
    const group = new TaskGroup({ concurrency: 1, grace: 10, onStraggler: () => 'abandon' })
    const stuck = group.createTask(() => delay(100))
    let running = 0
    const next = () => {
      expect(++running).toBe(1)
      return delay(40).finally(() => running--)
    }
    const queued = [group.createTask(next), group.createTask(next), group.createTask(next)]
    const turn = group.whenSlotFree()
    void stuck.cancel()
    await vi.advanceTimersByTimeAsync(10)
    expect(queued.map(({ state }) => state)).toEqual(['running', 'queued', 'queued'])
    await vi.advanceTimersByTimeAsync(95)
    expect(stuck.state).toBe('fulfilled')
    expect(queued.map(({ state }) => state)).toEqual(['fulfilled', 'fulfilled', 'running'])
    await vi.runAllTimersAsync()
    await turn
    await group.join()
  })

  it('leaves no timer where everybody ends in time', async () => {
    const group = new TaskGroup({ grace: 10, onStraggler: () => expect.fail('nobody is late') })
    group.createTask(forever)
    await group.cancel()
    expect(vi.getTimerCount()).toBe(0)
    await group.join()
  })
})

describe('a task', () => {
  it('that has a timeout is cancelled for whatever reason, NaN among them', async () => {
    const group = new TaskGroup()
    const task = group.createTask(forever, { timeout: 1_000 })
    await group.cancel(Number.NaN)
    await group.join()
    expect(task.state).toBe('cancelled')
    const controller = new AbortController()
    const onProgress = vi.fn()
    const { signal } = controller
    const run = runTasks([forever], { signal, taskTimeout: 1_000, onProgress })
    controller.abort(Number.NaN)
    expect(await failureOf(run)).toMatchObject({ code: 'ABORT_ERR', cause: Number.NaN })
    expect(onProgress).toHaveBeenCalledWith(expect.objectContaining({ failed: 0 }))
  })

  it('tells its name, state and outcome', async () => {
    await TaskGroup.run(
      async (group) => {
        async function loadUser() {
          return 'ada'
        }
        const task = group.createTask(loadUser)
        expect(task.name).toBe('loadUser')
        expect(group.createTask(() => 1, { name: 'x' }).name).toBe('x')
        const anonymous = group.createTask(() => 1)
        expect(anonymous.name).toBe(`task-${anonymous.id}`)
        expect(task.state).toBe('running')
        expect(await task.outcome()).toMatchObject({
          status: 'fulfilled',
          value: 'ada',
          task: { id: task.id, name: 'loadUser', state: 'fulfilled', group: 'g' },
        })
        expect(task.promise).toBe(task.promise)
        expect(task.promise).toBeInstanceOf(Promise)
      },
      { name: 'g' },
    )
  })

  it('has then, catch and finally', async () => {
    const group = new TaskGroup({ cancelOnError: false })
    const bad = group.createTask(reject(boom))
    const last = vi.fn()
    expect(await bad.catch((error) => error)).toBe(boom)
    expect(await bad.then(undefined, () => 'caught')).toBe('caught')
    expect(await failureOf(bad.finally(last))).toBe(boom)
    expect(last).toHaveBeenCalledTimes(1)
    await failureOf(group.join())
  })

  it('may be left alone with finally: its failure is that of the group', async () => {
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    for (const last of [vi.fn(), vi.fn(async () => delay(0))]) {
      const group = new TaskGroup({ cancelOnError: false })
      group.createTask(reject(boom)).finally(last)
      await vi.runAllTimersAsync()
      expect(last).toHaveBeenCalledTimes(1)
      expect(await failureOf(group[Symbol.asyncDispose]())).toBe(boom)
    }
    expect(unhandled).not.toHaveBeenCalled()
    process.off('unhandledRejection', unhandled)
  })

  it('is seen by who awaits finally, which may fail itself', async () => {
    const group = new TaskGroup({ cancelOnError: false })
    const task = group.createTask(reject(boom))
    expect(await failureOf(task.finally(() => {}))).toBe(boom)
    await group[Symbol.asyncDispose]()
    const other = new TaskGroup()
    expect(await other.createTask(() => 1).finally(() => {})).toBe(1)
    const clean = () => {
      throw bang
    }
    expect(await failureOf(task.finally(clean))).toBe(bang)
  })

  it('is awaited late without an unhandled rejection', async () => {
    const group = new TaskGroup({ cancelOnError: false })
    const task = group.createTask(reject(boom))
    await vi.advanceTimersByTimeAsync(5)
    expect(await failureOf(task)).toBe(boom)
    await failureOf(group.join())
  })

  it('can be cancelled alone, which is no failure', async () => {
    const group = new TaskGroup()
    const task = group.createTask((token) => forever(token).finally(() => delay(5)))
    const sibling = group.createTask(() => delay(10).then(() => 1))
    let ended = false
    const cancelled = task.cancel(boom).then(() => {
      ended = true
    })
    await vi.advanceTimersByTimeAsync(1)
    expect([ended, task.state]).toEqual([false, 'cancelling'])
    await vi.runAllTimersAsync()
    await cancelled
    expect([await sibling, task.state, await failureOf(task)]).toEqual([1, 'cancelled', boom])
    await task.cancel()
    await group.join()
  })

  it('has a token that is not cancelled by a timeout after its end', async () => {
    const group = new TaskGroup()
    const task = group.createTask(() => 1, { timeout: 10 })
    await group.join()
    await vi.advanceTimersByTimeAsync(20)
    expect([task.token.cancelled, task.state]).toEqual([false, 'fulfilled'])
  })

  it('can be cancelled alone before its timeout, which is no failure', async () => {
    const group = new TaskGroup()
    const task = group.createTask(forever, { timeout: 10 })
    await task.cancel(boom)
    expect(await task.outcome()).toMatchObject({ status: 'cancelled', reason: boom })
    await group.join()
  })

  it('can cancel itself without waiting for itself', async () => {
    const group = new TaskGroup()
    let self: { cancel(): Promise<void> } | undefined
    const task = group.createTask(async (token) => {
      await Promise.resolve()
      await forever(token)
    })
    self = task
    group.createTask(() => self?.cancel())
    await group.join()
    expect(task.state).toBe('cancelled')
  })

  it('fails by its own timeout, whatever the cancellation it answers with', async () => {
    for (const answer of [(error: unknown) => error, () => new CancelledError()]) {
      const group = new TaskGroup({ cancelOnError: false })
      const task = group.createTask((token) => forever(token).catch((e) => reject(answer(e))()), {
        timeout: 5,
        name: 'slow',
      })
      const joined = failureOf(group.join())
      await vi.advanceTimersByTimeAsync(5)
      expect(await joined).toMatchObject({ name: 'TimeoutError', operation: 'slow', timeout: 5 })
      expect(task.state).toBe('rejected')
    }
    expect(vi.getTimerCount()).toBe(0)
  })

  it('does not count the time in the queue', async () => {
    const group = new TaskGroup({ concurrency: 1 })
    group.createTask(() => delay(50))
    const task = group.createTask(() => delay(5).then(() => 'in time'), { timeout: 10 })
    await vi.runAllTimersAsync()
    expect(await task).toBe('in time')
    await group.join()
  })

  it('follows its own signal, and never starts if that is cancelled', async () => {
    const group = new TaskGroup()
    const controller = new AbortController()
    const task = group.createTask(forever, { signal: controller.signal })
    controller.abort(boom)
    expect(await task.outcome()).toMatchObject({ status: 'cancelled', reason: boom })
    const never = vi.fn()
    expect(group.createTask(never, { signal: controller.signal }).state).toBe('cancelled')
    await group.join()
    expect(never).not.toHaveBeenCalled()
  })

  it('cancels when it is disposed', async () => {
    const group = new TaskGroup()
    let state = ''
    {
      await using task = group.createTask(forever)
      state = task.state
    }
    expect([state, group.size]).toEqual(['running', 0])
    await group.join()
  })
})

it('shows its tree', async () => {
  const group = new TaskGroup({ name: 'outer' })
  group.createTask(
    () =>
      TaskGroup.run((inner) => void inner.createTask(forever, { name: 'leaf' }), { name: 'inner' }),
    { name: 'task' },
  )
  expect(group.tree()).toMatchObject({
    name: 'outer',
    kind: 'group',
    state: 'open',
    children: [
      {
        name: 'task',
        kind: 'task',
        state: 'running',
        children: [{ name: 'inner', kind: 'group', children: [{ name: 'leaf', children: [] }] }],
      },
    ],
  })
  await group.cancel()
  expect(group.tree().children).toEqual([])
  await group.join()
})

it('is registered before run is called', async () => {
  const group = new TaskGroup()
  let size = 0
  group.createTask(() => {
    size = group.size
  })
  expect([size, group.size]).toEqual([1, 0])
  await group.join()
  expect(CancellationToken.current).toBe(CancellationToken.none)
})

it('takes the rejection of a cancelled task with what throws when it is looked at for a failure', async () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  const hostile = {
    get name() {
      throw boom
    },
  }
  for (const error of [proxy, hostile]) {
    const group = new TaskGroup()
    const task = group.createTask((token) => forever(token).catch(reject(error)))
    await group.cancel()
    expect(task.state).toBe('rejected')
    const thrown = await group.join().then(
      () => [],
      (it) => [it],
    )
    expect(Object.is(thrown[0], error)).toBe(true)
  }
})

it('has no task whose signal lets nobody listen', async () => {
  const signal = {
    aborted: false,
    addEventListener() {
      throw boom
    },
    removeEventListener() {},
  } as unknown as AbortSignal
  const group = new TaskGroup()
  expect(() => group.createTask(() => {}, { signal })).toThrow(boom)
  expect(group.size).toBe(0)
  await group.join()
})

it('takes only objects as options', async () => {
  const group = new TaskGroup()
  expect(() => group.adopt(Promise.resolve(), 5 as never)).toThrow(/`options`/)
  for (const bad of [5, null]) {
    await expect(group.whenSlotFree(bad as never)).rejects.toThrow(/`options`/)
  }
  expect(() => cancelOnExit(group, 5 as never)).toThrow(/`options`/)
})

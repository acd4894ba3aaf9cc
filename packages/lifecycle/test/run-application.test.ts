import { type CancellationToken, delay } from '@uno-async/core'
import {
  AsyncManager,
  formatReport,
  getAsyncManager,
  type RunOptions,
  resetAsyncManager,
  runApplication,
  type ShutdownError,
} from '@uno-async/lifecycle'
import { afterEach, describe, expect, it, vi } from 'vitest'

afterEach(() => resetAsyncManager())
const error = new Error('broken')
const forever = () => new Promise<never>(() => {})

describe('runApplication, in a test runner', () => {
  it('gives the report and does not exit', async () => {
    const code = process.exitCode
    const report = await runApplication({
      startup: () => 7,
      main: (state) => expect(state).toBe(7),
    })
    expect(report).toMatchObject({ code: 0, reason: { kind: 'main-ended' }, errors: [] })
    expect(process.exitCode).toBe(code)
  })

  it('takes all its listeners away, 100 times', async () => {
    const count = () =>
      ['SIGINT', 'SIGTERM', 'SIGHUP', 'uncaughtException', 'unhandledRejection'].map((each) =>
        process.listenerCount(each),
      )
    const before = count()
    for (let i = 0; i < 100; i++) {
      const manager = new AsyncManager()
      await runApplication({
        manager,
        exit: 'never',
        startup: () => {},
        main: () => expect(count()).not.toEqual(before),
      })
    }
    expect(count()).toEqual(before)
  })

  it.each<[string, Partial<RunOptions<unknown>>, string[], unknown[]]>([
    ['cleanup', { cleanup: forever }, ['flush cleanup abandoned'], []],
    ['startup', { startup: forever }, ['stop startup abandoned'], []],
    [
      'a start',
      { startup: ({ manager }) => void manager.registerResource({ name: 'db', start: forever }) },
      ['stop db abandoned'],
      [],
    ],
    [
      'a startup hook',
      { startup: ({ manager }) => void manager.addStartupHook(forever, { name: 'migrate' }) },
      ['stop migrate abandoned'],
      [],
    ],
    [
      'cleanup after a failed start',
      { startup: () => Promise.reject(error), cleanup: forever },
      ['flush cleanup abandoned'],
      [error],
    ],
    [
      'cleanup after a failed stop',
      {
        startup: ({ manager }) =>
          void manager.addShutdownHook(() => Promise.reject(error), { name: 'hook' }),
        cleanup: forever,
      },
      ['stop hook error', 'flush cleanup abandoned'],
      [error],
    ],
    [
      'a stop after a failed task',
      {
        startup: ({ manager }) => {
          manager.createTask(() => Promise.reject(error))
          manager.addShutdownHook(forever, { name: 'hook' })
        },
      },
      ['stop hook abandoned'],
      [error],
    ],
    [
      'a stop while which a task failed',
      {
        startup: ({ manager }) => {
          manager.createTask(
            (token) => new Promise((_, reject) => token.onCancelled(() => reject(error))),
          )
          manager.addShutdownHook(forever, { name: 'hook' })
        },
      },
      ['cancel task 1 ok', 'stop hook abandoned'],
      [error],
    ],
  ])('names what a second signal cut short: %s', async (_, options, entries, errors) => {
    const running = runApplication({
      startup: () => {},
      exit: 'never',
      signals: ['SIGUSR2'],
      signalDebounce: 0,
      shutdownTimeout: 1_000, // what is left behind ends after all
      ...options,
    })
    await delay(5)
    process.emit('SIGUSR2')
    await delay(5)
    process.emit('SIGUSR2')
    const report = await running
    expect(report.entries.map((each) => `${each.phase} ${each.name} ${each.outcome}`)).toEqual(
      entries,
    )
    expect(report).toMatchObject({ code: 140, errors })
  })

  it('knows no number for a stop by an AbortSignal', async () => {
    const controller = new AbortController()
    const report = await runApplication({
      startup: () => {},
      main: () => controller.abort(),
      manager: new AsyncManager({ signal: controller.signal }),
      exit: 'never',
      exitCodes: 'signal',
    })
    expect(report).toMatchObject({ code: 0, reason: { kind: 'signal' } })
  })

  it('does without a list of what holds the event loop', async () => {
    const list = vi.spyOn(process, 'getActiveResourcesInfo').mockImplementation(() => {
      throw new Error('not implemented')
    })
    try {
      const report = await runApplication({ exit: 'never', startup: () => {}, main: () => {} })
      expect(report).toMatchObject({ code: 0, errors: [] })
      expect(report.activeResources).toBe(undefined)
      expect(list).toHaveBeenCalled()
    } finally {
      list.mockRestore()
    }
  })

  it('uses the shared manager while that is fresh', async () => {
    const shared = getAsyncManager()
    const stop = vi.fn()
    shared.registerResource({ close: stop })
    await runApplication({
      exit: 'never',
      startup: ({ manager }) => expect(manager).toBe(shared),
      main: () => {},
    })
    expect(stop).toHaveBeenCalledTimes(1)
    await runApplication({
      exit: 'never',
      startup: ({ manager }) => expect(manager).not.toBe(shared),
      main: () => {},
    })
  })

  it('makes way for another of the same moment', async () => {
    const startup = vi.fn()
    const first = runApplication({ exit: 'never', startup })
    const second = runApplication({ exit: 'never', startup, main: () => {} })
    expect((await first).reason.kind).toBe('replaced')
    expect((await second).reason.kind).toBe('main-ended')
    const managers = startup.mock.calls.map(([{ manager }]) => manager)
    expect(new Set(managers).size).toBe(2)
  })

  it('calls a function instead of exiting', async () => {
    const exit = vi.fn()
    const print = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    const report = await runApplication({
      exit,
      exitCodes: ({ code }) => code + 40,
      startup: () => {},
      main: () => {},
    })
    expect(exit).toHaveBeenCalledWith(40, report)
    expect(print.mock.calls[0]?.[0]).toContain('main-ended, code 40')
    print.mockRestore()
    expect(report.code).toBe(40)
  })

  it('prints nothing after a clean stop by a signal, whatever its code', async () => {
    const exit = vi.fn()
    const print = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    await runApplication({
      exit,
      exitCodes: 'signal',
      signals: ['SIGUSR2'],
      startup: () => {},
      main: () => process.emit('SIGUSR2'),
    })
    expect(exit.mock.calls[0]?.[0]).toBe(140)
    expect(print).not.toHaveBeenCalled()
    print.mockRestore()
  })

  it('ends with 1 when the function for the code throws', async () => {
    const exitCodes = () => {
      throw error
    }
    const report = await runApplication({
      exit: 'never',
      exitCodes,
      startup: () => {},
      main: () => {},
    })
    expect(report).toMatchObject({ code: 1, errors: [error] })
  })

  it.each([undefined, null, NaN, -1, 1.5, 256, 'x', Promise.resolve(0)])(
    'ends with an error when the function for the code gives %s',
    async (code) => {
      const exitCodes = () => code as never
      const startup = () => {}
      const clean = await runApplication({ exit: 'never', exitCodes, startup, main: startup })
      expect([clean.code, String(clean.errors)]).toEqual([
        1,
        expect.stringContaining('Expected `exitCodes()` to be an integer from 0 to 255'),
      ])
      const main = () => Promise.reject(error)
      const failed = await runApplication({ exit: 'never', exitCodes, startup, main })
      expect(failed).toMatchObject({ code: 1, errors: [error, expect.any(Error)] })
    },
  )

  it.each([false, true])(
    'takes a stop from within startup for what it is, late: %s',
    async (late) => {
      const main = vi.fn()
      const report = await runApplication({
        exit: 'never',
        startup: async ({ manager }) => {
          if (late) await Promise.resolve()
          void manager.shutdown('early')
        },
        main,
      })
      expect(report).toMatchObject({ code: 0, errors: [], reason: { kind: 'requested' } })
      expect(main).not.toHaveBeenCalled()
    },
  )

  it('takes a stop from a synchronous startup for what it is', async () => {
    const report = await runApplication({
      exit: 'never',
      startup: ({ manager }) => void manager.shutdown('early'),
    })
    expect(report).toMatchObject({ code: 0, errors: [], reason: { kind: 'requested' } })
  })

  it('tells startup at once when the manager is stopped meanwhile, and why', async () => {
    const manager = new AsyncManager()
    let told: unknown
    manager.registerResource({ close: () => new Promise(() => {}) })
    const { code, reason } = await runApplication({
      manager,
      shutdownTimeout: 20,
      startup: async ({ token }) => {
        token.onCancelled((error) => {
          told = [(error as ShutdownError).reason, manager.state]
        })
        await Promise.resolve()
        void manager.shutdown('enough')
        await delay(Infinity, { signal: token })
      },
    })
    expect([code, told]).toEqual([1, [reason, 'draining']])
  })

  it('stops with the report of a startup that fails, and cleans up', async () => {
    const cleanup = vi.fn()
    const report = await runApplication({
      exit: 'never',
      startup: () => Promise.reject(error),
      cleanup,
    })
    expect(report).toMatchObject({
      code: 1,
      reason: { kind: 'start-failed', error },
      errors: [error],
    })
    expect(cleanup.mock.calls[0]?.[0]).toBe(undefined)
    expect(cleanup.mock.calls[0]?.[1].reason).toBe(report.reason)
  })

  it('tells main to stop only after the drain, and reports what main throws then', async () => {
    const log: string[] = []
    const manager = new AsyncManager()
    const running = runApplication({
      manager,
      exit: 'never',
      startup: () => void manager.addShutdownHook(() => log.push('drain'), { phase: 'drain' }),
      async main(_, { token }) {
        void Promise.resolve().then(() => manager.shutdown('test'))
        await delay(10_000, { signal: token }).catch(() => log.push('told'))
        throw error
      },
      cleanup: () => log.push('cleanup'),
    })
    const report = await running
    expect(log).toEqual(['drain', 'told', 'cleanup'])
    expect(report).toMatchObject({
      code: 1,
      errors: [error],
      reason: { kind: 'requested', detail: 'test' },
    })
    expect(report.entries.map(({ name, phase }) => `${phase} ${name}`)).toEqual([
      'drain hook 1',
      'cancel main',
      'flush cleanup',
    ])
  })

  it('counts a failing cleanup', async () => {
    const report = await runApplication({
      exit: 'never',
      startup: () => {},
      main: () => {},
      cleanup: () => Promise.reject(error),
    })
    expect(report).toMatchObject({ code: 1, errors: [error] })
  })

  it('stops when main ends with a cancellation of its own', async () => {
    const aborted = AbortSignal.abort().reason
    const report = await runApplication({
      exit: 'never',
      startup: () => {},
      main: () => Promise.reject(aborted),
    })
    expect(report.reason).toEqual({ kind: 'main-failed', error: aborted })
  })

  it('calls cleanup with a cancelled token when the time is spent', async () => {
    let token: CancellationToken | undefined
    const report = await runApplication({
      exit: 'never',
      shutdownTimeout: 20,
      startup: ({ manager }) =>
        void manager.addShutdownHook(() => new Promise(() => {}), { timeout: Infinity }),
      main: () => {},
      cleanup: (_, context) => {
        token = context.token
        return new Promise(() => {})
      },
    })
    expect(token?.cancelled).toBe(true)
    expect(report.entries.at(-1)).toMatchObject({ name: 'cleanup', outcome: 'abandoned' })
  })
})

describe('formatReport', () => {
  it('says all there is to say', () => {
    const text = formatReport({
      reason: { kind: 'signal', detail: 'SIGTERM' },
      code: 1,
      duration: 1_234.5,
      activeResources: ['Timeout', 'TCPSocketWrap'],
      errors: [error, new Error('x')],
      entries: [
        { name: 'api', phase: 'drain', duration: 12, outcome: 'ok' },
        { name: 'db', phase: 'stop', duration: 1_000, outcome: 'error', error },
        { name: 'x', phase: 'stop', duration: 0, outcome: 'skipped' },
      ],
    })
    expect(text.split('\n').filter((line) => !line.includes(' at '))).toEqual([
      'Stopped in 1235 ms: signal (SIGTERM), code 1',
      '  ✓ drain   api     12 ms  ok',
      '  ✗ stop    db    1000 ms  error: broken',
      '  - stop    x        0 ms  skipped',
      '  Error: x',
      '  still holding the event loop: Timeout, TCPSocketWrap',
    ])
  })

  it('survives a report of 200 000 entries', () => {
    const entry = { name: 'task', phase: 'cancel', duration: 0, outcome: 'ok' } as const
    const entries = Array.from({ length: 200_000 }, () => entry)
    const reason = { kind: 'requested' } as const
    const report = formatReport({ reason, code: 0, duration: 0, errors: [], entries })
    expect(report.split('\n')).toHaveLength(200_001)
  })

  it('says what caused an error, and which errors one stands for', () => {
    const root = new Error('refused')
    const first = new Error('no port', { cause: root })
    root.cause = first // and a circle ends
    const errors = [first, new AggregateError([first, new Error('no disk'), 'no luck'], 'no start')]
    const report = { reason: { kind: 'start-failed' }, code: 1, duration: 0, entries: [] } as const
    const text = formatReport({ ...report, errors })
    expect(text.split('\n').filter((line) => !line.includes(' at '))).toEqual([
      'Stopped in 0 ms: start-failed, code 1',
      '  Error: no port',
      '  caused by: Error: refused',
      '  AggregateError: no start',
      '  one of them: Error: no disk',
      '  one of them: no luck',
    ])
  })

  it('tells what threw undefined from what still runs', () => {
    const step = { phase: 'stop', duration: 0 } as const
    const text = formatReport({
      reason: { kind: 'requested' },
      code: 1,
      duration: 0,
      errors: [undefined],
      entries: [
        { ...step, name: 'a', outcome: 'error' },
        { ...step, name: 'b', outcome: 'abandoned' },
      ],
    })
    expect(text.split('\n').slice(1)).toEqual([
      '  ✗ stop    a      0 ms  error: undefined',
      '  ✗ stop    b      0 ms  abandoned: still running',
    ])
  })

  it('survives an error that throws when it is asked', () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    const angry = {
      get stack() {
        throw error
      },
      get message() {
        throw error
      },
      get cause() {
        throw error
      },
      get errors() {
        throw error
      },
    }
    const report = { reason: { kind: 'requested' }, code: 1, duration: 0, entries: [] } as const
    expect(formatReport({ ...report, errors: [angry, proxy] })).toBe(
      'Stopped in 0 ms: requested, code 1\n  [object Object]\n  [object Object]',
    )
  })

  it('survives what cannot be written', () => {
    const odd = Object.create(null)
    const report = {
      reason: { kind: 'requested', detail: odd },
      code: 1,
      duration: 0,
      errors: [odd, null],
      entries: [],
    } as const
    expect(formatReport(report)).toBe(
      'Stopped in 0 ms: requested ([object Object]), code 1\n  [object Object]\n  null',
    )
  })
})

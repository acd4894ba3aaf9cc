import { type CancellationToken, delay } from '@uno-async/core'
import {
  AsyncManager,
  formatReport,
  getAsyncManager,
  resetAsyncManager,
  runApplication,
} from '@uno-async/lifecycle'
import { afterEach, describe, expect, it, vi } from 'vitest'

afterEach(() => resetAsyncManager())
const error = new Error('broken')

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

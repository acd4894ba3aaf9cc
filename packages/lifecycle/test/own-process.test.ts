// runApplication where it owns its process, without one: signals, crashes and exits are those of a double.
// That real ones behave so is for process.test.ts and faults/.
import diagnostics from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import { CancelledError, delay } from '@uno-async/core'
import {
  AsyncManager,
  type RunOptions,
  resetAsyncManager,
  runApplication,
} from '@uno-async/lifecycle'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

const error = new Error('broken')
const forever = () => new Promise<never>(() => {})

let events: EventEmitter
let printed: string
let resources: string[]
let unwritten: (() => void)[] | undefined // what nobody reads, if that is so
const exit = vi.fn()
let code: typeof process.exitCode

beforeEach(() => {
  vi.useFakeTimers()
  for (const name of ['VITEST', 'JEST_WORKER_ID', 'NODE_TEST_CONTEXT']) vi.stubEnv(name, undefined)
  events = new EventEmitter()
  printed = ''
  resources = []
  unwritten = undefined
  code = process.exitCode
  const chain = (method: 'on' | 'off') =>
    vi.spyOn(process, method).mockImplementation((event, listener) => {
      events[method](event as string, listener)
      return process
    })
  chain('on')
  chain('off')
  vi.spyOn(process, 'exit').mockImplementation(() => exit(process.exitCode) as never)
  vi.spyOn(process, 'getActiveResourcesInfo').mockImplementation(() => resources)
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, 'write').mockImplementation(((text: string, done: () => void) => {
      printed += text
      if (unwritten) unwritten.push(done)
      else done()
      return true
    }) as typeof stream.write)
  }
})
afterEach(async () => {
  const reset = resetAsyncManager()
  await vi.advanceTimersByTimeAsync(20_000) // what was cut short ends after all
  await reset
  exit.mockReset()
  process.exitCode = code
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  vi.useRealTimers()
})

const start = async (options: Partial<RunOptions<unknown>> = {}) => {
  const running = runApplication({ startup: () => {}, ...options })
  await vi.advanceTimersByTimeAsync(10)
  return running
}
/** One that was told to stop, and its report. */
const stopped = async (options: Partial<RunOptions<unknown>> = {}, signal = 'SIGTERM') => {
  const running = runApplication({ startup: () => {}, ...options })
  await vi.advanceTimersByTimeAsync(10)
  events.emit(signal)
  await vi.advanceTimersByTimeAsync(10)
  return running
}

describe('the end of the process', () => {
  it('is left to the event loop for exitGrace, then comes, and says what held it', async () => {
    resources = ['PipeWrap', 'Timeout']
    const running = runApplication({ startup: () => {}, exitGrace: 300 })
    await vi.advanceTimersByTimeAsync(10)
    events.emit('SIGTERM')
    resources = ['TCPServerWrap', 'PipeWrap', 'PipeWrap', 'Timeout']
    await vi.advanceTimersByTimeAsync(1)
    expect(await running).toMatchObject({
      code: 0,
      reason: { kind: 'signal', detail: 'SIGTERM' },
      activeResources: ['TCPServerWrap', 'PipeWrap', 'Timeout'],
    })
    expect(printed).toBe('')
    await vi.advanceTimersByTimeAsync(299)
    expect(exit).not.toHaveBeenCalled()
    resources = ['TTYWrap', 'PipeWrap']
    await vi.advanceTimersByTimeAsync(1)
    expect(printed).toBe('Exiting after 300 ms: TTYWrap still held the event loop\n')
    expect(exit.mock.calls).toEqual([[code]])
  })

  it('comes after 250 ms by default, whatever it was that held it', async () => {
    expect(await stopped()).not.toHaveProperty('activeResources')
    await vi.advanceTimersByTimeAsync(300)
    expect(printed).toBe('Exiting after 250 ms: something still held the event loop\n')
    expect(exit).toHaveBeenCalledTimes(1)
  })

  it('waits until what was written is written, on both streams, but no longer than a second', async () => {
    unwritten = []
    await stopped({ exitGrace: 0 })
    const [report, out, err] = unwritten
    expect(unwritten).toHaveLength(3)
    report?.()
    out?.()
    await vi.advanceTimersByTimeAsync(900)
    expect(exit).not.toHaveBeenCalled()
    err?.()
    expect(exit).toHaveBeenCalledTimes(1)
    await vi.advanceTimersByTimeAsync(200)
    expect(exit).toHaveBeenCalledTimes(2)
  })

  it('is no failure when nobody reads what is printed', async () => {
    const once = vi.spyOn(process.stderr, 'once')
    vi.spyOn(process.stderr, 'write').mockImplementation(((_: string, done: (e: Error) => void) => {
      done(new Error('EPIPE'))
      return false
    }) as typeof process.stderr.write)
    await stopped({ exitGrace: 0 })
    await vi.advanceTimersByTimeAsync(10)
    expect(exit).toHaveBeenCalledTimes(1)
    const listeners = once.mock.calls.map(([event, listener]) => [event, listener])
    expect(listeners).toEqual([
      ['error', expect.any(Function)],
      ['error', expect.any(Function)],
    ])
  })

  it('has the code that was set before it, or 1', async () => {
    process.exitCode = 7
    await stopped()
    expect(process.exitCode).toBe(7)
    await stopped({ cleanup: () => Promise.reject(error) })
    expect(process.exitCode).toBe(1)
    expect(printed).toContain('error: broken')
  })

  it('does not come for a run that makes way, which stops listening', async () => {
    const first = runApplication({ startup: () => {} })
    await vi.advanceTimersByTimeAsync(10)
    const second = runApplication({ startup: () => {} })
    await vi.advanceTimersByTimeAsync(10)
    expect((await first).reason.kind).toBe('replaced')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(exit).not.toHaveBeenCalled()
    expect(events.listenerCount('SIGTERM')).toBe(1)
    events.emit('SIGTERM')
    await vi.advanceTimersByTimeAsync(1_000)
    expect((await second).reason.kind).toBe('signal')
    expect(exit).toHaveBeenCalledTimes(1)
  })

  it('is left alone, and printing as well, if told never to exit', async () => {
    await stopped({ exit: 'never', cleanup: () => Promise.reject(error) })
    await vi.advanceTimersByTimeAsync(2_000)
    expect([exit.mock.calls, printed, events.eventNames()]).toEqual([[], '', []])
  })

  it.each(['VITEST', 'JEST_WORKER_ID', 'NODE_TEST_CONTEXT'])(
    'never comes under %s',
    async (name) => {
      vi.stubEnv(name, '1')
      await stopped({ cleanup: () => Promise.reject(error) })
      await vi.advanceTimersByTimeAsync(2_000)
      expect([exit.mock.calls, printed, events.eventNames()]).toEqual([[], '', []])
    },
  )
})

describe('signals', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'])('%s stops, and ends with 0', async (signal) => {
    const report = await stopped({}, signal)
    expect(report).toMatchObject({ code: 0, reason: { kind: 'signal', detail: signal } })
    expect([...events.eventNames()].sort()).toEqual([
      'SIGHUP',
      'SIGINT',
      'SIGTERM',
      'uncaughtException',
      'unhandledRejection',
    ])
  })

  it.each([
    ['SIGHUP', 129],
    ['SIGINT', 130],
    ['SIGQUIT', 131],
    ['SIGUSR1', 138],
    ['SIGUSR2', 140],
    ['SIGTERM', 143],
    ['SIGBREAK', 149],
    ['SIGWINCH', 128],
  ])('%s has the number %s', async (signal, number) => {
    const signals = [signal]
    expect(await stopped({ signals, exitCodes: 'signal' }, signal)).toMatchObject({ code: number })
    expect([process.exitCode, printed]).toEqual([number, ''])
  })

  it('are none if told so; on Windows there is one more', async () => {
    await start({ signals: false, main: () => {} })
    expect(events.eventNames()).toEqual(['uncaughtException', 'unhandledRejection'])
    const platform = Object.getOwnPropertyDescriptor(process, 'platform') as PropertyDescriptor
    Object.defineProperty(process, 'platform', { ...platform, value: 'win32' })
    try {
      expect(await stopped({}, 'SIGBREAK')).toMatchObject({ code: 0 })
    } finally {
      Object.defineProperty(process, 'platform', platform)
    }
  })

  it('that the system does not know are left out', async () => {
    vi.spyOn(process, 'on').mockImplementation(((event: string, listener: () => void) => {
      if (event === 'SIGNONE') throw new Error('EINVAL')
      events.on(event, listener)
      return process
    }) as typeof process.on)
    expect(await stopped({ signals: ['SIGNONE', 'SIGTERM'] })).toMatchObject({ code: 0 })
  })

  it('exits at once at a second one, unless that comes within signalDebounce', async () => {
    const running = runApplication({
      startup: ({ manager }) => void manager.addShutdownHook(forever, { name: 'hook' }),
    })
    await vi.advanceTimersByTimeAsync(10)
    events.emit('SIGTERM')
    await vi.advanceTimersByTimeAsync(499)
    events.emit('SIGINT')
    await vi.advanceTimersByTimeAsync(1)
    expect(printed).toBe('')
    events.emit('SIGINT')
    await vi.advanceTimersByTimeAsync(1)
    expect(await running).toMatchObject({
      code: 130,
      reason: { kind: 'signal', detail: 'SIGTERM' },
      duration: 500,
      entries: [{ phase: 'stop', name: 'hook', outcome: 'abandoned' }],
    })
    expect(await running).not.toHaveProperty('activeResources')
    expect(printed).toContain('abandoned: still running')
    expect([exit.mock.calls, process.exitCode]).toEqual([[[130]], 130])
  })

  it('ignores a second one if told to', async () => {
    const running = runApplication({
      startup: ({ manager }) => void manager.addShutdownHook(() => delay(2_000)),
      secondSignal: 'ignore',
    })
    await vi.advanceTimersByTimeAsync(10)
    events.emit('SIGTERM')
    await vi.advanceTimersByTimeAsync(1_000)
    events.emit('SIGTERM')
    await vi.advanceTimersByTimeAsync(1_100)
    expect(await running).toMatchObject({ code: 0, errors: [] })
  })

  it('can still force it while it waits for the event loop', async () => {
    await stopped({ exitGrace: 10_000 })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(exit).not.toHaveBeenCalled()
    events.emit('SIGINT')
    await vi.advanceTimersByTimeAsync(1)
    expect(exit.mock.calls).toEqual([[130]])
  })

  it('waits half the time for a startup, stops what that has registered, and waits for half the rest', async () => {
    const close = vi.fn()
    const running = runApplication({
      shutdownTimeout: 1_000,
      startup: ({ manager }) => {
        manager.registerResource({ close })
        return forever()
      },
    })
    await vi.advanceTimersByTimeAsync(10)
    events.emit('SIGTERM')
    await vi.advanceTimersByTimeAsync(499)
    expect(close).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(close).toHaveBeenCalledTimes(1)
    await vi.advanceTimersByTimeAsync(600)
    const report = await running
    expect(report.entries.at(-1)).toMatchObject({ name: 'startup', outcome: 'timeout' })
    expect(report).toMatchObject({ code: 1, duration: 500 + 250 })
  })
})

describe.each(['uncaughtException', 'unhandledRejection'] as const)('%s', (kind) => {
  it('stops, with 1', async () => {
    const close = vi.fn()
    const report = await stopped(
      { startup: ({ manager }) => manager.registerResource({ close }) },
      kind,
    )
    expect(report).toMatchObject({ code: 1, reason: { kind, error: expect.any(Error) } })
    expect(String(report.reason.error)).toContain('Thrown: undefined')
    expect(close).toHaveBeenCalledTimes(1)
    expect([process.exitCode, printed]).toEqual([1, expect.stringContaining(kind)])
  })

  it('exits without stopping if told to crash', async () => {
    const close = vi.fn()
    const running = runApplication({
      startup: ({ manager }) => manager.registerResource({ close }),
      [kind]: 'crash',
    })
    await vi.advanceTimersByTimeAsync(10)
    events.emit(kind, error)
    await vi.advanceTimersByTimeAsync(1)
    expect(await running).toMatchObject({ code: 1, reason: { kind, error }, errors: [error] })
    expect(close).not.toHaveBeenCalled()
    expect(exit.mock.calls).toEqual([[1]])
  })

  it('is none of our business if told so', async () => {
    await start({ main: () => {}, [kind]: 'ignore' })
    expect(events.listenerCount(kind)).toBe(0)
  })

  it('while it stops is told in the report, but for what only says that it stops', async () => {
    const manager = new AsyncManager()
    const running = runApplication({
      manager,
      startup: () => void manager.addShutdownHook(() => delay(100)),
    })
    await vi.advanceTimersByTimeAsync(10)
    events.emit('SIGTERM')
    events.emit(kind, error)
    events.emit(kind, error)
    events.emit(kind, new CancelledError())
    await vi.advanceTimersByTimeAsync(101)
    events.emit(kind, manager.token.error)
    const report = await running
    expect(report).toMatchObject({ code: 1, reason: { kind: 'signal' } })
    expect(report.errors).toEqual([error])
  })

  it('after the report is printed, and ends with 1', async () => {
    expect(await stopped()).toMatchObject({ code: 0 })
    events.emit(kind, error)
    expect(printed).toContain('After the stop:')
    expect(printed).toContain('Error: broken')
    expect(process.exitCode).toBe(1)
  })

  it('is one where nothing stops yet, even if it says that something was cancelled', async () => {
    const cancelled = new CancelledError()
    const running = runApplication({ startup: () => {}, main: () => forever() })
    await vi.advanceTimersByTimeAsync(10)
    events.emit(kind, cancelled)
    await vi.advanceTimersByTimeAsync(10_010)
    expect((await running).reason).toEqual({ kind, error: cancelled })
  })
})

it('publishes what happens to those who subscribed to it', async () => {
  const seen: unknown[] = []
  const listener = (message: unknown) => void seen.push(message)
  diagnostics.subscribe('uno-async:lifecycle.manager', listener)
  await start({ main: () => {} })
  diagnostics.unsubscribe('uno-async:lifecycle.manager', listener)
  const states = seen.map((it) => (it as { state: string }).state)
  expect(states).toEqual(['starting', 'running', 'draining', 'stopping', 'stopped'])
})

describe('in a page', () => {
  const page = new EventTarget()
  const inPage = (options: Partial<RunOptions<unknown>> = {}) => {
    vi.stubGlobal('process', undefined)
    vi.stubGlobal('addEventListener', page.addEventListener.bind(page))
    const remove = vi.fn(page.removeEventListener.bind(page))
    vi.stubGlobal('removeEventListener', remove)
    try {
      return { remove, running: runApplication({ startup: () => {}, ...options }) }
    } finally {
      vi.unstubAllGlobals()
    }
  }
  const hide = (persisted: boolean) =>
    page.dispatchEvent(Object.assign(new Event('pagehide'), { persisted }))

  it('stops when that goes away for good, and exits nowhere', async () => {
    const close = vi.fn()
    const { running } = inPage({ startup: ({ manager }) => manager.registerResource({ close }) })
    await vi.advanceTimersByTimeAsync(10)
    hide(true)
    await vi.advanceTimersByTimeAsync(10)
    expect(close).not.toHaveBeenCalled()
    hide(false)
    await vi.advanceTimersByTimeAsync(10)
    expect(await running).toEqual(
      expect.objectContaining({ code: 0, reason: { kind: 'pagehide' }, errors: [] }),
    )
    expect(await running).not.toHaveProperty('activeResources')
    expect(close).toHaveBeenCalledTimes(1)
    expect(exit).not.toHaveBeenCalled()
  })

  it('knows no process: no signals, no crashes', async () => {
    const { running } = inPage({ main: () => {} })
    await vi.advanceTimersByTimeAsync(10)
    await running
    expect(events.eventNames()).toEqual([])
  })

  it('prints on the console where somebody wants to know the code', async () => {
    const print = vi.spyOn(console, 'error').mockReturnValue()
    const done = vi.fn()
    inPage({ main: () => Promise.reject(error), exit: done })
    await vi.advanceTimersByTimeAsync(10)
    expect(done.mock.calls[0]?.[0]).toBe(1)
    expect(print.mock.calls[0]?.[0]).toContain('Error: broken')
  })
})

import {
  AsyncManager,
  asTask,
  closeServer,
  runApplication,
  setAsyncManager,
} from '@uno-async/lifecycle'
import { describe, expect, it, vi } from 'vitest'

const duration = [null, 'x', NaN, -1, {}]
const name = [null, 1, {}]
const none = () => {}
const manager = () => new AsyncManager()
const task = (options: object) => manager().createTask(none, options)
const resource = (options: object) =>
  manager().registerResource({ name: 'x', start: none, ...options } as never)

type Table = [what: string, make: (options: never) => unknown, bad: Record<string, unknown[]>]
const table: Table[] = [
  [
    'AsyncManager',
    (options) => new AsyncManager(options),
    {
      name,
      signal: [1, 'x', {}],
      startupTimeout: duration,
      shutdownTimeout: duration,
      unreadyDelay: duration,
      drainTimeout: duration,
      onEvent: [null, 1, 'x', {}],
    },
  ],
  [
    'registerResource',
    resource,
    {
      drain: [1, {}],
      stop: [1, {}],
      flush: [1, {}],
      check: [1, {}],
      startTimeout: duration,
      drainTimeout: duration,
      stopTimeout: duration,
      dependsOn: [1, 'db', [1]],
    },
  ],
  [
    'registerResource with options',
    (options) => manager().registerResource({ close: none }, options),
    { name, dependsOn: [1, 'db', [1]] },
  ],
  ['createTask', task, { name, onError: [null, 1, 'restart', {}], significant: [null, 1, 'x'] }],
  [
    'createTask with restart',
    (restart) => task({ restart: { when: 'always', ...(restart as object) } }),
    {
      when: [undefined, null, 'never'],
      maxRestarts: [null, -1, 1.5, NaN, 2 ** 53, 'x'],
      within: duration,
      baseDelay: duration,
      maxDelay: duration,
      healthyAfter: duration,
      whenExhausted: [null, 1, 'x'],
    },
  ],
  [
    'addShutdownHook',
    (options) => manager().addShutdownHook(none, options),
    { name, timeout: duration, phase: [null, 1, 'cancel'] },
  ],
  [
    'addStartupHook',
    (options) => manager().addStartupHook(none, options),
    { name, timeout: duration },
  ],
  ['health', (options) => manager().health(options), { timeout: duration, signal: [1, 'x', {}] }],
  ['drain', (options) => manager().drain(options), { signal: [1, 'x', {}] }],
  [
    'closeServer',
    (options) =>
      closeServer({ close: none, closeIdleConnections: none, closeAllConnections: none }, options),
    { signal: [1, 'x', {}] },
  ],
  [
    'runApplication',
    (options) => runApplication({ startup: none, ...(options as object) }),
    {
      startup: [null, 1],
      main: [null, 1],
      cleanup: [null, 1],
      manager: [null, 1, {}],
      signals: [null, 1, 'SIGTERM', true, [15]],
      shutdownTimeout: duration,
      signalDebounce: duration,
      exitGrace: duration,
      secondSignal: [null, 1, 'x'],
      uncaughtException: [null, 'x'],
      unhandledRejection: [null, 'x'],
      exit: [null, 1, 'x'],
      exitCodes: [null, 1, 'x'],
    },
  ],
]
const cases = table.flatMap(([what, make, bad]) =>
  Object.entries(bad).flatMap(([option, values]) =>
    values.map((value) => ({ what, make, option, value, shown: String(value) })),
  ),
)

describe('bad options', () => {
  it.each(cases)('$what refuses $option: $shown', async ({ make, option, value }) => {
    const error = (await (async () => make({ [option]: value } as never))().catch(
      (e) => e,
    )) as Error
    expect(error instanceof TypeError || error instanceof RangeError).toBe(true)
    if (option === 'name') expect(error).toBeInstanceOf(TypeError)
    expect(error.message).toMatch(new RegExp(`^Expected \`(restart\\.)?${option}\` to be`))
  })

  const spread = ['registerResource', 'createTask with restart'] // over an object
  it.each(table.flatMap(([what, make]) => (spread.includes(what) ? [] : [{ what, make }])))(
    '$what refuses what is no options',
    async ({ what, make }) => {
      const call = what === 'runApplication' ? (runApplication as typeof make) : make
      for (const options of [null, 1, 'x'] as never[]) {
        const error = (await (async () => call(options))().catch((e) => e)) as Error
        expect(error).toBeInstanceOf(TypeError)
        expect(error.message).toMatch(/^Expected `options` to be an object/)
      }
    },
  )

  it.each([...duration, undefined])(
    'a shutdownTimeout that is set to %s later',
    async (timeout) => {
      const it = manager()
      expect(() => {
        it.shutdownTimeout = timeout as never
      }).toThrow('Expected `shutdownTimeout` to be a duration')
      expect(it.shutdownTimeout).toBe(10_000)
      await it.start()
      expect((await it.shutdown()).code).toBe(0)
    },
  )

  it.each([undefined, null, 1, 'x', {}])('arguments that are %s', async (value) => {
    const it = manager()
    expect(() => it.registerResource(value as never)).toThrow(TypeError)
    expect(() => it.createTask(value as never)).toThrow(TypeError)
    expect(() => it.track(value as never)).toThrow(TypeError)
    expect(() => it.addStartupHook(value as never)).toThrow(TypeError)
    expect(() => it.addShutdownHook(value as never)).toThrow(TypeError)
    expect(() => it.subscribe(value as never)).toThrow(TypeError)
    expect(() => setAsyncManager(value as never)).toThrow(TypeError)
    if (Object(value) !== value && typeof value !== 'string')
      expect(() => asTask(value as never)).toThrow(TypeError)
    expect(() => asTask('x')(value as never)).toThrow(TypeError)
  })

  it.each([undefined, null, 1, 'x', {}, { close: none }])(
    'closeServer refuses %s, once',
    async (value) => {
      const unhandled = vi.fn()
      process.on('unhandledRejection', unhandled)
      const closing = closeServer(value as never)
      await expect(closing).rejects.toThrow(/^Expected `server\.\w+` to be a function/)
      await new Promise(setImmediate)
      process.off('unhandledRejection', unhandled)
      expect(unhandled).not.toHaveBeenCalled()
    },
  )

  it('closeServer throws what close throws', async () => {
    const close = () => {
      throw new Error('broken')
    }
    const server = { close, closeIdleConnections: none, closeAllConnections: none }
    await expect(closeServer(server)).rejects.toThrow('broken')
  })

  it('takes options that are undefined, 0 or Infinity', async () => {
    const undefinedOnes = Object.fromEntries(
      Object.keys(table[0]?.[2] ?? {}).map((option) => [option, undefined]),
    )
    await new AsyncManager(undefinedOnes).shutdown()
    const report = await new AsyncManager({
      shutdownTimeout: Infinity,
      startupTimeout: Infinity,
    }).shutdown()
    expect(report.code).toBe(0)
    await new AsyncManager({ shutdownTimeout: 0 }).shutdown()
  })
})

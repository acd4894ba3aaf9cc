import {
  type CancellationToken,
  CancellationTokenSource,
  delay,
  isCancelled,
  TimeoutError,
} from '@uno-async/core'
import {
  AsyncManager,
  LifecycleError,
  type LifecycleEvent,
  ShutdownError,
} from '@uno-async/lifecycle'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

const error = new Error('broken')

/** Writes down what starts and stops. */
class Book {
  readonly log: string[] = []

  spec(
    name: string,
    dependsOn: string[] = [],
    times: {
      start?: number
      drain?: number
      stop?: number
      startError?: unknown
      stopError?: unknown
    } = {},
  ) {
    return {
      name,
      dependsOn,
      start: async () => {
        this.log.push(`>${name}`)
        await delay(times.start ?? 0)
        if (times.startError) throw times.startError
        this.log.push(`+${name}`)
        return name
      },
      drain: async () => {
        if (times.drain) await delay(times.drain)
        this.log.push(`~${name}`)
      },
      stop: async () => {
        if (times.stop) await delay(times.stop)
        if (times.stopError) throw times.stopError
        this.log.push(`-${name}`)
      },
    }
  }
}

/** Drives the timers until it settles. */
async function soon<T>(promise: Promise<T>): Promise<T> {
  let open = true
  const done = () => {
    open = false
  }
  promise.then(done, done)
  for (let i = 0; open && i < 50_000; i++) await vi.advanceTimersByTimeAsync(10)
  return promise
}

describe('start', () => {
  it('starts by dependency, at once where nothing forbids', async () => {
    const book = new Book()
    const manager = new AsyncManager()
    manager.registerResource(book.spec('api', ['db', 'cache']))
    manager.registerResource(book.spec('db', [], { start: 20 }))
    manager.registerResource(book.spec('cache', [], { start: 10 }))
    await soon(manager.start())
    expect(book.log).toEqual(['>db', '>cache', '+cache', '+db', '>api', '+api'])
    expect([manager.state, manager.ready]).toEqual(['running', true])
    await soon(manager.shutdown())
    expect(book.log.slice(6)).toEqual(['~api', '~cache', '~db', '-api', '-cache', '-db'])
  })

  it('gives the value through the handle, once started', async () => {
    const manager = new AsyncManager()
    const handle = manager.registerResource({ name: 'db', start: async () => 7 })
    expect(() => handle.value).toThrow('Resource "db" is registered: it has no value')
    await manager.start()
    expect([handle.value, await handle.ready, handle.name, handle.state]).toEqual([
      7,
      7,
      'db',
      'started',
    ])
    await manager.shutdown()
    expect(() => handle.value).toThrow(LifecycleError)
  })

  it.each([
    [
      { a: ['b'], b: ['c'], c: ['a'] },
      'AsyncManager "app" has a dependency cycle: "a" → "b" → "c" → "a"',
    ],
    [{ a: ['a'] }, 'AsyncManager "app" has a dependency cycle: "a" → "a"'],
    [
      { a: ['b'], b: ['nowhere'] },
      'AsyncManager "app" has an unknown dependency: "a" → "b" → "nowhere"',
    ],
  ])('refuses %o before it starts anything', async (graph, message) => {
    const start = vi.fn()
    const manager = new AsyncManager()
    for (const [name, dependsOn] of Object.entries(graph)) {
      manager.registerResource({ name, dependsOn, start })
    }
    await expect(manager.start()).rejects.toThrow(message)
    expect(start).not.toHaveBeenCalled()
    expect(manager.state).toBe('idle')
  })

  it('undoes what was started when the third fails, and cancels the rest', async () => {
    const book = new Book()
    const manager = new AsyncManager()
    manager.registerResource(book.spec('a'))
    manager.registerResource(book.spec('b', ['a']))
    manager.registerResource(book.spec('c', ['b'], { startError: error }))
    manager.registerResource(book.spec('d', ['c']))
    let told = false
    const slow = manager.registerResource({
      name: 'slow',
      start: async ({ token }) => {
        token.onCancelled(() => {
          told = true
        })
        await delay(10_000, { signal: token })
      },
    })
    await expect(soon(manager.start())).rejects.toBe(error)
    expect(book.log).toEqual(['>a', '+a', '>b', '+b', '>c', '~b', '~a', '-b', '-a'])
    expect([manager.state, manager.live, told, slow.state]).toEqual([
      'failed',
      false,
      true,
      'failed',
    ])
    const report = await manager.waitForShutdown()
    expect(report).toMatchObject({
      code: 1,
      reason: { kind: 'start-failed', error },
      errors: [error],
    })
    const skipped = report.entries.filter(({ outcome }) => outcome === 'skipped')
    expect(skipped.map(({ name }) => name)).toEqual(['c', 'd', 'slow'])
  })

  it.each([undefined, null])('knows that a start failed with %s', async (nothing) => {
    const manager = new AsyncManager()
    const broken = vi.fn(() => Promise.reject(error))
    manager.registerResource({ name: 'a', start: () => {}, stop: broken })
    manager.registerResource({
      name: 'b',
      dependsOn: ['a'],
      start: () => Promise.reject(nothing),
    })
    await expect(soon(manager.start())).rejects.toBe(nothing)
    const report = await manager.shutdown()
    expect(report).toMatchObject({ code: 1, reason: { kind: 'start-failed' } })
    expect(report.errors.map(String)).toEqual([
      `LifecycleError: AsyncManager "app" failed to start with ${nothing}`,
      'Error: broken',
    ])
    await expect(manager[Symbol.asyncDispose]()).rejects.toBe(error)
  })

  it('throws an AggregateError when two fail by themselves', async () => {
    const book = new Book()
    const manager = new AsyncManager()
    const other = new Error('other')
    manager.registerResource(book.spec('a', [], { startError: error }))
    manager.registerResource(book.spec('b', [], { startError: other, start: 10 }))
    const thrown = await soon(manager.start().catch((e) => e))
    expect(thrown).toBeInstanceOf(AggregateError)
    expect(thrown.errors).toEqual([error, other])
  })

  it('undoes a start that overran after all, when it succeeds late', async () => {
    const stop = vi.fn()
    const manager = new AsyncManager()
    manager.registerResource({
      name: 'db',
      startTimeout: 50,
      start: () => delay(200).then(() => 7),
      stop,
    })
    const starting = manager.start().catch((e) => e)
    await vi.advanceTimersByTimeAsync(50)
    expect(await starting).toMatchObject({
      name: 'TimeoutError',
      operation: 'start of db',
      timeout: 50,
    })
    expect(stop).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(150)
    expect(stop.mock.calls[0]?.[0]).toBe(7)
  })

  it('names what it waited for when the whole start overran', async () => {
    const manager = new AsyncManager({ name: 'shop', startupTimeout: 100 })
    manager.registerResource({ name: 'db', start: () => {} })
    manager.registerResource({
      name: 'queue',
      start: ({ token }) => delay(10_000, { signal: token }),
    })
    const thrown = await soon(manager.start().catch((e) => e))
    expect(thrown.message).toBe('"shop" did not start within 100 ms: waiting for "queue"')
  })

  it('flushes what succeeded too late with what its start gave, if at all', async () => {
    const manager = new AsyncManager()
    const flush = vi.fn()
    manager.registerResource({ name: 'slow', start() {}, stop: () => delay(100) })
    manager.registerResource({
      name: 'late',
      startTimeout: 10,
      start: async () => {
        await delay(30)
        return 7
      },
      flush,
    })
    const starting = manager.start().catch((e) => e)
    expect((await soon(starting)).message).toBe('"start of late" timed out after 10 ms')
    expect(flush.mock.calls.map(([value]) => value)).toEqual([7])
  })

  it('reports what fails in undoing a start that succeeded too late', async () => {
    const manager = new AsyncManager()
    manager.registerResource({ name: 'slow', start() {}, stop: () => delay(100) })
    manager.registerResource({
      name: 'late',
      startTimeout: 10,
      start: () => delay(30),
      stop: () => Promise.reject(error),
    })
    const starting = manager.start().catch((e) => e)
    const late = await soon(starting)
    expect((await manager.shutdown()).errors).toEqual([late, error])
  })

  it('names the hook that overruns the time for all', async () => {
    const manager = new AsyncManager({ startupTimeout: 100 })
    manager.registerResource({ name: 'db', start() {} })
    manager.addStartupHook(() => delay(1_000), { name: 'migrate' })
    const thrown = await soon(manager.start().catch((e) => e))
    expect(thrown.message).toBe('"app" did not start within 100 ms: waiting for the hook "migrate"')
  })

  it('says what time it was allowed, not how long it took', async () => {
    const manager = new AsyncManager({ startupTimeout: 20.4 })
    manager.registerResource({ name: 'db', start: () => new Promise(() => {}) })
    const thrown = await soon(manager.start().catch((e) => e))
    expect(thrown.message).toBe('"app" did not start within 20.4 ms: waiting for "db"')
  })

  it('gives up in bounded time on a start that never settles', async () => {
    const manager = new AsyncManager({ shutdownTimeout: 1_000 })
    manager.registerResource({ name: 'stuck', start: () => new Promise(() => {}) })
    const starting = manager.start().catch((e) => e)
    await vi.advanceTimersByTimeAsync(10)
    const stopping = manager.shutdown()
    await vi.advanceTimersByTimeAsync(500)
    await stopping
    expect(await starting).toBeInstanceOf(ShutdownError)
    expect(manager.state).toBe('stopped')
  })

  it('names the start that it gives up on, not those that wait for it', async () => {
    const manager = new AsyncManager({ shutdownTimeout: 1_000 })
    manager.registerResource({ name: 'db', start: () => new Promise(() => {}) })
    manager.registerResource({ name: 'api', dependsOn: ['db'], start() {} })
    manager.start().catch(() => {})
    await vi.advanceTimersByTimeAsync(10)
    const { entries, errors } = await soon(manager.shutdown())
    expect(String(errors)).toBe('TimeoutError: "start of db" timed out after 500 ms')
    expect(entries).toEqual([
      { name: 'db', phase: 'stop', duration: 500, outcome: 'timeout', error: errors[0] },
      { name: 'api', phase: 'stop', duration: 0, outcome: 'skipped' },
    ])
  })

  it('does not throw a start it gave up on again when it is disposed', async () => {
    const manager = new AsyncManager({ shutdownTimeout: 1_000 })
    manager.registerResource({ name: 'db', start: () => Promise.reject(error) })
    manager.registerResource({ name: 'stuck', start: () => new Promise(() => {}) })
    const thrown = await soon(manager.start().catch((e) => e))
    const late = '"start of stuck" timed out after 500 ms'
    expect(thrown.errors).toMatchObject([error, { message: late }])
    await soon(manager[Symbol.asyncDispose]())
  })

  it.each([
    ['a resource of the same name', 'app', () => new Promise(() => {})],
    [
      'a manager within',
      'inner',
      () => {
        const inner = new AsyncManager({ startupTimeout: 50, shutdownTimeout: 20 })
        inner.registerResource({ name: 'db', start: () => new Promise(() => {}) })
        return inner.start()
      },
    ],
  ])('takes no other start that overruns for its own: %s', async (_, name, start) => {
    const manager = new AsyncManager()
    manager.registerResource({ name, start, startTimeout: 100 })
    const thrown = await soon(manager.start().catch((e) => e))
    expect(thrown.message).toMatch(/^("start of app" timed out after 100|.* within 50) ms/)
  })

  it('is cancelled by a stop, and undone', async () => {
    const book = new Book()
    const manager = new AsyncManager()
    manager.registerResource(book.spec('a'))
    manager.registerResource({
      name: 'b',
      dependsOn: ['a'],
      start: ({ token }) => delay(10_000, { signal: token }),
    })
    const starting = manager.start().catch((e) => e)
    await vi.advanceTimersByTimeAsync(10)
    const report = await soon(manager.shutdown('enough'))
    expect(await starting).toBeInstanceOf(ShutdownError)
    expect(isCancelled(await starting)).toBe(true)
    expect(book.log).toEqual(['>a', '+a', '~a', '-a'])
    expect([manager.state, report.code]).toEqual(['stopped', 0])
  })

  it('refuses to start twice, and after a stop', async () => {
    const manager = new AsyncManager()
    await manager.start()
    await expect(manager.start()).rejects.toThrow('AsyncManager "app" is running: it starts once')
    await manager.shutdown()
    await expect(manager.start()).rejects.toBeInstanceOf(LifecycleError)
    const stopped = new AsyncManager()
    await stopped.shutdown()
    await expect(stopped.start()).rejects.toThrow('it does not take a start')
  })

  it('never runs when it is told to stop at the very end of its start', async () => {
    const manager = new AsyncManager()
    const states: string[] = []
    manager.subscribe(({ type, state }) => {
      if (type === 'manager') states.push(state)
      else if (state === 'started') void manager.shutdown('enough')
    })
    manager.registerResource({ name: 'a', start: () => {} })
    await expect(manager.start()).rejects.toBeInstanceOf(ShutdownError)
    expect(states).toEqual(['starting', 'draining', 'stopping', 'stopped'])
  })

  it('does not cancel the token of a start that took less than its time', async () => {
    const manager = new AsyncManager()
    let token: CancellationToken | undefined
    const start = (context: { token: CancellationToken }) => {
      token = context.token
    }
    manager.registerResource({ name: 'a', start, startTimeout: 100 })
    await manager.start()
    await vi.advanceTimersByTimeAsync(200)
    expect(token?.cancelled).toBe(false)
    await manager.shutdown()
  })

  it('runs startup hooks when all is started, in order; one that fails undoes all', async () => {
    const book = new Book()
    const manager = new AsyncManager()
    manager.registerResource(book.spec('a'))
    manager.addStartupHook(() => book.log.push('first'))
    const removed = manager.addStartupHook(() => book.log.push('never'))
    removed.dispose()
    manager.addStartupHook(() => {
      expect(manager.ready).toBe(false)
      throw error
    })
    await expect(soon(manager.start())).rejects.toBe(error)
    expect(book.log).toEqual(['>a', '+a', 'first', '~a', '-a'])
  })

  it('takes no startup hook once it is started', async () => {
    const manager = new AsyncManager()
    await manager.start()
    expect(() => manager.addStartupHook(() => {})).toThrow('it takes no more startup hooks')
    await manager.shutdown()
  })

  it('counts a startup hook that obeys a stop as no error', async () => {
    const manager = new AsyncManager()
    manager.addStartupHook(({ token }) => delay(Infinity, { signal: token }))
    const starting = manager.start()
    await vi.advanceTimersByTimeAsync(10)
    const [report] = await Promise.all([
      manager.shutdown(),
      expect(starting).rejects.toBeInstanceOf(ShutdownError),
    ])
    expect(report).toMatchObject({ code: 0, errors: [] })
  })

  it('starts at once what is registered on a running manager', async () => {
    const book = new Book()
    const manager = new AsyncManager()
    manager.registerResource(book.spec('db'))
    await soon(manager.start())
    const late = manager.registerResource(book.spec('late', ['db']))
    expect(await soon(late.ready)).toBe('late')
    expect(() => manager.registerResource(book.spec('x', ['nowhere']))).toThrow(
      'an unknown dependency',
    )
    const broken = manager.registerResource(book.spec('broken', [], { startError: error }))
    await expect(soon(broken.ready)).rejects.toBe(error)
    expect(manager.ready).toBe(true)
    await soon(manager.shutdown())
    expect(book.log.slice(-2)).toEqual(['-late', '-db'])
  })

  it('takes new resources when one was let go that others depend on', async () => {
    const book = new Book()
    const manager = new AsyncManager()
    manager.registerResource(book.spec('db'))
    manager.registerResource(book.spec('api', ['db']))
    await soon(manager.start())
    manager.unregisterResource('db')
    expect(() => manager.registerResource(book.spec('x', ['db']))).toThrow(
      'an unknown dependency: "x" → "db"',
    )
    expect(await soon(manager.registerResource(book.spec('late', ['api'])).ready)).toBe('late')
    expect(() => manager.registerResource(book.spec('db', ['late']))).toThrow(
      'a dependency cycle: "db" → "late" → "api" → "db"',
    )
    expect(await soon(manager.registerResource(book.spec('db')).ready)).toBe('db')
    await soon(manager.shutdown())
    expect(book.log.filter((each) => each.startsWith('-'))).toEqual(['-late', '-api', '-db'])
  })

  it.each([
    ['failed', error],
    ['was aborted by somebody else', AbortSignal.abort().reason],
  ])('fails its health and its report with a late start that %s', async (_, error) => {
    const manager = new AsyncManager()
    await manager.start()
    const late = { name: 'late', start: () => Promise.reject(error) }
    manager.registerResource(late)
    await vi.advanceTimersByTimeAsync(0)
    expect(await manager.health()).toMatchObject({
      status: 'failing',
      ready: true,
      checks: [{ name: 'late', outcome: 'error', error }],
    })
    expect(await manager.shutdown()).toMatchObject({ code: 1, errors: [error] })
    const other = new AsyncManager()
    await other.start()
    await expect(other.registerResource(late).ready).rejects.toBe(error)
    expect(other.unregisterResource('late')).toBe(true) // whoever takes it out knows
    expect((await other.health()).status).toBe('ok')
    expect(await other.shutdown()).toMatchObject({ code: 0, errors: [] })
  })

  it('reports a start that failed while it was told to stop', async () => {
    const manager = new AsyncManager()
    manager.registerResource({
      name: 'a',
      start: () => delay(10).then(() => Promise.reject(error)),
    })
    const starting = manager.start().catch((e) => e)
    await vi.advanceTimersByTimeAsync(1)
    const report = await soon(manager.shutdown())
    expect(await starting).toBeInstanceOf(ShutdownError)
    expect(report).toMatchObject({ code: 1, errors: [error], reason: { kind: 'requested' } })
  })

  it('settles what is waited for when it is never started', async () => {
    const manager = new AsyncManager()
    const spec = { start: () => expect.unreachable() }
    const [gone, left] = ['gone', 'left'].map((name) => manager.registerResource({ name, ...spec }))
    manager.unregisterResource('gone')
    await expect(gone?.ready).rejects.toThrow(LifecycleError)
    await manager.shutdown()
    await expect(left?.ready).rejects.toThrow(ShutdownError)
  })

  it('refuses a start from within, and starts what is registered there', async () => {
    const refused: unknown[] = []
    const start = vi.fn()
    const manager = new AsyncManager({
      onEvent: ({ state, type }) => {
        if (type !== 'manager' || state !== 'starting') return
        manager.start().catch((e) => refused.push(e))
        manager.registerResource({ name: 'late', start })
        const unknown = { name: 'x', dependsOn: ['nowhere'], start }
        expect(() => manager.registerResource(unknown)).toThrow('an unknown dependency')
      },
    })
    const hook = vi.fn()
    manager.addStartupHook(hook)
    await manager.start()
    expect(refused).toEqual([expect.any(LifecycleError)])
    expect([hook.mock.calls.length, start.mock.calls.length]).toEqual([1, 1])
    await manager.shutdown()
  })

  it('waits for what a start registers', async () => {
    const book = new Book()
    const manager = new AsyncManager()
    manager.registerResource({
      name: 'a',
      start: () => void manager.registerResource(book.spec('b', [], { start: 50 })),
    })
    await soon(manager.start())
    expect(book.log).toEqual(['>b', '+b'])
    await soon(manager.shutdown())
  })

  it('waits for a startup hook when it is told to stop, and loses no error of it', async () => {
    const book = new Book()
    const manager = new AsyncManager()
    manager.registerResource(book.spec('db'))
    manager.addStartupHook(async () => {
      await delay(50)
      book.log.push('migrated')
      throw error
    })
    const starting = manager.start().catch((e) => e)
    await vi.advanceTimersByTimeAsync(20)
    expect(await soon(manager.shutdown())).toMatchObject({ code: 1, errors: [error] })
    expect(await starting).toBeInstanceOf(ShutdownError)
    expect(book.log).toEqual(['>db', '+db', 'migrated', '~db', '-db'])
  })

  it('gives up in bounded time on a startup hook that never settles', async () => {
    const manager = new AsyncManager({ shutdownTimeout: 1_000 })
    manager.addStartupHook(() => new Promise(() => {}), { name: 'migrate' })
    const starting = manager.start().catch((e) => e)
    await vi.advanceTimersByTimeAsync(10)
    const { code, errors } = await soon(manager.shutdown())
    expect(code).toBe(1)
    expect(String(errors)).toBe('TimeoutError: "startup hook migrate" timed out after 500 ms')
    expect(await starting).toBeInstanceOf(ShutdownError)
  })

  it('is stopped at once by a resource that waits for that in its start', async () => {
    const manager = new AsyncManager({ shutdownTimeout: 1_000 })
    manager.registerResource({ name: 'db', start: () => manager.shutdown('no config') })
    expect(await soon(manager.start().catch((e) => e))).toBeInstanceOf(ShutdownError)
    expect(await soon(manager.shutdown())).toMatchObject({ code: 0, duration: 0, errors: [] })
  })

  it('tells of a startup hook that a stop waits for, while it runs', async () => {
    const manager = new AsyncManager()
    manager.addStartupHook(() => {}, { name: 'quick' })
    manager.addStartupHook(() => delay(50), { name: 'slow' })
    manager.start().catch(() => {})
    await vi.advanceTimersByTimeAsync(10)
    const stopping = manager.shutdown()
    await vi.advanceTimersByTimeAsync(10)
    expect(manager.inspect().entries).toEqual([
      { name: 'slow', phase: 'stop', duration: 10, outcome: 'abandoned' },
    ])
    expect((await soon(stopping)).entries).toEqual([])
  })

  it('tells of no startup hook that has ended', async () => {
    const manager = new AsyncManager()
    manager.addStartupHook(() => {})
    await manager.start()
    const stopping = manager.shutdown()
    expect(manager.inspect().entries).toEqual([])
    await soon(stopping)
  })

  it('waits for what takes the place of another meanwhile', async () => {
    const book = new Book()
    const manager = new AsyncManager()
    manager.registerResource(book.spec('old'))
    manager.registerResource({
      name: 'a',
      async start() {
        await delay(5)
        manager.unregisterResource('old')
        manager.registerResource(book.spec('new', [], { start: 50 }))
      },
    })
    await soon(manager.start())
    expect(book.log.at(-1)).toBe('+new')
    await soon(manager.shutdown())
  })

  it('waits for what a startup hook registers, before the next hook', async () => {
    const book = new Book()
    const manager = new AsyncManager()
    manager.addStartupHook(() => {
      manager.registerResource(book.spec('a', [], { start: 50 }))
    })
    manager.addStartupHook(() => {
      expect(manager.ready).toBe(false)
      book.log.push('second')
      manager.registerResource(book.spec('b', ['a'], { start: 50 }))
    })
    await soon(manager.start())
    expect(book.log).toEqual(['>a', '+a', 'second', '>b', '+b'])
    await soon(manager.shutdown())
  })

  it('fails when something fails that a startup hook registered', async () => {
    const book = new Book()
    const manager = new AsyncManager()
    manager.registerResource(book.spec('a'))
    manager.addStartupHook(() => {
      manager.registerResource(book.spec('b', ['a'], { startError: error }))
    })
    await expect(soon(manager.start())).rejects.toBe(error)
    expect(manager.state).toBe('failed')
    expect(book.log.at(-1)).toBe('-a')
  })
})

describe('shutdown', () => {
  it('stops what is already open, without a start', async () => {
    const log: string[] = []
    const manager = new AsyncManager()
    manager.registerResource({ close: async () => log.push('close') })
    manager.registerResource({ [Symbol.dispose]: () => log.push('dispose') })
    manager.registerResource(
      { [Symbol.asyncDispose]: async () => log.push('async'), close: () => log.push('never') },
      { name: 'last', dependsOn: ['resource 1'] },
    )
    const report = await manager.shutdown()
    expect(log).toEqual(['async', 'dispose', 'close'])
    expect(report.entries.map(({ name, phase, outcome }) => [name, phase, outcome])).toEqual([
      ['resource 2', 'stop', 'ok'],
      ['last', 'stop', 'ok'],
      ['resource 1', 'stop', 'ok'],
    ])
  })

  it('is the same promise for everybody, and for those who waited', async () => {
    const manager = new AsyncManager()
    const waiting = manager.waitForShutdown()
    const stopping = manager.shutdown('first')
    expect(manager.shutdown('second')).toBe(stopping)
    expect(await waiting).toBe(await stopping)
    expect((await manager.waitForShutdown()).reason).toEqual({ kind: 'requested', detail: 'first' })
    expect(manager.shutdown()).toBe(stopping)
  })

  it('goes through its phases: not ready first, cancelled only after the drain', async () => {
    const log: string[] = []
    const manager = new AsyncManager({ unreadyDelay: 100 })
    const see = (what: string) => () => {
      const { ready, live, state, token } = manager
      log.push(
        `${what}: ${state}${ready ? ' ready' : ''}${live ? ' live' : ''}${token.cancelled ? ' cancelled' : ''}`,
      )
    }
    manager.registerResource({
      name: 'r',
      start: see('start'),
      drain: see('drain'),
      stop: see('stop'),
      flush: see('flush'),
    })
    for (const phase of ['unready', 'drain', 'stop', 'flush'] as const) {
      manager.addShutdownHook(see(`hook ${phase}`), { phase })
    }
    await manager.start()
    expect(manager.ready).toBe(true)
    const stopping = manager.shutdown()
    expect(manager.ready).toBe(false)
    await vi.advanceTimersByTimeAsync(99)
    expect(log).toEqual(['start: starting live', 'hook unready: draining live'])
    await vi.advanceTimersByTimeAsync(1)
    const report = await stopping
    expect(log.slice(2)).toEqual([
      'hook drain: draining live',
      'drain: draining live',
      'hook stop: stopping live cancelled',
      'stop: stopping live cancelled',
      'hook flush: stopping live cancelled',
      'flush: stopping live cancelled',
    ])
    expect(report.entries.map(({ name }) => name).slice(0, 2)).toEqual(['hook 1', 'delay'])
    expect([manager.state, manager.live]).toEqual(['stopped', false])
  })

  it('drains tracked work before it cancels, also what comes meanwhile', async () => {
    const log: string[] = []
    const manager = new AsyncManager()
    await manager.start()
    const work = async () => {
      await delay(100)
      void manager.track(
        delay(100).then(() => log.push('second')),
        'second',
      )
      log.push('first')
    }
    expect(await soon(manager.track(Promise.resolve(7)))).toBe(7)
    void manager.track(work(), 'first')
    manager.token.onCancelled(() => log.push('cancelled'))
    const report = await soon(manager.shutdown())
    expect(log).toEqual(['first', 'second', 'cancelled'])
    expect(report.entries).toMatchObject([
      { name: 'work in flight', phase: 'drain', outcome: 'ok' },
    ])
  })

  it('names the work that did not end in time', async () => {
    const manager = new AsyncManager({ drainTimeout: 100, shutdownTimeout: 1_000 })
    await manager.start()
    void manager.track(new Promise(() => {}), 'upload')
    const report = await soon(manager.shutdown())
    expect(report.entries.map(({ name, phase, outcome }) => [name, phase, outcome])).toEqual([
      ['work in flight', 'drain', 'timeout'],
      ['upload', 'cancel', 'timeout'],
    ])
    expect(report.code).toBe(1)
  })

  it('lets no failing step stop another, and keeps every error', async () => {
    const book = new Book()
    const manager = new AsyncManager()
    const others = [new Error('hook'), new Error('flush')]
    manager.registerResource(book.spec('a'))
    manager.registerResource(book.spec('b', ['a'], { stopError: error }))
    manager.addShutdownHook(() => {
      throw others[0]
    })
    manager.addShutdownHook(() => Promise.reject(others[1]), { phase: 'flush', name: 'logs' })
    await soon(manager.start())
    const report = await soon(manager.shutdown())
    expect(book.log.at(-1)).toBe('-a')
    expect(report.errors).toEqual([others[0], error, others[1]])
    expect([report.code, report.entries.at(-1)]).toMatchObject([
      1,
      { name: 'logs', outcome: 'error', error: others[1] },
    ])
  })

  it('tells a timeout of its own from one of a manager within that has the same names', async () => {
    const manager = new AsyncManager()
    const late = (operation: string) => () =>
      Promise.reject(new TimeoutError(undefined, { operation, timeout: 1 }))
    const check = late('check of db')
    manager.registerResource({ name: 'db', start: () => {}, stop: late('stop of db'), check })
    await manager.start()
    expect((await manager.health()).checks).toMatchObject([{ name: 'db', outcome: 'error' }])
    expect((await manager.shutdown()).entries).toMatchObject([{ name: 'db', outcome: 'error' }])
  })

  it('survives errors that throw when they are looked at', async () => {
    const stranger = new Proxy(new Error('stranger'), {
      get() {
        throw new Error('no business of yours')
      },
    })
    const throwIt = (): never => {
      throw stranger
    }
    const log: string[] = []
    const manager = new AsyncManager()
    manager.registerResource({ name: 'a', start: () => {}, stop: () => log.push('a') })
    const b = { name: 'b', dependsOn: ['a'], start: () => {}, stop: throwIt, check: throwIt }
    manager.registerResource(b)
    await manager.start()
    expect((await manager.health()).checks).toMatchObject([{ name: 'b', outcome: 'error' }])
    const task = manager.createTask(throwIt)
    const { errors } = await soon(manager.waitForShutdown())
    expect([task.state, manager.state, log, errors.length]).toEqual(['failed', 'stopped', ['a'], 1])
    expect(errors[0] === stranger).toBe(true)

    const other = new AsyncManager()
    other.registerResource({ name: 'a', start: throwIt })
    let same = false
    await other.start().catch((error) => {
      same = error === stranger
    })
    expect([same, other.state]).toEqual([true, 'failed'])
  })

  it('runs shutdown hooks last registered first', async () => {
    const log: number[] = []
    const manager = new AsyncManager()
    for (const i of [1, 2, 3]) manager.addShutdownHook(() => log.push(i))
    await manager.shutdown()
    expect(log).toEqual([3, 2, 1])
  })

  it('does not run a hook that one before it has taken out', async () => {
    const manager = new AsyncManager()
    const hook = vi.fn()
    const registration = manager.addShutdownHook(hook)
    manager.addShutdownHook(() => registration.dispose())
    await manager.shutdown()
    expect(hook).not.toHaveBeenCalled()
  })

  it('takes the budget of one hung resource out of twenty, not the sum', async () => {
    const book = new Book()
    const manager = new AsyncManager()
    for (let i = 0; i < 20; i++) {
      const spec = book.spec(`r${i}`, i ? [`r${i - 1}`] : [], { stop: 1 })
      manager.registerResource(
        i === 10 ? { ...spec, stop: () => new Promise(() => {}), stopTimeout: 300 } : spec,
      )
    }
    await soon(manager.start())
    const began = performance.now()
    const stopping = manager.shutdown()
    await vi.advanceTimersByTimeAsync(400)
    const report = await stopping
    expect(performance.now() - began).toBe(400)
    expect(
      report.entries.filter(({ phase, outcome }) => phase === 'stop' && outcome !== 'ok'),
    ).toMatchObject([{ name: 'r10', outcome: 'timeout', duration: 300 }])
    expect(book.log.at(-1)).toBe('-r0')
  })

  it('stops 20 resources of 100 ms level by level', async () => {
    const book = new Book()
    const manager = new AsyncManager()
    for (let i = 0; i < 20; i++) {
      const level = Math.floor(i / 5)
      const below = level ? [0, 1, 2, 3, 4].map((j) => `r${(level - 1) * 5 + j}`) : []
      manager.registerResource(book.spec(`r${i}`, below, { stop: 100 }))
    }
    await soon(manager.start())
    const stopping = manager.shutdown()
    await vi.advanceTimersByTimeAsync(400)
    expect((await stopping).duration).toBe(400)
  })

  it('calls the rest once with a cancelled token, unwaited, when the total is spent', async () => {
    const calls: [string, boolean][] = []
    const manager = new AsyncManager({ shutdownTimeout: 1_000 })
    const hang = (name: string, dependsOn: string[]) => ({
      name,
      dependsOn,
      start: () => {},
      stop: (_: unknown, { token }: { token: { cancelled: boolean } }) => {
        calls.push([name, token.cancelled])
        return new Promise(() => {})
      },
      stopTimeout: 600,
    })
    manager.registerResource(hang('a', []))
    manager.registerResource(hang('b', ['a']))
    manager.registerResource(hang('c', ['b']))
    manager.registerResource({
      name: 'z',
      start: () => {},
      stop: () => {},
      flush: () => Promise.reject(new Error('late, and handled')),
    })
    await manager.start()
    const stopping = manager.shutdown()
    await vi.advanceTimersByTimeAsync(1_000)
    const report = await stopping
    expect(calls).toEqual([
      ['c', false],
      ['b', false],
      ['a', true],
    ])
    const shown = report.entries.map(({ name, phase, outcome }) => `${phase} ${name} ${outcome}`)
    expect(shown).toEqual([
      'stop z ok',
      'stop c timeout',
      'stop b abandoned',
      'stop a abandoned',
      'flush z abandoned',
    ])
    expect(report.errors).toHaveLength(2) // of c, and of the total
  })

  it('says of what it calls when the total is spent that it is abandoned, or why it failed at once', async () => {
    const manager = new AsyncManager({ shutdownTimeout: 100, unreadyDelay: 200 })
    await manager.start()
    manager.addShutdownHook(() => {}, { name: 'quick' })
    manager.addShutdownHook(
      () => {
        throw error
      },
      { name: 'broken', phase: 'flush' },
    )
    const { entries, errors } = await soon(manager.shutdown())
    expect(entries.map(({ name, outcome }) => `${name} ${outcome}`)).toEqual([
      'delay abandoned',
      'quick abandoned',
      'broken error',
    ])
    expect(errors).toEqual([entries[0]?.error, error])
  })

  it('stops what two depend on after both', async () => {
    const book = new Book()
    const manager = new AsyncManager()
    manager.registerResource(book.spec('db'))
    manager.registerResource(book.spec('api', ['db'], { stop: 10 }))
    manager.registerResource(book.spec('jobs', ['db'], { stop: 100 }))
    await soon(manager.start())
    await soon(manager.shutdown())
    expect(book.log.slice(-3)).toEqual(['-api', '-jobs', '-db'])
  })

  it('lets a resource be used until it is stopped', async () => {
    const manager = new AsyncManager()
    const seen: unknown[] = []
    const handle = manager.registerResource({
      name: 'a',
      start: () => 'value',
      stop: (): void => void seen.push(handle.state, handle.value),
    })
    await manager.start()
    await manager.shutdown()
    expect(seen).toEqual(['stopping', 'value'])
    expect(() => handle.value).toThrow('Resource "a" is stopped')
  })

  it('gives each step without a budget half of what is left', async () => {
    const manager = new AsyncManager({ shutdownTimeout: 1_000 })
    for (const phase of ['unready', 'drain'] as const) {
      manager.addShutdownHook(() => new Promise(() => {}), { phase })
    }
    const stopping = manager.shutdown()
    await vi.advanceTimersByTimeAsync(750)
    expect((await stopping).entries.map(({ duration }) => duration)).toEqual([500, 250])
  })

  it('has budgets of whole milliseconds', async () => {
    const manager = new AsyncManager({ shutdownTimeout: 333 })
    manager.addShutdownHook(() => new Promise(() => {}), { name: 'hung' })
    const { errors } = await soon(manager.shutdown())
    expect(String(errors)).toBe('TimeoutError: "stop of hung" timed out after 167 ms')
  })

  it('survives a chain of 20 000', async () => {
    const manager = new AsyncManager()
    const add = (i: number, last: number) =>
      manager.registerResource({ close() {} }, { name: `${i}`, dependsOn: [`${last}`] })
    for (let i = 1; i < 20_000; i++) add(i, i - 1)
    await expect(manager.start()).rejects.toThrow('an unknown dependency')
    add(0, 19_999)
    await expect(manager.start()).rejects.toThrow('a dependency cycle')
  })

  it('takes nothing more once it was asked for', async () => {
    const manager = new AsyncManager({ name: 'shop' })
    const stopping = manager.shutdown()
    const spec = { name: 'db', start: () => expect.unreachable() }
    expect(() => manager.registerResource(spec)).toThrow(
      'AsyncManager "shop" is draining: it does not take the resource "db"',
    )
    expect(() => manager.addShutdownHook(() => {})).toThrow(LifecycleError)
    expect(() => manager.addStartupHook(() => {})).toThrow(LifecycleError)
    await stopping
  })

  it('is asked for by the signal option', async () => {
    using source = new CancellationTokenSource()
    const manager = new AsyncManager({ signal: source.token })
    source.cancel('why')
    expect((await manager.waitForShutdown()).reason).toEqual({ kind: 'signal', detail: 'why' })
  })

  it('tells whoever waits for the start what the signal was cancelled with', async () => {
    const controller = new AbortController()
    const manager = new AsyncManager({ signal: controller.signal })
    manager.registerResource({ name: 'a', start: ({ token }) => delay(10, { signal: token }) })
    const starting = manager.start().catch((e) => e)
    controller.abort(error)
    expect((await soon(starting)).cause).toBe(error)
  })

  it('cancels the token with a ShutdownError that tells why', async () => {
    const manager = new AsyncManager()
    await manager.shutdown('deploy')
    expect(manager.token.reason).toBeInstanceOf(ShutdownError)
    expect(manager.token.reason).toMatchObject({ reason: { kind: 'requested', detail: 'deploy' } })
  })

  it('survives a cycle that was never started', async () => {
    const manager = new AsyncManager()
    const close = vi.fn()
    manager.registerResource({ close }, { name: 'a', dependsOn: ['b'] })
    manager.registerResource({ close }, { name: 'b', dependsOn: ['a'] })
    await manager.shutdown()
    expect(close).toHaveBeenCalledTimes(2)
  })

  it('comes with `await using`, and throws what went wrong', async () => {
    const work = async () => {
      await using manager = new AsyncManager()
      manager.addShutdownHook(() => Promise.reject(error))
      await manager.start()
    }
    await expect(work()).rejects.toBe(error)
    const failing = async () => {
      await using manager = new AsyncManager()
      manager.registerResource({ name: 'x', start: () => Promise.reject(error) })
      await manager.start()
    }
    await expect(failing()).rejects.toBe(error)
  })
})

describe('registration', () => {
  it('throws all that went wrong when it is disposed, also a late start', async () => {
    const manager = new AsyncManager()
    const late = new Error('late')
    await manager.start()
    const { ready } = manager.registerResource({ name: 'a', start: () => Promise.reject(late) })
    await expect(ready).rejects.toBe(late)
    manager.addShutdownHook(() => Promise.reject(error))
    const thrown = await soon(manager[Symbol.asyncDispose]()).catch((error: unknown) => error)
    expect(thrown).toMatchObject({ errors: [late, error] })
  })

  it('refuses a name that is taken', () => {
    const manager = new AsyncManager()
    manager.registerResource({ name: 'db', start: () => {} })
    expect(() => manager.registerResource({ name: 'db', start: () => {} })).toThrow(
      'has a resource "db" already',
    )
  })

  it('lets a resource go without stopping it', async () => {
    const stop = vi.fn()
    const manager = new AsyncManager()
    const handle = manager.registerResource({ name: 'db', start: () => 1, stop })
    await manager.start()
    expect(manager.unregisterResource('other')).toBe(false)
    expect(manager.unregisterResource(handle)).toBe(true)
    expect(manager.unregisterResource(handle)).toBe(false)
    await manager.shutdown()
    expect(stop).not.toHaveBeenCalled()
  })

  it('starts without what is let go of meanwhile, whether that waited or fails', async () => {
    const manager = new AsyncManager()
    const start = vi.fn()
    manager.registerResource({ name: 'a', start: () => delay(10) })
    const waiting = manager.registerResource({ name: 'b', dependsOn: ['a'], start })
    const failing = manager.registerResource({
      name: 'c',
      start: () => delay(10).then(() => Promise.reject(error)),
    })
    const starting = manager.start()
    await vi.advanceTimersByTimeAsync(5)
    expect([waiting, failing].map((each) => manager.unregisterResource(each))).toEqual([true, true])
    await expect(waiting.ready).rejects.toThrow('let go of "b" before its start')
    await soon(starting)
    await expect(failing.ready).rejects.toBe(error)
    expect([start.mock.calls, manager.state]).toEqual([[], 'running'])
    expect((await manager.shutdown()).code).toBe(0)
  })

  it('has nothing more to do with a resource that was let go of', async () => {
    const manager = new AsyncManager()
    await manager.start()
    const start = () => delay(10).then(() => Promise.reject(error))
    const old = manager.registerResource({ name: 'a', start })
    await vi.advanceTimersByTimeAsync(5)
    expect(manager.unregisterResource(old)).toBe(true)
    manager.registerResource({ name: 'a', start: () => {} })
    expect(manager.unregisterResource(old)).toBe(false) // the one there now is another
    await expect(soon(old.ready)).rejects.toBe(error)
    expect(await soon(manager.shutdown())).toMatchObject({ code: 0, errors: [] })
  })

  it('keeps `this` of a description that is an object with methods', async () => {
    class Db {
      readonly name = 'db'
      #open = false
      start() {
        this.#open = true
      }
      stop() {
        expect(this.#open).toBe(true)
        this.#open = false
      }
    }
    const manager = new AsyncManager()
    manager.registerResource(new Db(), { name: 'renamed' })
    await manager.start()
    expect((await manager.shutdown()).entries).toMatchObject([{ name: 'renamed', outcome: 'ok' }])
  })

  it('tells listeners of everything, whatever they throw', async () => {
    const reported: unknown[] = []
    vi.stubGlobal('reportError', (thrown: unknown) => reported.push(thrown))
    const events: LifecycleEvent[] = []
    const manager = new AsyncManager({
      name: 'shop',
      onEvent: () => {
        throw error
      },
    })
    using _ = manager.subscribe((event) => events.push(event))
    manager.registerResource({ name: 'db', start: () => {}, stop: () => {} })
    await manager.start()
    await manager.shutdown()
    expect(events.map(({ type, name, state }) => `${type} ${name} ${state}`)).toEqual([
      'manager shop starting',
      'resource db starting',
      'resource db started',
      'manager shop running',
      'manager shop draining',
      'manager shop stopping',
      'resource db stopping',
      'step db ok',
      'resource db stopped',
      'manager shop stopped',
    ])
    expect(reported).toHaveLength(events.length)
    vi.unstubAllGlobals()
  })

  it('shows what it manages', async () => {
    const manager = new AsyncManager({ name: 'shop' })
    manager.registerResource({ name: 'db', start: () => {}, stop: () => delay(500) })
    await manager.start()
    manager.createTask((token) => delay(10_000, { signal: token }), { name: 'poll' })
    void manager.track(delay(100), 'upload')
    await vi.advanceTimersByTimeAsync(50)
    expect(manager.inspect()).toEqual({
      name: 'shop',
      state: 'running',
      uptime: 50,
      resources: [{ name: 'db', state: 'started', dependsOn: [], age: 50 }],
      tasks: [{ name: 'poll', state: 'running', restarts: 0, age: 50 }],
      tracked: [{ name: 'upload', age: 50 }],
      entries: [],
    })
    const stopping = manager.shutdown()
    await vi.advanceTimersByTimeAsync(150)
    expect(manager.inspect().entries.at(-1)).toMatchObject({
      name: 'db',
      phase: 'stop',
      outcome: 'abandoned',
    })
    await soon(stopping)
  })

  it('tells how long it is up', async () => {
    const manager = new AsyncManager()
    await vi.advanceTimersByTimeAsync(50)
    expect(manager.uptime).toBe(0)
    await manager.start()
    await vi.advanceTimersByTimeAsync(100)
    expect(manager.uptime).toBe(100)
    await manager.shutdown()
    expect(manager.uptime).toBe(0)
  })

  it('lets an edge runtime wait for work in flight', async () => {
    const manager = new AsyncManager()
    await manager.drain()
    void manager.track(delay(100))
    let drained = false
    const draining = manager.drain().then(() => {
      drained = true
    })
    await vi.advanceTimersByTimeAsync(99)
    expect(drained).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    await draining
    void manager.track(Promise.reject(error)).catch(() => {})
    await manager.drain()
    void manager.track(delay(100))
    await expect(manager.drain({ signal: AbortSignal.abort(error) })).rejects.toBe(error)
    await vi.advanceTimersByTimeAsync(100)
  })
})

describe('health', () => {
  it('is failing until all is started and once a stop begins', async () => {
    const manager = new AsyncManager()
    expect(await manager.health()).toEqual({
      status: 'failing',
      state: 'idle',
      ready: false,
      live: true,
      checks: [],
    })
    await manager.start()
    expect((await manager.health()).status).toBe('ok')
    const stopping = manager.shutdown()
    expect(await manager.health()).toMatchObject({ status: 'failing', ready: false, live: true })
    await stopping
    expect(await manager.health()).toMatchObject({ ready: false, live: false })
  })

  it('runs all checks at once and names those that fail, hang or give false', async () => {
    const manager = new AsyncManager()
    const checks = {
      good: (_: unknown, token: CancellationToken) => delay(50, { signal: token }),
      bad: () => Promise.reject(error),
      no: () => false,
      hung: () => new Promise(() => {}),
    }
    for (const [name, check] of Object.entries(checks))
      manager.registerResource({ name, start: () => {}, check })
    await manager.start()
    const asking = manager.health({ timeout: 100 })
    await vi.advanceTimersByTimeAsync(100)
    const report = await asking
    expect(report.status).toBe('failing')
    expect(report.checks).toMatchObject([
      { name: 'good', outcome: 'ok', duration: 50 },
      { name: 'bad', outcome: 'error', error },
      { name: 'no', outcome: 'error' },
      { name: 'hung', outcome: 'timeout', duration: 100 },
    ])
    using source = new CancellationTokenSource()
    const aborted = manager.health({ signal: source.token })
    source.cancel(error)
    await expect(aborted).rejects.toBe(error)
    await soon(manager.shutdown())
  })

  it('is ok when every check passes, and asks only what can be asked', async () => {
    const manager = new AsyncManager()
    manager.registerResource({ name: 'a', start: () => {}, check: () => true })
    manager.registerResource({ name: 'b', start: () => {} })
    await manager.start()
    const { status, checks } = await manager.health()
    expect([status, checks.map(({ name }) => name)]).toEqual(['ok', ['a']])
    await manager.shutdown()
  })

  it('answers standard requests', async () => {
    const manager = new AsyncManager()
    const handler = manager.healthHandler()
    const ask = async (path: string, method = 'GET') => {
      const response = await handler(new Request(`http://x${path}`, { method }))
      return [response.status, await response.text()]
    }
    expect(await ask('/ready')).toEqual([503, '{"ready":false}'])
    manager.registerResource({ name: 'db', start: () => {}, check: () => Promise.reject(error) })
    await manager.start()
    expect(await ask('/internal/ready?x=1')).toEqual([200, '{"ready":true}'])
    expect(await ask('/live')).toEqual([200, '{"live":true}'])
    const [status, body] = await ask('/health')
    expect(status).toBe(503)
    expect(JSON.parse(String(body))).toMatchObject({
      status: 'failing',
      checks: [{ name: 'db', error: 'Error: broken' }],
    })
    const bare = { name: 'bare', start: () => {}, check: () => Promise.reject(Object.create(null)) }
    await manager.registerResource(bare).ready
    const [, all] = await ask('/health')
    expect(JSON.parse(String(all)).checks[1]).toMatchObject({ error: '[object Object]' })
    expect(await ask('/live', 'HEAD')).toEqual([200, ''])
    expect(await ask('/other')).toEqual([404, ''])
    expect((await ask('/live', 'POST'))[0]).toBe(405)
    await manager.shutdown()
  })
})

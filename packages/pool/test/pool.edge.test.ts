import {
  type CancellationToken,
  CancellationTokenSource,
  ClosedError,
  QueueFullError,
} from '@uno-async/core'
import {
  type AcquireTimeoutError,
  AsyncResource,
  AsyncResourcePool,
  type PoolCloseResult,
  type PoolEvent,
  type PoolLeak,
  type PoolLease,
} from '@uno-async/pool'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { deferred, failure, settle } from './helpers.js'

const never = (): Promise<never> => new Promise(() => {})

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

describe('who is dead before anybody could have it', () => {
  it.each([
    [
      'broken at once',
      { onBroken: (_: number, broken: (reason?: unknown) => void) => broken('reset by peer') },
    ],
    ['older than maxLifetime', { maxLifetime: 0 }],
  ])('counts like a create that failed: %s', async (_, options) => {
    vi.spyOn(Math, 'random').mockReturnValue(1)
    const attempts: number[] = []
    const pool = new AsyncResourcePool<number>({
      create: ({ attempt }) => attempts.push(attempt),
      max: 5,
      acquireTimeout: 1_000,
      ...options,
    })
    const waiting = failure(pool.acquire())
    await vi.advanceTimersByTimeAsync(1_000)
    const { cause } = (await waiting) as AcquireTimeoutError
    expect(String(cause)).toContain('a new one died')
    if ('onBroken' in options) expect((cause as Error).cause).toBe('reset by peer')
    // after 10, 20, 40, …, 640 ms
    expect(attempts).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(pool.stats()).toMatchObject({ failed: 7, destroyed: 7, total: 0 })
    await pool.close()
  })

  it('counts so, too, if it dies while it is kept for `min`', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(1)
    let created = 0
    const pool = new AsyncResourcePool<number>({
      create: () => ++created,
      onBroken: (_, broken) => void Promise.resolve().then(() => Promise.resolve().then(broken)),
      max: 1,
      min: 1,
    })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(created).toBe(7)
    await pool.close()
  })

  it('gives up with `retryCreate: false`', async () => {
    const pool = new AsyncResourcePool<number>({
      name: 'db',
      create: () => 1,
      max: 1,
      retryCreate: false,
      onBroken: (_, broken) => broken(),
    })
    expect(String(await failure(pool.acquire()))).toContain('"db": a new one died')
  })

  it('is forgotten as soon as one is lent', async () => {
    const attempts: number[] = []
    const pool = new AsyncResourcePool<number>({
      create: ({ attempt }) => attempts.push(attempt),
      max: 2,
      onBroken: (n, broken) => n === 1 && broken(),
    })
    const first = pool.acquire()
    await vi.advanceTimersByTimeAsync(10)
    await first
    await pool.acquire()
    expect(attempts).toEqual([1, 2, 1])
  })
})

describe('AsyncResourcePool.of', () => {
  it('does not lend again what was closed, by who had it or while it was idle', async () => {
    class Plain extends AsyncResource {
      protected override initialize(): void {}
      protected override cleanup(): void {}
    }
    const pool = AsyncResourcePool.of(() => new Plain(), { max: 1 })
    const first = await pool.run(async (it) => {
      await it.close()
      return it
    })
    const second = await pool.run((it) => it)
    expect(second).not.toBe(first)
    await settle()
    await second.close()
    expect(pool.tryAcquire()).toBeUndefined()
    expect(await pool.run((it) => it.state)).toBe('open')
    await pool.close()
  })

  it('may try again with a resource that failed to open', async () => {
    let attempts = 0
    class Flaky extends AsyncResource {
      protected override initialize(): void {
        if (++attempts < 3) throw new Error('down')
      }
      protected override cleanup(): void {}
    }
    const only = new Flaky()
    const pool = AsyncResourcePool.of(() => only, { max: 1, retryCreate: () => 1 })
    const waiting = pool.acquire()
    await vi.advanceTimersByTimeAsync(10)
    const lease = await waiting
    expect([lease.resource, attempts]).toEqual([only, 3])
    lease.release()
    await pool.close()
  })

  it('counts an open that overran to max until it has been undone', async () => {
    const gates: ReturnType<typeof deferred<void>>[] = []
    let cleaned = 0
    class Slow extends AsyncResource {
      protected override initialize(): Promise<void> {
        const gate = deferred()
        gates.push(gate)
        return gate.promise
      }
      protected override cleanup(): void {
        cleaned++
      }
    }
    const pool = AsyncResourcePool.of(() => new Slow(), {
      max: 1,
      createTimeout: 10,
      retryCreate: () => 1,
    })
    const waiting = pool.acquire()
    await vi.advanceTimersByTimeAsync(1_000)
    expect([gates.length, pool.stats().total]).toEqual([1, 1])
    gates[0]?.resolve()
    await settle()
    expect([gates.length, cleaned]).toEqual([2, 1])
    gates[1]?.resolve()
    const lease = await waiting
    lease.release()
    await pool.close()
  })
})

describe('closing', () => {
  it('is one promise, for who closes in destroy, too', async () => {
    let inner: Promise<PoolCloseResult> | undefined
    const pool = new AsyncResourcePool({
      create: () => 1,
      max: 1,
      destroy: () => {
        inner = pool.close()
      },
    })
    await pool.run(() => {})
    const outer = pool.close()
    await outer
    expect(inner).toBe(outer)
    expect(await inner).toEqual({ forced: 0, errors: [] })
  })

  it('tells of those that are still being destroyed', async () => {
    const pool = new AsyncResourcePool({ name: 'db', create: () => 1, max: 1, destroy: never })
    await pool.run(() => {})
    const closing = pool.close({ timeout: 100 })
    await vi.advanceTimersByTimeAsync(100)
    const { errors } = await closing
    expect(errors.map(String)).toEqual([
      'TimeoutError: AsyncResourcePool "db": 1 still being destroyed after 100 ms',
    ])
    await vi.advanceTimersByTimeAsync(5_000)
    expect(errors).toHaveLength(1)
  })
})

describe('closing at its timeout', () => {
  it('settles though a destroy may take for ever, and does', async () => {
    const pool = new AsyncResourcePool({
      name: 'db',
      create: () => 1,
      max: 1,
      destroy: never,
      destroyTimeout: Infinity,
    })
    await pool.acquire()
    const closing = pool.close({ timeout: 100 })
    await vi.advanceTimersByTimeAsync(100 + 5_000)
    const { forced, errors } = await closing
    expect(forced).toBe(1)
    expect(errors.map(String)).toEqual([
      'TimeoutError: AsyncResourcePool "db": 1 still being destroyed after 100 ms',
    ])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('waits for a destroy that takes its time', async () => {
    const destroy = () => new Promise((resolve) => setTimeout(resolve, 1_000))
    const pool = new AsyncResourcePool({
      create: () => 1,
      max: 1,
      destroy,
      destroyTimeout: Infinity,
    })
    await pool.acquire()
    const closing = pool.close({ timeout: 100 })
    await vi.advanceTimersByTimeAsync(100 + 1_000)
    expect(await closing).toEqual({ forced: 1, errors: [] })
    expect(pool.stats().total).toBe(0)
    expect(vi.getTimerCount()).toBe(0)
  })

  it.each(['validate', 'reset'] as const)(
    'destroys what is in a %s that hangs',
    async (operation) => {
      const tokens: CancellationToken[] = []
      const destroyed: unknown[] = []
      const events: PoolEvent[] = []
      const pool = new AsyncResourcePool({
        create: () => 1,
        max: 1,
        [operation]: (_: number, token: CancellationToken) => {
          tokens.push(token)
          return never()
        },
        validateAfterIdle: 0,
        validateTimeout: Infinity,
        destroy: (_, reason) => destroyed.push(reason),
        onEvent: (event) => events.push(event),
      })
      await pool.run(() => {})
      const waiting = failure(pool.acquire())
      const closing = pool.close({ timeout: 100 })
      expect(await waiting).toBeInstanceOf(ClosedError)
      await vi.advanceTimersByTimeAsync(99)
      expect(tokens.map(({ cancelled }) => cancelled)).toEqual([false])
      await vi.advanceTimersByTimeAsync(1)
      expect(await closing).toEqual({ forced: 0, errors: [] })
      expect(tokens[0]?.reason).toBeInstanceOf(ClosedError)
      expect(destroyed).toEqual(['closed'])
      expect(events.map(({ type }) => type)).toEqual(['created', 'destroyed'])
      expect(pool.stats()).toMatchObject({ total: 0, busy: 0 })
      expect(vi.getTimerCount()).toBe(0)
    },
  )
})

describe('a dead one in front of a live one', () => {
  class Session extends AsyncResource {
    protected override initialize(): void {}
    protected override cleanup(): void {}
  }

  it('does not hide that from who does not wait', async () => {
    const pool = AsyncResourcePool.of(() => new Session(), { max: 3 })
    const leases = await Promise.all([1, 2, 3].map(() => pool.acquire()))
    const [alive, other, dead] = leases.map(({ resource }) => resource)
    for (const lease of leases) lease.release()
    await settle()
    await dead?.close()
    expect(pool.tryAcquire()?.resource).toBe(other)
    expect((await pool.acquire({ timeout: 0 })).resource).toBe(alive)
    expect(pool.tryAcquire()).toBeUndefined()
    await settle()
    expect(pool.stats()).toMatchObject({ total: 2, destroyed: 1 })
    await pool.close({ timeout: 0 })
  })
})

describe('destroyOn', () => {
  it('is not asked of a resource that was never used', async () => {
    const pool = new AsyncResourcePool({ create: () => ({}), max: 1 })
    const lease = await pool.acquire()
    const source = new CancellationTokenSource()
    const destroyOn = vi.fn(() => true)
    const waiting = failure(pool.run(() => 1, { signal: source.token, destroyOn }))
    lease.release() // handed over …
    source.cancel() // … and cancelled before anybody could look
    expect(await waiting).toBe(source.token.error)
    expect(destroyOn).not.toHaveBeenCalled()
    expect(pool.stats()).toMatchObject({ idle: 1, destroyed: 0 })
    await pool.close()
  })
})

describe('why one broke', () => {
  it.each([true, false])('is told once, lent or not: %s', async (lent) => {
    const events: PoolEvent[] = []
    let broken!: (reason?: unknown) => void
    const pool = new AsyncResourcePool({
      create: () => 1,
      destroy: () => broken('closed by us'), // as a socket tells, too
      onBroken: (_, it) => {
        broken = it
      },
      max: 1,
      onEvent: (event) => events.push(event),
    })
    const lease = await pool.acquire()
    if (!lent) lease.release()
    const error = new Error('ECONNRESET')
    broken(error)
    broken(new Error('again'))
    lease.release()
    await settle()
    expect(events).toEqual([
      { type: 'created' },
      { type: 'broken', error },
      { type: 'destroyed', reason: 'broken' },
    ])
    await pool.run(() => {})
    broken()
    await settle()
    expect(events.slice(3)).toEqual([{ type: 'created' }, { type: 'destroyed', reason: 'broken' }])
    await pool.run(() => {})
    await pool.close()
    expect(events.slice(5)).toEqual([{ type: 'created' }, { type: 'destroyed', reason: 'closed' }])
  })
})

describe('one that breaks while it is validated or reset', () => {
  it.each(['validate', 'reset'] as const)('is not waited for any longer: %s', async (operation) => {
    const tokens: CancellationToken[] = []
    const events: PoolEvent[] = []
    const breaks: ((reason: unknown) => void)[] = []
    let made = 0
    const pool = new AsyncResourcePool({
      create: () => ++made,
      max: 1,
      [operation]: (id: number, token: CancellationToken) => {
        tokens.push(token)
        return id === 1 ? never() : true
      },
      validateAfterIdle: 0,
      onBroken: (_, it) => breaks.push(it),
      onEvent: (event) => events.push(event),
    })
    await pool.run(() => {})
    const waiting = pool.acquire()
    await settle()
    const error = new Error('ECONNRESET')
    breaks[0]?.(error)
    const lease = await waiting
    expect(lease.resource).toBe(2)
    expect(tokens[0]?.reason).toBe(error)
    expect(events).toEqual([
      { type: 'created' },
      { type: 'broken', error },
      { type: 'destroyed', reason: 'broken' },
      { type: 'created' },
    ])
    expect(pool.stats()).toMatchObject({ total: 1, borrowed: 1, busy: 0 })
    lease.release()
    await pool.close()
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('a destroyOn that throws', () => {
  it('hides no error of use, and nobody else gets the resource', async () => {
    const reported: unknown[] = []
    vi.stubGlobal('reportError', (error: unknown) => reported.push(error))
    const destroyed: unknown[] = []
    const pool = new AsyncResourcePool({
      create: () => 1,
      destroy: (_, reason) => destroyed.push(reason),
      max: 1,
    })
    const mistake = new TypeError('no code')
    const down = new Error('down')
    const destroyOn = () => {
      throw mistake
    }
    expect(await failure(pool.run(() => Promise.reject(down), { destroyOn }))).toBe(down)
    expect(reported).toEqual([mistake])
    expect(destroyed).toEqual(['released'])
    vi.unstubAllGlobals()
    await pool.close()
  })
})

describe('min', () => {
  it('is filled though a create overran, where max leaves room', async () => {
    const creates = [never, () => 1]
    const pool = new AsyncResourcePool<number>({
      create: () => creates.shift()?.() ?? 2,
      max: 2,
      min: 1,
      createTimeout: 50,
      retryCreate: () => 1,
    })
    await vi.advanceTimersByTimeAsync(100)
    expect(pool.stats()).toMatchObject({ total: 2, idle: 1 })
    await pool.ready()
    await pool.close({ timeout: 0 })
  })
})

describe('a resize to a lower min', () => {
  it('lets those age that were kept for it', async () => {
    const pool = new AsyncResourcePool({ create: () => ({}), max: 3, min: 3, idleTimeout: 50 })
    await pool.ready()
    await vi.advanceTimersByTimeAsync(100)
    expect(pool.stats().idle).toBe(3)
    pool.resize({ min: 1 })
    await vi.advanceTimersByTimeAsync(100)
    expect(pool.stats().idle).toBe(1)
    await pool.close()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('ends a ready() that waits for more than there are to be', async () => {
    const gate = deferred<object>()
    const pool = new AsyncResourcePool({ create: () => gate.promise, max: 2, min: 2 })
    const ready = vi.fn()
    pool.ready().then(ready, () => {})
    pool.resize({ min: 1 })
    await settle()
    expect(ready).not.toHaveBeenCalled()
    pool.resize({ min: 0 })
    await settle()
    expect(ready).toHaveBeenCalled()
    gate.resolve({})
    await pool.close()
  })
})

describe('maxWaiting', () => {
  it('does not count those there is room for', async () => {
    const pool = new AsyncResourcePool({ create: async () => 1, max: 2, maxWaiting: 0 })
    const all = [pool.acquire(), pool.acquire()]
    expect(await failure(pool.acquire())).toBeInstanceOf(QueueFullError)
    const [a] = await Promise.all(all)
    expect(await failure(pool.acquire())).toBeInstanceOf(QueueFullError)
    a?.release()
    expect(await pool.acquire()).toMatchObject({ held: true })
  })
})

describe('re-entry', () => {
  it('a create that asks for one itself makes no more than max', async () => {
    let most = 0
    let asks = 2
    const pool: AsyncResourcePool<object> = new AsyncResourcePool<object>({
      max: 3,
      min: 3,
      create: async () => {
        if (asks-- > 0) void pool.acquire()
        most = Math.max(most, pool.stats().total)
        return {}
      },
    })
    await pool.ready()
    await settle()
    expect(most).toBe(3)
    expect(pool.stats()).toMatchObject({ total: 3, borrowed: 2, idle: 1, created: 3 })
    await pool.close({ timeout: 0 })
  })

  it('a create that throws at once is not tried again at once, however many wait', async () => {
    let attempts = 0
    const pool = new AsyncResourcePool({
      max: 10,
      retryCreate: () => 0,
      create: (): number => {
        attempts++
        throw new Error('down')
      },
    })
    const closed = Promise.all(Array.from({ length: 10 }, () => failure(pool.acquire())))
    expect(attempts).toBe(1)
    await vi.advanceTimersByTimeAsync(10)
    expect(attempts).toBe(11)
    await pool.close()
    await closed
  })
})

describe('timeouts', () => {
  it('tell who has held one for longest', async () => {
    const pool = new AsyncResourcePool({ create: () => ({}), max: 6 })
    const leases: PoolLease<object>[] = []
    for (const label of 'abcdef') {
      leases.push(await pool.acquire({ label }))
      await vi.advanceTimersByTimeAsync(10)
    }
    leases.shift()?.release()
    leases.push(await pool.acquire({ label: 'again' }))
    await vi.advanceTimersByTimeAsync(5)
    const error = (await failure(pool.acquire({ timeout: 0 }))) as AcquireTimeoutError
    const five = [...'bcdef'].map((label, i) => ({ label, heldFor: 55 - 10 * i }))
    expect(error.holders).toEqual(five)
    expect(error.message).toContain('6 of 6 borrowed, longest by "b" for 55 ms')
    expect(leases.pop()?.heldFor).toBe(5)
    leases.pop()?.release()
    const { available, holders } = pool.inspect()
    expect(available).toBe(1)
    expect(holders).toMatchObject([{ label: 'again', heldFor: 5 }, ...five.slice(0, 4)])
    for (const lease of leases) lease.release()
    await pool.close({ timeout: 0 })
  })

  it('say what was left of a deadline without a tail of digits', async () => {
    const pool = new AsyncResourcePool({ create: () => ({}), max: 1 })
    const lease = await pool.acquire()
    const error = failure(pool.acquire({ timeout: 5.123456789 }))
    await vi.advanceTimersByTimeAsync(6)
    expect(String(await error)).toContain('timed out after 5.123 ms (')
    lease.release()
    await pool.close()
  })

  it('say nothing of a label or a cause that there is not', async () => {
    const pool = new AsyncResourcePool({ create: () => ({}), max: 1 })
    await pool.acquire()
    const error = await failure(pool.acquire({ timeout: 0 }))
    expect(String(error)).toContain('1 of 1 borrowed, longest for 0 ms;')
    expect(error).not.toHaveProperty('cause')
    await pool.close({ timeout: 0 })
  })

  it('say whose they are', async () => {
    const events: PoolEvent[] = []
    const pool = new AsyncResourcePool({
      name: 'db',
      create: () => 1,
      max: 1,
      validate: never,
      reset: (_, token) => (resetting ? token.race(never()) : undefined),
      destroy: never,
      validateAfterIdle: 0,
      validateTimeout: 5,
      destroyTimeout: 6,
      onEvent: (event) => events.push(event),
    })
    let resetting = false
    ;(await pool.acquire()).release()
    await settle()
    const second = pool.acquire()
    await vi.advanceTimersByTimeAsync(20)
    resetting = true
    ;(await second).release()
    await vi.advanceTimersByTimeAsync(20)
    const messages = events.map((event) => 'error' in event && (event.error as Error).message)
    expect(messages).toContain('AsyncResourcePool "db": validate timed out after 5 ms')
    expect(messages).toContain('AsyncResourcePool "db": destroy timed out after 6 ms')
    expect(messages).toContain('AsyncResourcePool "db": reset timed out after 5 ms')
  })

  it('of a create say so, and keep the process alive for who waits', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout')
    const pool = new AsyncResourcePool({
      name: 'db',
      create: never,
      max: 1,
      retryCreate: false,
      acquireTimeout: Infinity,
      createTimeout: 5,
    })
    const waiting = failure(pool.acquire())
    await settle()
    const refs = timers.mock.results.map(({ value }) => value.hasRef())
    expect(refs).toEqual([true])
    await vi.advanceTimersByTimeAsync(5)
    expect(String(await waiting)).toBe(
      'TimeoutError: AsyncResourcePool "db": create timed out after 5 ms',
    )
  })
})

describe('a pause before a retry', () => {
  it.each([
    ['keeps the process alive for who waits', true],
    ['keeps no process alive for `min`', false],
  ])('%s', async (_, waits) => {
    const timers = vi.spyOn(globalThis, 'setTimeout')
    const pool = new AsyncResourcePool({
      create: () => Promise.reject(new Error('down')),
      max: 1,
      min: 1,
      acquireTimeout: Infinity,
      retryCreate: () => 50,
    })
    const waiting = waits ? failure(pool.acquire()) : undefined
    await settle()
    expect(timers.mock.results.at(-1)?.value.hasRef()).toBe(waits)
    await pool.close()
    expect(vi.getTimerCount()).toBe(0)
    await waiting
  })

  it('keeps it alive for ready(), also for one that comes later, and ends when it would have', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout')
    const create = vi.fn(() => Promise.reject(new Error('down')))
    const pool = new AsyncResourcePool({ create, max: 1, min: 1, retryCreate: () => 50 })
    await settle()
    expect(timers.mock.results.at(-1)?.value.hasRef()).toBe(false)
    await vi.advanceTimersByTimeAsync(20)
    const ready = failure(pool.ready())
    expect(timers.mock.results.at(-1)?.value.hasRef()).toBe(true)
    expect(vi.getTimerCount()).toBe(1)
    await vi.advanceTimersByTimeAsync(29)
    expect(create).toHaveBeenCalledTimes(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(create).toHaveBeenCalledTimes(2)
    expect(timers.mock.results.at(-1)?.value.hasRef()).toBe(true)
    await pool.close()
    expect(await ready).toBeInstanceOf(ClosedError)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('a limit', () => {
  it('of what close() waits for keeps the process alive', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout')
    const options = { create: () => ({}), destroy: never, destroyTimeout: 50, max: 1 }
    const pool = new AsyncResourcePool(options)
    await pool.acquire()
    const closing = pool.close({ timeout: 0 })
    await settle()
    expect(timers.mock.results.at(-1)?.value.hasRef()).toBe(true)
    await vi.advanceTimersByTimeAsync(50)
    expect((await closing).forced).toBe(1)
  })

  it.each(['validate', 'reset'])(
    'of a %s keeps the process alive for who waits',
    async (operation) => {
      const timers = vi.spyOn(globalThis, 'setTimeout')
      const pool = new AsyncResourcePool({
        create: () => ({}),
        [operation]: never,
        validateTimeout: 50,
        validateAfterIdle: 0,
        acquireTimeout: Infinity,
        max: 1,
      })
      const first = await pool.acquire()
      if (operation === 'validate') first.release()
      const waiting = pool.acquire()
      first.release()
      await settle()
      expect(timers.mock.results.at(-1)?.value.hasRef()).toBe(true)
      await vi.advanceTimersByTimeAsync(50)
      ;(await waiting).release({ destroy: true })
      await pool.close()
    },
  )
})

describe('leaks', () => {
  it('the stack is that of who acquired, not of who released what they got', async () => {
    const leaks: PoolLeak[] = []
    const pool = new AsyncResourcePool({
      create: () => 1,
      max: 1,
      leakAfter: 10,
      onLeak: (leak) => leaks.push(leak),
    })
    const a = await pool.acquire()
    const leaker = () => pool.acquire()
    const innocent = () => a.release()
    const leaked = leaker()
    innocent()
    await leaked
    await vi.advanceTimersByTimeAsync(10)
    expect(leaks.at(-1)?.stack).toContain('leaker')
    expect(leaks.at(-1)?.stack).not.toContain('innocent')
  })
})

describe('AsyncResource', () => {
  class Plain extends AsyncResource {
    readonly log: string[] = []
    during: () => unknown = () => {}
    opened = deferred()
    failing: unknown = undefined

    protected override initialize(): Promise<void> | void {
      this.log.push('initialize')
      this.during()
      return this.opened.promise
    }
    protected override cleanup(): void {
      this.log.push('cleanup')
      if (this.failing) throw this.failing
    }
  }

  it('that closes itself while it opens is closed and cleaned up', async () => {
    const plain = new Plain()
    let closing: Promise<void> | undefined
    plain.during = () => {
      closing = plain.close()
    }
    plain.opened.resolve()
    expect(await failure(plain.open())).toBeInstanceOf(ClosedError)
    await closing
    expect([plain.state, plain.log]).toEqual(['closed', ['initialize', 'cleanup']])
  })

  it('is closed for good to a cleanup that opens or closes it', async () => {
    class Reconnecting extends AsyncResource {
      readonly log: string[] = []
      readonly again: Promise<unknown>[] = []
      readonly cleaned = deferred()
      protected override initialize(): void {
        this.log.push('initialize')
      }
      protected override cleanup(reason: unknown): Promise<void> {
        this.log.push(`cleanup ${reason}`)
        // As a listener of its `close` event would.
        this.again.push(failure(this.open()), this.close('again'))
        return this.cleaned.promise
      }
    }
    const it = await new Reconnecting().open()
    const closing = it.close('bye')
    expect(it.again[1]).toBe(closing)
    expect(await it.again[0]).toBeInstanceOf(ClosedError)
    expect(it.state).toBe('closing')
    it.cleaned.resolve()
    await closing
    expect([it.state, it.log]).toEqual(['closed', ['initialize', 'cleanup bye']])
  })

  it('refuses at once to open while close() waits for an open that hangs', async () => {
    const hanging = new (class extends AsyncResource {
      readonly gate = deferred()
      protected override initialize(): Promise<void> {
        return this.gate.promise
      }
      protected override cleanup(): void {}
    })()
    const opening = failure(hanging.open())
    const closing = hanging.close()
    const late = vi.fn()
    hanging.open().catch(late)
    await settle()
    expect(late).toHaveBeenCalledWith(expect.any(ClosedError))
    hanging.gate.resolve()
    await closing
    expect(await opening).toBeInstanceOf(ClosedError)
  })

  it('open() while it opens shares that, from within, too', async () => {
    const plain = new Plain()
    let inner: Promise<Plain> | undefined
    plain.during = () => {
      inner = plain.open()
    }
    const outer = plain.open()
    plain.opened.resolve()
    expect(await outer).toBe(plain)
    expect(await inner).toBe(plain)
    expect(plain.log).toEqual(['initialize'])
    await plain.close()
  })

  it('close() during an open rejects if cleanup does; open() is told only that it was closed', async () => {
    const plain = new Plain()
    plain.failing = new Error('stuck')
    const opening = failure(plain.open())
    const closing = failure(plain.close())
    plain.opened.resolve()
    expect(await opening).toBeInstanceOf(ClosedError)
    expect(await closing).toBe(plain.failing)
    expect(plain.state).toBe('closed')
  })

  it('close() after an open that failed does not repeat the error of its cleanup', async () => {
    const plain = new Plain()
    plain.failing = new Error('stuck')
    plain.opened.reject(new Error('boom'))
    expect(await failure(plain.open())).toEqual(new Error('boom'))
    await plain.close()
    expect(plain.state).toBe('closed')
  })

  it('a timeout of open says whose it is, and keeps the process alive', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout')
    const opening = failure(new Plain({ name: 's' }).open({ timeout: 5 }))
    await settle()
    expect(timers.mock.results.map(({ value }) => value.hasRef())).toEqual([true])
    await vi.advanceTimersByTimeAsync(5)
    expect(String(await opening)).toBe('TimeoutError: AsyncResource "s": open timed out after 5 ms')
    expect(vi.getTimerCount()).toBe(0)
  })
})

import {
  AsyncVariable,
  CancellationToken,
  CancellationTokenSource,
  ClosedError,
  isTimeout,
  QueueFullError,
} from '@uno-async/core'
import {
  AcquireTimeoutError,
  AsyncResourcePool,
  type PoolEvent,
  type PoolLeak,
  type PoolOptions,
  ReleasedError,
} from '@uno-async/pool'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { deferred, failure, settle } from './helpers.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

class Thing {
  readonly id: number
  dead: string | undefined = undefined
  constructor(id: number) {
    this.id = id
  }
}

/** A pool of things that are numbered as they are made. */
const things = (options: Partial<PoolOptions<Thing>> = {}) => {
  const made: Thing[] = []
  const events: PoolEvent[] = []
  const pool = new AsyncResourcePool<Thing>({
    create: async () => {
      const thing = new Thing(made.length + 1)
      made.push(thing)
      return thing
    },
    destroy: (thing, reason) => {
      expect(thing.dead).toBeUndefined()
      thing.dead = reason
    },
    max: 1,
    onEvent: (event) => events.push(event),
    ...options,
  })
  return { pool, made, events, types: () => events.map(({ type }) => type) }
}

/** Creates and whatever else are settled by hand. */
const gated = <T>() => {
  const gates: (ReturnType<typeof deferred<T>> & { token: CancellationToken })[] = []
  const wait = (token: CancellationToken): Promise<T> => {
    const gate = { ...deferred<T>(), token }
    gates.push(gate)
    return gate.promise
  }
  return { gates, wait, gate: (i: number) => gates[i] as (typeof gates)[number] }
}

describe('lending', () => {
  it('creates when somebody asks, and lends the same again', async () => {
    const { pool, made } = things()
    expect(made).toHaveLength(0)
    const a = await pool.acquire()
    expect([a.resource.id, a.held, pool.stats().borrowed]).toEqual([1, true, 1])
    vi.advanceTimersByTime(50)
    expect(a.heldFor).toBe(50)
    expect(a.release()).toBe(true)
    expect([a.held, a.heldFor]).toEqual([false, 0])
    expect((await pool.acquire()).resource.id).toBe(1)
    expect(made).toHaveLength(1)
  })

  it('serves those who wait first come first served, higher priority before', async () => {
    const { pool } = things()
    const first = await pool.acquire()
    const order: string[] = []
    const all = ['a', 'b', 'c', 'd'].map((name) =>
      pool.run(() => order.push(name), { priority: name === 'c' ? 1 : 0, label: name }),
    )
    first.release()
    await Promise.all(all)
    expect(order).toEqual(['c', 'a', 'b', 'd'])
  })

  it.each([
    ['lifo', 3],
    ['fifo', 1],
  ] as const)('%s: lends the idle one that came back last, or first', async (order, expected) => {
    const { pool } = things({ max: 3, order })
    const leases = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()])
    for (const lease of leases) lease.release()
    expect((await pool.acquire()).resource.id).toBe(expected)
  })

  it('a stale release does nothing: who holds it now keeps it', async () => {
    const { pool } = things()
    const a = await pool.acquire()
    a.release()
    const b = await pool.acquire()
    let served = false
    const c = pool.acquire().then((lease) => {
      served = true
      return lease
    })
    expect(a.release()).toBe(false)
    expect(a.release({ destroy: true })).toBe(false)
    a[Symbol.dispose]()
    await settle()
    expect([served, b.held, b.resource.id]).toEqual([false, true, 1])
    b.release()
    expect((await c).resource.dead).toBeUndefined()
  })

  it('a lease that was released throws; `using` and an explicit release get along', async () => {
    const { pool } = things({ name: 'p' })
    let lease: Awaited<ReturnType<typeof pool.acquire>>
    {
      using own = await pool.acquire()
      lease = own
      expect(own.release()).toBe(true)
    }
    expect(() => lease.resource).toThrow(ReleasedError)
    expect(() => lease.resource).toThrow('AsyncResourcePool "p": the lease was released')
    {
      await using own = await pool.acquire()
      lease = own
    }
    expect(lease.held).toBe(false)
    expect(pool.stats().idle).toBe(1)
  })

  it('tryAcquire never waits', async () => {
    const { pool } = things({ validate: () => true })
    expect(pool.tryAcquire()).toBeUndefined()
    const a = await pool.acquire()
    expect(pool.tryAcquire()).toBeUndefined()
    a.release()
    const b = pool.tryAcquire({ label: 'b' })
    expect(pool.inspect().holders).toMatchObject([{ label: 'b', weight: 1 }])
    b?.release()
    vi.advanceTimersByTime(500)
    expect(pool.tryAcquire()).toBeUndefined() // would have to be validated
  })

  it('maxWaiting: who comes then is turned away', async () => {
    const { pool } = things({ maxWaiting: 1 })
    const a = await pool.acquire()
    const b = pool.acquire()
    const error = await failure(pool.acquire())
    expect(error).toBeInstanceOf(QueueFullError)
    expect(String(error)).toContain('1 are waiting already')
    a.release()
    ;(await b).release()
  })

  it('stats and inspect tell who has what', async () => {
    const { pool } = things({ name: 'db', max: 2 })
    const a = await pool.acquire({ label: 'a' })
    const b = await pool.acquire()
    const c = pool.acquire({ label: 'c', priority: 2 })
    await settle()
    vi.advanceTimersByTime(10)
    expect(pool.inspect()).toEqual({
      name: 'db',
      capacity: 2,
      available: 0,
      closed: false,
      holders: [
        { id: expect.any(Number), label: 'a', weight: 1, heldFor: 10 },
        { id: expect.any(Number), weight: 1, heldFor: 10 },
      ],
      waiters: [{ id: expect.any(Number), label: 'c', weight: 1, waitedFor: 10, priority: 2 }],
    })
    expect(pool.stats()).toEqual({
      total: 2,
      idle: 0,
      borrowed: 2,
      creating: 0,
      busy: 0,
      waiting: 1,
      min: 0,
      max: 2,
      created: 2,
      destroyed: 0,
      failed: 0,
    })
    a.release()
    b.release()
    ;(await c).release()
  })
})

describe('run', () => {
  it('gives what use gives, and takes the resource back however it ends', async () => {
    const { pool } = things()
    expect(await pool.run(async ({ id }) => id)).toBe(1)
    expect(await pool.run(({ id }) => id)).toBe(1)
    const boom = new Error('boom')
    expect(
      await failure(
        pool.run(() => {
          throw boom
        }),
      ),
    ).toBe(boom)
    expect(await failure(pool.run(() => Promise.reject(boom)))).toBe(boom)
    expect(pool.stats()).toMatchObject({ idle: 1, borrowed: 0, created: 1 })
  })

  it('destroyOn: after these errors the resource is not used again', async () => {
    const { pool, made } = things()
    const fail = (error: Error) => failure(pool.run(() => Promise.reject(error), { destroyOn }))
    const destroyOn = (error: unknown) => error instanceof RangeError
    await fail(new Error('harmless'))
    expect(made[0]?.dead).toBeUndefined()
    await fail(new RangeError('fatal'))
    expect(made[0]?.dead).toBe('released')
  })

  it('does not call use when it was cancelled while the resource was handed over', async () => {
    const { pool } = things()
    const first = await pool.acquire()
    const source = new CancellationTokenSource()
    const use = vi.fn()
    const waiting = failure(pool.run(use, { signal: source.token }))
    await settle()
    first.release() // handed over …
    source.cancel() // … and cancelled before anybody could look
    expect(await waiting).toBe(source.token.error)
    expect(use).not.toHaveBeenCalled()
    expect(pool.stats()).toMatchObject({ idle: 1, borrowed: 0 })
  })

  it('hands on the token', async () => {
    const { pool } = things()
    const source = new CancellationTokenSource()
    await pool.run((_, token) => expect(token).toBe(source.token), { signal: source.token })
    await pool.run((_, token) => expect(token).toBe(CancellationToken.none))
  })
})

describe('cancelling', () => {
  it('in the tick of a release: the resource goes to the next', async () => {
    const { pool } = things()
    const first = await pool.acquire()
    const source = new CancellationTokenSource()
    const a = failure(pool.acquire({ signal: source.token }))
    const b = pool.acquire()
    await settle()
    source.cancel()
    first.release()
    expect(await a).toBe(source.token.error)
    expect((await b).resource.id).toBe(1)
  })

  it('rejects with the reason; who is cancelled already does not create', async () => {
    const { pool, made } = things()
    const reason = new Error('mine')
    expect(await failure(pool.acquire({ signal: AbortSignal.abort(reason) }))).toBe(reason)
    expect(await failure(pool.run(() => 1, { signal: AbortSignal.abort(reason) }))).toBe(reason)
    expect(await failure(pool.ready({ signal: AbortSignal.abort(reason) }))).toBe(reason)
    expect(made).toHaveLength(0)
  })
})

describe('timeouts', () => {
  it('name the holders, and how many wait', async () => {
    const { pool } = things({ name: 'db' })
    await pool.run(
      async () => {
        await vi.advanceTimersByTimeAsync(100)
        const inner = failure(pool.acquire({ timeout: 50, label: 'inner' }))
        await vi.advanceTimersByTimeAsync(50)
        const error = (await inner) as AcquireTimeoutError
        expect(error).toBeInstanceOf(AcquireTimeoutError)
        expect([isTimeout(error), error.code, error.name]).toEqual([
          true,
          'ETIMEDOUT',
          'AcquireTimeoutError',
        ])
        expect(error.message).toBe(
          'AsyncResourcePool "db" timed out after 50 ms (1 of 1 borrowed, longest by "outer" for 150 ms; ' +
            '0 idle, 0 being created, 1 waiting)',
        )
        expect(error.holders).toEqual([{ label: 'outer', heldFor: 150 }])
        expect(error.stats.borrowed).toBe(1)
        expect(error.cause).toBeUndefined()
      },
      { label: 'outer' },
    )
  })

  it('0 tries once', async () => {
    const { pool } = things()
    expect(await failure(pool.acquire({ timeout: 0 }))).toBeInstanceOf(AcquireTimeoutError)
    const a = await pool.acquire()
    expect(await failure(pool.acquire({ timeout: 0 }))).toBeInstanceOf(AcquireTimeoutError)
    a.release()
    expect((await pool.acquire({ timeout: 0 })).held).toBe(true)
  })

  it('acquireTimeout is the default', async () => {
    const { pool } = things({ acquireTimeout: 20, create: () => new Promise(() => {}) })
    const a = failure(pool.acquire())
    await vi.advanceTimersByTimeAsync(20)
    expect(await a).toMatchObject({ timeout: 20 })
  })
})

describe('creating', () => {
  it('creates as many as are wanted, never more than max; a late one goes idle', async () => {
    const { gates, gate, wait } = gated<Thing>()
    const { pool } = things({ max: 3, create: ({ token }) => wait(token) })
    const a = pool.acquire()
    gate(0).resolve(new Thing(0))
    const first = await a
    const all = Array.from({ length: 5 }, () => pool.acquire())
    await settle()
    expect([gates.length, pool.stats().creating]).toEqual([3, 2])
    first.release() // the head gets this, not the one that it caused to be created
    expect((await all[0])?.resource.id).toBe(0)
    gate(1).resolve(new Thing(1))
    expect((await all[1])?.resource.id).toBe(1)
    gate(2).resolve(new Thing(2))
    ;(await all[2])?.release()
    expect((await all[3])?.resource.id).toBe(2)
    ;(await all[3])?.release()
    ;(await all[4])?.release()
    expect(pool.stats()).toMatchObject({ idle: 1, borrowed: 2, total: 3 })
  })

  it('a resource that comes back while a create is on its way serves the head; the create goes idle', async () => {
    const { gate, wait } = gated<Thing>()
    const { pool } = things({ max: 2, create: ({ token }) => wait(token) })
    const a = pool.acquire()
    gate(0).resolve(new Thing(0))
    const lease = await a
    const b = pool.acquire()
    await settle()
    lease.release()
    const second = await b
    expect(second.resource.id).toBe(0)
    gate(1).resolve(new Thing(1))
    await settle()
    expect(pool.stats()).toMatchObject({ idle: 1, borrowed: 1 })
  })

  it('that fails once: who waits keeps their place', async () => {
    let fails = 1
    const { pool, types } = things({
      create: async () => {
        if (fails-- > 0) throw new Error('once')
        return new Thing(1)
      },
    })
    const order: number[] = []
    const all = [1, 2, 3].map((n) => pool.run(() => order.push(n)))
    await vi.advanceTimersByTimeAsync(10)
    await Promise.all(all)
    expect(order).toEqual([1, 2, 3])
    expect(types()).toEqual(['create-failed', 'created'])
    expect(pool.stats()).toMatchObject({ failed: 1, created: 1 })
  })

  it('that hangs does not keep another, which failed, from being tried again', async () => {
    const creates = [
      () => new Promise<never>(() => {}),
      () => {
        throw new Error('once')
      },
    ]
    const { pool } = things({ max: 2, create: () => creates.shift()?.() ?? new Thing(1) })
    const order: number[] = []
    const all = [1, 2, 3].map((n) => pool.run(() => order.push(n)))
    await vi.advanceTimersByTimeAsync(10)
    await Promise.all(all)
    expect(order).toEqual([1, 2, 3])
    expect(pool.stats()).toMatchObject({ failed: 1, created: 1, creating: 1 })
    await pool.close({ timeout: 0 })
  })

  it('that is a retry is the only one, though one begun before the first failure still hangs', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(1)
    let creates = 0
    const { pool } = things({
      max: 10,
      acquireTimeout: 1_000,
      create: () => {
        if (++creates === 1 || creates > 4) return new Promise<never>(() => {})
        throw new Error('down')
      },
    })
    const all = Array.from({ length: 200 }, () => failure(pool.acquire()))
    await vi.advanceTimersByTimeAsync(1_000)
    await Promise.all(all)
    expect(creates).toBe(5)
    vi.restoreAllMocks()
    await pool.close({ timeout: 0 })
  })

  it('that always fails: one retry at a time, bounded by the back-off, however many wait', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(1)
    const down = new Error('down')
    const attempts: number[] = []
    const { pool } = things({
      max: 10,
      acquireTimeout: 1_000,
      create: async ({ attempt }) => {
        attempts.push(attempt)
        throw down
      },
    })
    const all = Array.from({ length: 200 }, () => failure(pool.acquire()))
    await vi.advanceTimersByTimeAsync(1_000)
    const errors = (await Promise.all(all)) as AcquireTimeoutError[]
    for (const error of errors) expect(error.cause).toBe(down)
    // ten at once, then after 10, 20, 40, …, 640 ms
    expect(attempts).toEqual([...Array(10).fill(1), 2, 3, 4, 5, 6, 7])
    await vi.advanceTimersByTimeAsync(60_000)
    expect(attempts.length).toBeLessThanOrEqual(17) // nobody waits: nobody tries
    vi.restoreAllMocks()
    await pool.close()
    expect(vi.getTimerCount()).toBe(0)
  })

  it.each([
    ['false', false],
    ['a function that gives false', (): false => false],
  ] as const)(
    'retryCreate: %s: rejects who waits with the error itself',
    async (_, retryCreate) => {
      const denied = new Error('bad credentials')
      const { pool } = things({ max: 2, min: 1, retryCreate, create: () => Promise.reject(denied) })
      const all = [1, 2, 3].map(() => failure(pool.acquire()))
      expect(await Promise.all(all)).toEqual([denied, denied, denied])
      expect(await failure(pool.ready())).toBe(denied)
      const { failed } = pool.stats()
      await vi.advanceTimersByTimeAsync(60_000)
      expect(pool.stats()).toMatchObject({ failed, total: 0 }) // no storm for the sake of `min`
    },
  )

  it('a retryCreate that throws, or gives nonsense, rejects who waits with that', async () => {
    const boom = new Error('boom')
    for (const [retryCreate, expected] of [
      [
        () => {
          throw boom
        },
        boom,
      ],
      [() => NaN, expect.any(RangeError)],
    ] as const) {
      const { pool } = things({ retryCreate, create: () => Promise.reject(new Error('down')) })
      expect(await failure(pool.acquire())).toEqual(expected)
    }
  })

  it('that rejects with a function rejects who waits with that', async () => {
    const thrown = vi.fn()
    const { pool } = things({ retryCreate: false, create: () => Promise.reject(thrown) })
    expect(await failure(pool.acquire())).toBe(thrown)
    expect(thrown).not.toHaveBeenCalled()
  })

  it('that throws synchronously fails alike', async () => {
    const { pool } = things({
      retryCreate: false,
      create: () => {
        throw new Error('sync')
      },
    })
    await expect(pool.acquire()).rejects.toThrow('sync')
  })

  it('that takes too long is cancelled, counts to max until it settles, and is destroyed then', async () => {
    const { gates, gate, wait } = gated<Thing>()
    const { pool, events } = things({ createTimeout: 50, create: ({ token }) => wait(token) })
    const a = pool.acquire()
    await vi.advanceTimersByTimeAsync(100)
    expect(gate(0).token.cancelled).toBe(true)
    expect(gates).toHaveLength(1)
    expect(pool.stats()).toMatchObject({ creating: 0, total: 1, failed: 1 })
    const late = new Thing(1)
    gate(0).resolve(late)
    await vi.advanceTimersByTimeAsync(10)
    expect(late.dead).toBe('late')
    gate(1).resolve(new Thing(2))
    expect((await a).resource.id).toBe(2)
    expect(events[0]).toMatchObject({ type: 'create-failed', attempt: 1 })
    expect(pool.stats().total).toBe(1)
  })

  it('that comes after close is destroyed, and close waits for it', async () => {
    const { gate, wait } = gated<Thing>()
    const { pool } = things({ create: ({ token }) => wait(token) })
    const a = failure(pool.acquire())
    await settle()
    let closed = false
    const closing = pool.close().then((result) => {
      closed = true
      return result
    })
    expect(await a).toBeInstanceOf(ClosedError)
    expect(gate(0).token.cancelled).toBe(true)
    await settle()
    expect(closed).toBe(false)
    const late = new Thing(1)
    gate(0).resolve(late)
    expect(await closing).toEqual({ forced: 0, errors: [] })
    expect(late.dead).toBe('late')
    expect(vi.getTimerCount()).toBe(0)
  })

  it('does not run in the context of who caused it: it belongs to nobody', async () => {
    const request = new AsyncVariable({ defaultValue: 'none' })
    const seen: string[] = []
    const see = (): void => {
      seen.push(request.get())
    }
    const { pool } = things({
      create: () => {
        see()
        return new Thing(1)
      },
      onBroken: see,
    })
    const id = await request.run('first', () => pool.run(({ id }) => id))
    expect(id).toBe(1)
    expect(seen).toEqual(['none', 'none'])
    await pool.close()
  })

  it('does not run under the token of who caused it', async () => {
    const source = new CancellationTokenSource()
    const { pool } = things({
      create: async ({ token, signal }) => {
        expect(CancellationToken.current).toBe(token)
        expect(signal.aborted).toBe(false)
        return new Thing(1)
      },
    })
    await source.token.run(() => pool.acquire())
  })

  it('min are kept, and ready() waits for them', async () => {
    const { pool, made } = things({ min: 2, max: 4 })
    expect(made).toHaveLength(0)
    await pool.ready()
    expect(pool.stats()).toMatchObject({ idle: 2, total: 2 })
    await pool.ready()
    const a = await pool.acquire()
    a.release({ destroy: true })
    await settle()
    expect(pool.stats()).toMatchObject({ idle: 2, total: 2, destroyed: 1 })
    expect(made).toHaveLength(3)
  })

  it('ready() tells why not', async () => {
    const down = new Error('down')
    const { pool } = things({ min: 2, max: 4, name: 'p', create: () => Promise.reject(down) })
    const error = failure(pool.ready({ timeout: 50 }))
    await vi.advanceTimersByTimeAsync(50)
    expect(await error).toMatchObject({
      message: 'AsyncResourcePool "p" is not ready: 0 of 2',
      timeout: 50,
      cause: down,
    })
    const closed = failure(pool.ready())
    await pool.close()
    expect(await closed).toBeInstanceOf(ClosedError)
    expect(await failure(pool.ready())).toBeInstanceOf(ClosedError)
  })
})

describe('validating', () => {
  const idleFor = async (ms: number, options: Partial<PoolOptions<Thing>>) => {
    const it = things(options)
    const { max = 1 } = options
    const leases = await Promise.all(Array.from({ length: max }, () => it.pool.acquire()))
    for (const lease of leases) lease.release()
    vi.advanceTimersByTime(ms)
    return it
  }

  it('trusts what was idle for a moment', async () => {
    const validate = vi.fn(() => true)
    const { pool } = await idleFor(499, { validate })
    ;(await pool.acquire()).release()
    expect(validate).not.toHaveBeenCalled()
    vi.advanceTimersByTime(500)
    ;(await pool.acquire()).release()
    expect(validate).toHaveBeenCalledTimes(1)
  })

  it.each([
    ['gives false', () => false],
    ['rejects', () => Promise.reject(new Error('bad'))],
    [
      'throws',
      () => {
        throw new Error('bad')
      },
    ],
    ['hangs', () => new Promise<boolean>(() => {})],
  ])('that %s: destroys, tries the next, and who waits keeps their place', async (_, bad) => {
    const { pool, made } = await idleFor(1_000, {
      max: 3,
      validateTimeout: 50,
      validate: (thing) => (thing.id < 3 ? bad() : true),
    })
    const order: number[] = []
    const all = [1, 2, 3, 4].map((n) =>
      pool.run(({ id }) => {
        expect(id === 1 || id === 2).toBe(false)
        order.push(n)
      }),
    )
    await vi.advanceTimersByTimeAsync(60)
    await Promise.all(all)
    expect(order).toEqual([1, 2, 3, 4])
    expect(made.slice(0, 3).map(({ dead }) => dead)).toEqual(['invalid', 'invalid', undefined])
    expect(pool.stats().total).toBeLessThanOrEqual(3)
    await pool.close()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('keeps the deadline of who waits', async () => {
    const { pool } = await idleFor(1_000, { validate: () => new Promise(() => {}) })
    const error = failure(pool.acquire({ timeout: 100 }))
    await vi.advanceTimersByTimeAsync(100)
    expect(await error).toBeInstanceOf(AcquireTimeoutError)
  })

  it('a valid one whose waiter has left goes idle', async () => {
    const { gate, wait } = gated<boolean>()
    const { pool } = await idleFor(1_000, { validate: (_, token) => wait(token) })
    const source = new CancellationTokenSource()
    const a = failure(pool.acquire({ signal: source.token }))
    await settle()
    source.cancel()
    await a
    gate(0).resolve(true)
    await settle()
    expect(pool.stats()).toMatchObject({ idle: 1, busy: 0 })
  })
})

describe('resetting', () => {
  it('happens after the release, and before anybody else gets it', async () => {
    const { gate, wait } = gated<void>()
    const { pool } = things({ reset: (_, token) => wait(token) })
    const a = await pool.acquire()
    const b = pool.acquire()
    await settle()
    expect(a.release()).toBe(true)
    expect(pool.stats()).toMatchObject({ busy: 1, idle: 0, waiting: 1 })
    gate(0).resolve()
    expect((await b).resource.id).toBe(1)
  })

  it.each([
    ['rejects', () => Promise.reject(new Error('bad'))],
    ['hangs', () => new Promise(() => {})],
  ])('that %s destroys', async (_, reset) => {
    const { pool, made, types } = things({ reset, validateTimeout: 50 })
    ;(await pool.acquire()).release()
    await vi.advanceTimersByTimeAsync(50)
    expect(made[0]?.dead).toBe('reset')
    expect(types()).toEqual(['created', 'reset-failed', 'destroyed'])
    expect((await pool.acquire()).resource.id).toBe(2)
  })
})

describe('ageing', () => {
  it('idleTimeout destroys what was idle for so long, down to min; no timer with nothing idle', async () => {
    const { pool, made } = things({ max: 4, min: 1, idleTimeout: 100 })
    expect(vi.getTimerCount()).toBe(0)
    const leases = await Promise.all([1, 2, 3].map(() => pool.acquire()))
    expect(vi.getTimerCount()).toBe(0)
    leases[0]?.release()
    await vi.advanceTimersByTimeAsync(50)
    leases[1]?.release()
    expect(vi.getTimerCount()).toBe(1)
    await vi.advanceTimersByTimeAsync(50)
    expect(made.map(({ dead }) => dead)).toEqual(['idle', undefined, undefined])
    leases[2]?.release()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(pool.stats()).toMatchObject({ idle: 1, total: 1 })
    expect(vi.getTimerCount()).toBe(0)
  })

  it('idleTimeout counts for each from when it came back, whoever else was lent meanwhile', async () => {
    const { pool, made } = things({ max: 2, idleTimeout: 100, order: 'fifo' })
    const leases = await Promise.all([pool.acquire(), pool.acquire()])
    const [first, second] = made
    leases[0].release()
    await vi.advanceTimersByTimeAsync(10)
    leases[1].release()
    await vi.advanceTimersByTimeAsync(40)
    expect(pool.tryAcquire()?.release()).toBe(true) // the first, at 50
    await vi.advanceTimersByTimeAsync(59)
    expect([first?.dead, second?.dead]).toEqual([undefined, undefined])
    await vi.advanceTimersByTimeAsync(1)
    expect([first?.dead, second?.dead]).toEqual([undefined, 'idle'])
    await vi.advanceTimersByTimeAsync(39)
    expect(first?.dead).toBeUndefined()
    await vi.advanceTimersByTimeAsync(1)
    expect(first?.dead).toBe('idle')
    expect(vi.getTimerCount()).toBe(0)
  })

  it('maxLifetime is shortened by jitter: twenty born together do not die together', async () => {
    const { pool, made } = things({ max: 20, maxLifetime: 1_000, lifetimeJitter: 0.5 })
    const leases = await Promise.all(Array.from({ length: 20 }, () => pool.acquire()))
    for (const lease of leases) lease.release()
    const dead = () => made.filter((it) => it.dead === 'lifetime').length
    await vi.advanceTimersByTimeAsync(499)
    expect(dead()).toBe(0)
    const seen = new Set<number>()
    for (let i = 0; i < 502; i++) {
      await vi.advanceTimersByTimeAsync(1)
      seen.add(dead())
    }
    expect(dead()).toBe(20)
    expect(seen.size).toBeGreaterThan(10)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('a borrowed one that is too old dies on release', async () => {
    const { pool, made } = things({ maxLifetime: 100, lifetimeJitter: 0 })
    const a = await pool.acquire()
    await vi.advanceTimersByTimeAsync(500)
    expect(a.resource.dead).toBeUndefined()
    a.release()
    expect(made[0]?.dead).toBe('lifetime')
  })

  it('min is filled again after a death', async () => {
    const { pool, made } = things({ min: 1, maxLifetime: 100, lifetimeJitter: 0 })
    await pool.ready()
    await vi.advanceTimersByTimeAsync(150)
    expect([made.length, pool.stats().idle]).toEqual([2, 1])
    await pool.close()
  })

  it('maxUses 1: a new one each time; maxIdle: no more than that stay', async () => {
    const once = things({ maxUses: 1 })
    for (const id of [1, 2, 3]) await once.pool.run((thing) => expect(thing.id).toBe(id))
    expect(once.made.map(({ dead }) => dead)).toEqual(['uses', 'uses', 'uses'])
    const few = things({ max: 3, maxIdle: 1 })
    const leases = await Promise.all([1, 2, 3].map(() => few.pool.acquire()))
    for (const lease of leases) lease.release()
    await settle()
    expect(few.pool.stats()).toMatchObject({ idle: 1, total: 1 })
  })

  it('broken while idle: gone at once; while borrowed: on release', async () => {
    const hooks: ((reason?: unknown) => void)[] = []
    const { pool, made } = things({ onBroken: (_, broken) => hooks.push(broken) })
    ;(await pool.acquire()).release()
    hooks[0]?.('closed by peer')
    expect(made[0]?.dead).toBe('broken')
    hooks[0]?.()
    const a = await pool.acquire()
    expect(a.resource.id).toBe(2)
    const b = pool.acquire()
    hooks[1]?.()
    expect(made[1]?.dead).toBeUndefined()
    a.release()
    expect((await b).resource.id).toBe(3)
    expect(made[1]?.dead).toBe('broken')
  })

  it('resize: both ways', async () => {
    const { pool } = things({ max: 3 })
    const leases = await Promise.all([1, 2, 3].map(() => pool.acquire()))
    const fourth = pool.acquire()
    await settle()
    pool.resize({ max: 4 })
    ;(await fourth).release()
    pool.resize({ max: 2 })
    await settle()
    expect(pool.stats()).toMatchObject({ total: 3, idle: 0, borrowed: 3, max: 2 })
    leases[0]?.release()
    leases[1]?.release()
    await settle()
    expect(pool.stats()).toMatchObject({ total: 2, idle: 1, borrowed: 1 })
    pool.resize({ min: 2, max: 5 })
    pool.resize({ min: 4 })
    await settle()
    expect(pool.stats()).toMatchObject({ total: 4, idle: 3 })
    expect(() => pool.resize({ max: 1 })).toThrow('Expected `min` to be at most `max` (1), got `4`')
    leases[2]?.release()
  })
})

describe('destroying', () => {
  it('that throws or hangs frees the place all the same, and is told', async () => {
    const boom = new Error('boom')
    let how = (): unknown => {
      throw boom
    }
    const { pool, events } = things({ destroy: () => how(), destroyTimeout: 50 })
    const a = await pool.acquire()
    const b = pool.acquire()
    a.release({ destroy: true })
    const second = await b
    expect(events).toContainEqual({ type: 'destroy-failed', reason: 'released', error: boom })
    how = () => new Promise(() => {})
    second.release({ destroy: true })
    const c = pool.acquire()
    await vi.advanceTimersByTimeAsync(49)
    expect(pool.stats()).toMatchObject({ total: 1, busy: 1, waiting: 1 })
    await vi.advanceTimersByTimeAsync(1)
    expect((await c).resource.id).toBe(3)
  })

  it.each([
    ['asyncDispose', Symbol.asyncDispose],
    ['dispose', Symbol.dispose],
    ['close', 'close'],
  ])('by default calls %s', async (_, verb) => {
    const end = vi.fn()
    const pool = new AsyncResourcePool({ create: () => ({ [verb]: end }), max: 1 })
    ;(await pool.acquire()).release({ destroy: true })
    expect(end).toHaveBeenCalledTimes(1)
    const plain = new AsyncResourcePool({ create: () => 7, max: 1 })
    await plain.run((it) => expect(it).toBe(7))
    expect(await plain.close()).toEqual({ forced: 0, errors: [] })
  })
})

describe('closing', () => {
  it('rejects who waits and who comes, at once, and waits for what is borrowed', async () => {
    const { pool, made } = things({ max: 2, name: 'p' })
    const a = await pool.acquire()
    ;(await pool.acquire()).release()
    const b = await pool.acquire()
    const waiting = failure(pool.acquire())
    await settle()
    let closed = false
    const closing = pool.close().then((result) => {
      closed = true
      return result
    })
    expect(await waiting).toBeInstanceOf(ClosedError)
    await expect(pool.acquire()).rejects.toThrow('AsyncResourcePool "p" is closed')
    expect(pool.tryAcquire()).toBeUndefined()
    expect(pool.inspect().closed).toBe(true)
    a.release()
    await settle()
    expect(closed).toBe(false)
    b.release()
    expect(await closing).toEqual({ forced: 0, errors: [] })
    expect(made.map(({ dead }) => dead)).toEqual(['closed', 'closed'])
    expect(await pool.close()).toEqual({ forced: 0, errors: [] })
    await pool[Symbol.asyncDispose]()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('after its timeout destroys under the holder, whose release does nothing', async () => {
    const { pool, made } = things()
    const a = await pool.acquire()
    const closing = pool.close({ timeout: 50 })
    await vi.advanceTimersByTimeAsync(50)
    expect(await closing).toEqual({ forced: 1, errors: [] })
    expect(made[0]?.dead).toBe('closed')
    expect([a.held, a.release()]).toEqual([false, false])
    expect(() => a.resource).toThrow(ReleasedError)
    expect(pool.stats().total).toBe(0)
  })

  it('timeout 0 does not wait; an empty pool closes at once', async () => {
    const { pool } = things()
    const a = await pool.acquire()
    expect(await pool.close({ timeout: 0 })).toEqual({ forced: 1, errors: [] })
    expect(a.held).toBe(false)
    expect(await things().pool.close({ timeout: 0 })).toEqual({ forced: 0, errors: [] })
  })

  it('settles even if creates and destroys hang', async () => {
    const { pool } = things({ destroy: () => new Promise(() => {}), max: 2 })
    await pool.acquire()
    const hanging = things({ create: () => new Promise(() => {}) })
    const waiting = failure(hanging.pool.acquire())
    const all = [pool.close({ timeout: 100 }), hanging.pool.close({ timeout: 100 })]
    await vi.advanceTimersByTimeAsync(100 + 5_000)
    const [one, two] = await Promise.all(all)
    expect(one).toMatchObject({ forced: 1, errors: [expect.any(Error)] })
    expect(two).toEqual({ forced: 0, errors: [] })
    expect(await waiting).toBeInstanceOf(ClosedError)
  })

  it('drain serves who waits first', async () => {
    const { pool } = things()
    const a = await pool.acquire()
    const served: number[] = []
    const all = [1, 2].map((n) => pool.run(() => served.push(n)))
    await settle()
    const closing = pool.close({ drain: true })
    await expect(pool.acquire()).rejects.toThrow(ClosedError)
    a.release()
    await Promise.all(all)
    expect(await closing).toEqual({ forced: 0, errors: [] })
    expect(served).toEqual([1, 2])
  })

  it('drain gives up at its timeout', async () => {
    const { pool } = things({ create: () => Promise.reject(new Error('down')) })
    const waiting = failure(pool.acquire())
    await settle()
    const closing = pool.close({ drain: true, timeout: 100 })
    await vi.advanceTimersByTimeAsync(100)
    expect(await waiting).toBeInstanceOf(ClosedError)
    expect(await closing).toEqual({ forced: 0, errors: [] })
    expect(vi.getTimerCount()).toBe(0)
  })

  it('tells what went wrong in destroying', async () => {
    const boom = new Error('boom')
    const { pool } = things({ destroy: () => Promise.reject(boom) })
    ;(await pool.acquire()).release()
    expect(await pool.close()).toEqual({ forced: 0, errors: [boom] })
  })
})

describe('leaks', () => {
  it('leakAfter tells once of a lease held for long, and where it was acquired', async () => {
    const leaks: PoolLeak[] = []
    const { pool } = things({ leakAfter: 100, onLeak: (leak) => leaks.push(leak) })
    const a = await pool.acquire({ label: 'slow' })
    await vi.advanceTimersByTimeAsync(500)
    expect(leaks).toEqual([
      { label: 'slow', heldFor: 100, stack: expect.stringContaining('acquired') },
    ])
    expect(a.release()).toBe(true)
    ;(await pool.acquire()).release()
    await vi.advanceTimersByTimeAsync(500)
    expect(leaks).toHaveLength(1)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('a lease that was collected is reported, and its place recovered', async () => {
    vi.useRealTimers()
    const leaks: PoolLeak[] = []
    const { pool, made } = things({ onLeak: (leak) => leaks.push(leak) })
    await (async () => {
      await pool.acquire({ label: 'lost' })
    })()
    for (let i = 0; i < 50 && !leaks.length; i++) {
      await new Promise((resolve) => setTimeout(resolve, 5))
      globalThis.gc?.()
    }
    expect(leaks).toEqual([{ label: 'lost', heldFor: expect.any(Number) }])
    expect(made[0]?.dead).toBe('leaked')
    expect((await pool.acquire()).resource.id).toBe(2)
  })

  it('leases that were released are no leak', async () => {
    vi.useRealTimers()
    const onLeak = vi.fn()
    const { pool } = things({ onLeak })
    const first = new WeakRef(await pool.acquire())
    first.deref()?.release()
    for (let i = 0; i < 100; i++) await pool.run(() => {})
    for (let i = 0; i < 20 && first.deref(); i++) {
      await new Promise((resolve) => setTimeout(resolve, 5))
      globalThis.gc?.()
    }
    expect(first.deref()).toBeUndefined()
    expect(onLeak).not.toHaveBeenCalled()
    expect(pool.stats()).toMatchObject({ created: 1, idle: 1 })
  })

  it('hooks that throw are reported, and stop nothing', async () => {
    const reported = vi.fn()
    vi.stubGlobal('reportError', reported)
    const boom = new Error('boom')
    const { pool } = things({
      onEvent: () => {
        throw boom
      },
      onBroken: () => {
        throw boom
      },
    })
    expect((await pool.acquire()).resource.id).toBe(1)
    expect(reported.mock.calls).toEqual([[boom], [boom]])
    await pool.close({ timeout: 0 }) // or, collected, it would tell of the lease under another test
    vi.unstubAllGlobals()
  })

  it('keeps no process alive: its timers are unref’d', async () => {
    // longer than this process has lived: that is what the real clock will say
    const day = 86_400_000
    const { pool } = things({ idleTimeout: day, maxLifetime: day, leakAfter: day })
    const a = await pool.acquire()
    vi.useRealTimers()
    const awake = () => process.getActiveResourcesInfo().filter((it) => it === 'Timeout').length
    const before = awake()
    a.release()
    const b = pool.tryAcquire()
    expect(b?.held).toBe(true)
    expect(awake()).toBe(before)
    void pool.close({ timeout: 0 })
  })
})

import {
  AsyncVariable,
  CancellationTokenSource,
  ClosedError,
  type Lease,
  TimeoutError,
} from '@uno-async/core'
import {
  AsyncEvent,
  AsyncLock,
  AsyncSemaphore,
  DeadlockError,
  Limiter,
  RateLimiter,
} from '@uno-async/sync'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { flush } from './contract.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

describe('AsyncSemaphore', () => {
  it('frees the light ones when the heavy head is cancelled or times out', async () => {
    for (const how of ['cancel', 'timeout', 'deadline'] as const) {
      const semaphore = new AsyncSemaphore(3)
      const lease = semaphore.tryAcquire({ weight: 2 }) as Lease
      const source = new CancellationTokenSource(how === 'deadline' ? { timeout: 5 } : {})
      const heavy = semaphore.acquire({
        weight: 3,
        signal: source.token,
        ...(how === 'timeout' && { timeout: 5 }),
      })
      heavy.catch(() => {})
      const light = semaphore.acquire()
      await flush()
      expect([semaphore.waiting, semaphore.available]).toEqual([2, 1])
      if (how === 'cancel') source.cancel()
      else await vi.advanceTimersByTimeAsync(5)
      expect([semaphore.waiting, semaphore.available]).toEqual([0, 0])
      await expect(heavy).rejects.toThrow()
      ;(await light).release()
      lease.release()
      expect(semaphore.available).toBe(3)
    }
  })

  it('does not let a dead head, whose deadline nobody was told of yet, hold up a newcomer', async () => {
    const semaphore = new AsyncSemaphore(2)
    const lease = semaphore.tryAcquire() as Lease
    const source = new CancellationTokenSource({ deadline: performance.now() + 5 })
    const heavy = semaphore.acquire({ weight: 2, signal: source.token })
    heavy.catch(() => {})
    vi.setSystemTime(Date.now())
    const now = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 10)
    const light = semaphore.tryAcquire()
    now.mockRestore()
    expect(light?.held).toBe(true)
    light?.release()
    lease.release()
    await expect(heavy).rejects.toBeInstanceOf(TimeoutError)
  })

  it('counts nobody who is cancelled among those who wait at the head', async () => {
    const source = new CancellationTokenSource()
    const primitives = [
      new AsyncLock({ maxWaiting: 1 }),
      new AsyncSemaphore(1, { maxWaiting: 1 }),
      new Limiter(1, { maxWaiting: 1 }),
      new RateLimiter({ limit: 1, maxWaiting: 1 }),
    ]
    for (const one of primitives) await one.acquire()
    const newcomers: Promise<unknown>[] = []
    source.token.onCancelled(() => {
      for (const one of primitives) newcomers.push(one.acquire().catch((error) => error))
    })
    const left = primitives.map((one) => one.acquire({ signal: source.token }))
    source.cancel()
    for (const each of left) await expect(each).rejects.toBe(source.token.error)
    for (const one of primitives) {
      expect(one.waiting).toBe(1)
      one.close()
    }
    for (const each of newcomers) expect(await each).toBeInstanceOf(ClosedError)
  })

  it('does not stumble over a deadline that passes at any look at the clock', async () => {
    for (let after = 1; after < 30; after++) {
      const semaphore = new AsyncSemaphore(2)
      const lease = semaphore.tryAcquire() as Lease
      const { token } = new CancellationTokenSource({ timeout: after })
      let now = performance.now()
      const clock = vi.spyOn(performance, 'now').mockImplementation(() => now++)
      const heavy = semaphore.acquire({ weight: 2, signal: token })
      const light = semaphore.tryAcquire()
      clock.mockRestore()
      lease.release()
      if (light) await expect(heavy).rejects.toBeInstanceOf(TimeoutError)
      else (await heavy).release()
    }
  })

  it('serves a heavy request under a stream of light ones', async () => {
    const semaphore = new AsyncSemaphore(2)
    let heavyRan = false
    let rounds = 0
    const stream = async (): Promise<void> => {
      while (!heavyRan && rounds++ < 1_000) {
        const lease = await semaphore.acquire()
        await flush()
        lease.release()
      }
    }
    const streams = [stream(), stream(), stream()]
    await flush()
    await semaphore.run(
      () => {
        heavyRan = true
      },
      { weight: 2 },
    )
    await Promise.all(streams)
    expect(rounds).toBeLessThan(20)
  })

  it('wakes several when it grows, and takes from nobody when it shrinks', async () => {
    const semaphore = new AsyncSemaphore(0)
    const order: number[] = []
    const jobs = [1, 2, 3].map(async (i) => {
      const lease = await semaphore.acquire()
      order.push(i)
      return lease
    })
    await flush()
    expect(order).toEqual([])
    semaphore.capacity = 2
    await flush()
    expect(order).toEqual([1, 2])
    semaphore.capacity = 1
    expect(semaphore.available).toBe(-1)
    const leases = [await jobs[0], await jobs[1]]
    leases[0]?.release()
    await flush()
    expect(order).toEqual([1, 2])
    leases[1]?.release()
    ;(await jobs[2])?.release()
    semaphore.capacity = Infinity
    const many = Array.from({ length: 100 }, () => semaphore.tryAcquire())
    expect(many.every((lease) => lease?.held)).toBe(true)
    expect(semaphore.available).toBe(Infinity)
    for (const lease of many) lease?.release()
  })

  it('keeps the place of who became too heavy, until it grows again', async () => {
    const semaphore = new AsyncSemaphore(3)
    const lease = semaphore.tryAcquire() as Lease
    const heavy = semaphore.acquire({ weight: 3 })
    semaphore.capacity = 2
    const light = semaphore.acquire()
    lease.release()
    await flush()
    expect(semaphore.waiting).toBe(2)
    await expect(semaphore.acquire({ weight: 3 })).rejects.toThrow(RangeError)
    semaphore.capacity = 3
    ;(await heavy).release()
    ;(await light).release()
  })

  it('wakes several small ones with one release', async () => {
    const semaphore = new AsyncSemaphore(3)
    const lease = semaphore.tryAcquire({ weight: 3 }) as Lease
    const small = [semaphore.acquire(), semaphore.acquire({ weight: 2 }), semaphore.acquire()]
    lease.release()
    expect([semaphore.available, semaphore.waiting]).toEqual([0, 1])
    ;(await small[0])?.release()
    ;(await small[1])?.release()
    ;(await small[2])?.release()
  })

  it('lets a higher priority pass a blocked heavy head, and nobody else', async () => {
    const semaphore = new AsyncSemaphore(2)
    const lease = semaphore.tryAcquire() as Lease
    const heavy = semaphore.acquire({ weight: 2 })
    expect(semaphore.tryAcquire()).toBeUndefined()
    const urgent = await semaphore.acquire({ priority: 1, timeout: 0 })
    urgent.release()
    lease.release()
    ;(await heavy).release()
  })

  it('whenIdle waits for holders and waiters; twice at once', async () => {
    const semaphore = new AsyncSemaphore(1)
    await semaphore.whenIdle()
    const lease = semaphore.tryAcquire() as Lease
    const next = semaphore.acquire()
    const done = vi.fn()
    const idle = Promise.all([semaphore.whenIdle().then(done), semaphore.whenIdle().then(done)])
    await expect(semaphore.whenIdle({ timeout: 0 })).rejects.toBeInstanceOf(TimeoutError)
    await expect(semaphore.whenIdle({ signal: AbortSignal.abort() })).rejects.toThrow()
    lease.release()
    await flush()
    expect(done).not.toHaveBeenCalled()
    ;(await next).release()
    await idle
    expect(done).toHaveBeenCalledTimes(2)
  })

  it('is idle when its last waiter leaves', async () => {
    const semaphore = new AsyncSemaphore(0)
    const source = new CancellationTokenSource()
    const waiting = semaphore.acquire({ signal: source.token })
    const idle = semaphore.whenIdle()
    source.cancel()
    await expect(waiting).rejects.toBe(source.token.error)
    await idle
    const closed = semaphore.acquire()
    const idleToo = semaphore.whenIdle()
    semaphore.close()
    await expect(closed).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    await idleToo
  })

  it('await using closes and waits until nobody holds', async () => {
    const order: string[] = []
    let lease: Lease
    {
      await using semaphore = new AsyncSemaphore(2)
      lease = semaphore.tryAcquire() as Lease
      void Promise.resolve().then(() => {
        order.push('released')
        lease.release()
      })
    }
    order.push('after')
    expect(order).toEqual(['released', 'after'])
  })

  it('says how many are held where several hold', async () => {
    const semaphore = new AsyncSemaphore(2, { name: 'db' })
    const leases = [semaphore.tryAcquire({ label: 'a' }), semaphore.tryAcquire()]
    await expect(semaphore.acquire({ timeout: 0 })).rejects.toThrow(
      'AsyncSemaphore "db" timed out after 0 ms: 2 permits held, the longest for 0 ms by "a", 0 waiting',
    )
    for (const lease of leases) lease?.release()
  })
})

describe('AsyncLock', () => {
  it('says who owns it, from the moment of the hand-off', async () => {
    const lock = new AsyncLock({ name: 'db' })
    expect([lock.locked, lock.owner]).toEqual([false, undefined])
    const first = lock.tryAcquire({ label: 'first' }) as Lease
    const second = lock.acquire({ label: 'second' })
    expect(lock.owner).toMatchObject({ label: 'first', depth: 1 })
    first.release()
    expect(lock.owner?.label).toBe('second')
    ;(await second).release()
    expect(lock.owner).toBeUndefined()
  })

  it('throws a DeadlockError instead of waiting for itself', async () => {
    const a = new AsyncLock({ name: 'a' })
    const b = new AsyncLock({ name: 'b' })
    await a.run(() =>
      b.run(async () => {
        const error = await a.acquire().catch((e: unknown) => e)
        expect(error).toBeInstanceOf(DeadlockError)
      }),
    )
    let error: unknown
    await a.run(() =>
      b.run(() => {
        expect(a.tryAcquire()).toBeUndefined()
        const inner = a.run(() => {})
        return inner.catch((e: unknown) => {
          error = e
        })
      }),
    )
    expect(error).toMatchObject({
      name: 'DeadlockError',
      code: 'ERR_DEADLOCK',
      cycle: ['AsyncLock "a"', 'AsyncLock "b"', 'AsyncLock "a"'],
      message: 'Deadlock: AsyncLock "a" → AsyncLock "b" → AsyncLock "a"',
    })
    expect([a.locked, b.locked]).toEqual([false, false])
  })

  it('re-enters in the same flow, with depth 2', async () => {
    const lock = new AsyncLock({ reentrant: true })
    await lock.run(() => {
      expect(lock.owner?.depth).toBe(1)
      return lock.run(() => {
        expect(lock.owner?.depth).toBe(2)
        return lock.run(() => expect(lock.owner?.depth).toBe(3))
      })
    })
    expect(lock.locked).toBe(false)
  })

  it('lets siblings that re-enter take turns', async () => {
    const lock = new AsyncLock({ reentrant: true })
    let inside = 0
    const order: number[] = []
    await lock.run(() =>
      Promise.all(
        [1, 2, 3].map((i) =>
          lock.run(async () => {
            expect(++inside).toBe(1)
            await flush()
            order.push(i)
            inside--
          }),
        ),
      ),
    )
    expect(order).toEqual([1, 2, 3])
    expect(lock.locked).toBe(false)
  })

  it('passes on only when all who re-entered are out', async () => {
    const lock = new AsyncLock({ reentrant: true, name: 'db' })
    const outer = await lock.acquire({ label: 'outer' })
    const inner = await lock.acquire({ held: outer, label: 'inner' })
    const sibling = lock.acquire({ held: outer })
    const next = lock.acquire({ label: 'next' })
    expect(lock.waiting).toBe(2)
    expect(lock.inspect().waiters).toHaveLength(2)
    expect(outer.release()).toBe(true)
    expect([outer.held, lock.owner?.label]).toEqual([false, 'outer'])
    inner.release()
    ;(await sibling).release()
    expect(lock.owner?.label).toBe('next')
    ;(await next).release()
    expect(lock.locked).toBe(false)
  })

  it('`held` re-enters on a lock that is not re-entrant, too; a released one is a newcomer', async () => {
    const lock = new AsyncLock()
    const lease = await lock.acquire()
    const inner = await lock.acquire({ held: lease, timeout: 0 })
    await expect(lock.acquire({ held: lease, timeout: 0 })).rejects.toBeInstanceOf(TimeoutError)
    const third = await lock.acquire({ held: inner, timeout: 0 })
    third.release()
    inner.release()
    lease.release()
    const newcomer = await lock.acquire({ held: lease })
    expect(lock.owner?.depth).toBe(1)
    await expect(lock.acquire({ held: lease, timeout: 0 })).rejects.toBeInstanceOf(TimeoutError)
    newcomer.release()
    const stranger = await new AsyncLock().acquire()
    for (const held of [stranger, {}, null, 5]) {
      await expect(lock.acquire({ held: held as Lease })).rejects.toThrow(TypeError)
    }
  })

  it('passes on once, also past one inside whose deadline nobody was told of yet', async () => {
    const lock = new AsyncLock({ reentrant: true })
    const outer = await lock.acquire()
    const inner = await lock.acquire({ held: outer })
    const { token } = new CancellationTokenSource({ timeout: 5 })
    const dead = lock.acquire({ held: outer, signal: token })
    const next = [lock.acquire(), lock.acquire()] as const
    outer.release()
    const now = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 10)
    inner.release()
    now.mockRestore()
    await expect(dead).rejects.toBe(token.error)
    const first = await next[0]
    await flush()
    expect([lock.waiting, lock.inspect().available]).toEqual([1, 0])
    first.release()
    ;(await next[1]).release()
    expect(lock.inspect().available).toBe(1)
  })

  it('makes a newcomer of a detached call after the release', async () => {
    const lock = new AsyncLock({ reentrant: true })
    let capture: ((fn: () => Promise<Lease>) => Promise<Lease>) | undefined
    const { captureContext } = await import('@uno-async/core')
    await lock.run(() => {
      capture = captureContext()
    })
    const other = await lock.acquire()
    const detached = capture?.(() => lock.acquire())
    await flush()
    expect(lock.waiting).toBe(1)
    other.release()
    ;(await detached)?.release()
  })

  it('does not run the body of one who gave up in the meantime, and frees its own lease early', async () => {
    const lock = new AsyncLock()
    await lock.run((lease) => {
      lease.release()
      expect(lock.locked).toBe(false)
    })
    const { token } = new CancellationTokenSource()
    expect(await lock.run((_, given) => given, { signal: token })).toBe(token)
  })
})

describe('AsyncEvent', () => {
  it('says whether it changed', () => {
    const event = new AsyncEvent()
    expect([event.set(), event.set(), event.isSet]).toEqual([true, false, true])
    expect([event.clear(), event.clear(), event.isSet]).toEqual([true, false, false])
    expect(new AsyncEvent({ set: true }).isSet).toBe(true)
  })

  it('releases everyone who waited, even if clear follows in the same tick', async () => {
    const event = new AsyncEvent()
    const waiting = Promise.all([event.wait(), event.wait()])
    event.set()
    event.clear()
    await waiting
    await expect(event.wait({ timeout: 0 })).rejects.toBeInstanceOf(TimeoutError)
  })

  it('pulse wakes those who wait now', async () => {
    const event = new AsyncEvent()
    const now = event.wait()
    expect(event.pulse()).toBe(1)
    const later = event.wait({ timeout: 5 })
    later.catch(() => {})
    await now
    expect(event.isSet).toBe(false)
    expect(event.waiting).toBe(1)
    await vi.advanceTimersByTimeAsync(5)
    await expect(later).rejects.toBeInstanceOf(TimeoutError)
  })

  it('resolves a wait that is cancelled after set; rejects one that was cancelled before', async () => {
    const event = new AsyncEvent()
    const source = new CancellationTokenSource()
    const waiting = event.wait({ signal: source.token })
    event.set()
    source.cancel()
    await waiting
    await expect(event.wait({ signal: source.token })).rejects.toBe(source.token.error)
  })

  it('tells for how long, and who waits', async () => {
    const event = new AsyncEvent({ name: 'ready' })
    const waiting = event.wait()
    await vi.advanceTimersByTimeAsync(30)
    expect(event.inspect()).toEqual({
      name: 'ready',
      isSet: false,
      setFor: undefined,
      waiters: [{ id: expect.any(Number), weight: 1, waitedFor: 30, priority: 0 }],
    })
    event.set()
    await vi.advanceTimersByTimeAsync(20)
    expect(event.inspect()).toMatchObject({ isSet: true, setFor: 20, waiters: [] })
    await waiting
  })
})

describe('Limiter', () => {
  it('runs at most so many at once', async () => {
    const limiter = new Limiter(2)
    let most = 0
    const results = await Promise.all(
      [1, 2, 3, 4, 5].map((i) =>
        limiter.run(async () => {
          most = Math.max(most, limiter.active)
          await flush()
          return i
        }),
      ),
    )
    expect(results).toEqual([1, 2, 3, 4, 5])
    expect(most).toBe(2)
    await limiter.whenIdle()
  })

  it('a runTimeout cancels the token, and the place stays taken until the task ends', async () => {
    const limiter = new Limiter(1, { name: 'jobs' })
    let seen: unknown
    let end: (value: string) => void = () => {}
    const job = limiter.run(
      (token) => {
        token.onCancelled((reason) => {
          seen = reason
        })
        return new Promise<string>((resolve) => {
          end = resolve
        })
      },
      { runTimeout: 50 },
    )
    const next = limiter.run(() => 'next')
    await vi.advanceTimersByTimeAsync(60)
    expect(seen).toBeInstanceOf(TimeoutError)
    expect([limiter.active, limiter.waiting]).toEqual([1, 1])
    end('late')
    expect([await job, await next]).toEqual(['late', 'next'])
    await expect(
      (async () => {
        const cooperative = limiter.run((token) => token.race(new Promise<never>(() => {})), {
          runTimeout: 5,
          label: 'slow',
        })
        cooperative.catch(() => {})
        await vi.advanceTimersByTimeAsync(5)
        return cooperative
      })(),
    ).rejects.toThrow('"slow" timed out after 5 ms')
    expect(limiter.active).toBe(0)
  })

  it('wraps a function', async () => {
    const limiter = new Limiter(1)
    const add = limiter.wrap(async (a: number, b: number) => a + b)
    expect(await Promise.all([add(1, 2), add(3, 4)])).toEqual([3, 7])
    expect(() => limiter.wrap(5 as never)).toThrow(TypeError)
  })

  it('pauses and goes on', async () => {
    const limiter = new Limiter(2)
    limiter.pause()
    const jobs = [limiter.run(() => 1), limiter.run(() => 2)]
    await flush()
    expect([limiter.active, limiter.waiting]).toEqual([0, 2])
    limiter.limit = 5
    await flush()
    expect(limiter.inspect()).toMatchObject({ capacity: 5, available: 5 })
    expect(limiter.waiting).toBe(2)
    limiter.resume()
    expect(await Promise.all(jobs)).toEqual([1, 2])
  })

  it('clears who waits: an Error as it is, anything else as the cause of a CancelledError', async () => {
    const limiter = new Limiter(1)
    const lease = await limiter.acquire()
    const error = new Error('off')
    for (const [reason, expected] of [
      [error, error],
      ['text', { code: 'ABORT_ERR', cause: 'text' }],
      [undefined, { code: 'ABORT_ERR' }],
    ]) {
      const settled = Promise.allSettled([limiter.run(() => {}), limiter.acquire()])
      expect(limiter.clear(reason)).toBe(2)
      for (const outcome of await settled) expect(outcome).toMatchObject({ reason: expected })
    }
    expect(limiter.clear()).toBe(0)
    lease.release()
    expect(await limiter.run(() => 1)).toBe(1)
  })

  it('makes its token current in the task', async () => {
    const { CancellationToken } = await import('@uno-async/core')
    const limiter = new Limiter(1)
    const [given, current] = await limiter.run((token) => [token, CancellationToken.current], {
      runTimeout: 50,
    })
    expect(current).toBe(given)
    expect(new AsyncVariable().get()).toBeUndefined()
  })
})

it('rejects for options that are none, set or not', async () => {
  for (const set of [false, true]) {
    await expect(new AsyncEvent({ set }).wait(5 as never)).rejects.toThrow(/`options`/)
  }
})

it('wraps a method', async () => {
  const counter = {
    count: 1,
    next: new Limiter(1).wrap(async function (this: { count: number }) {
      return ++this.count
    }),
  }
  expect(await counter.next()).toBe(2)
})

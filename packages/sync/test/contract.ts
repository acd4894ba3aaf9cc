import {
  type AcquireOptions,
  type CancellationToken,
  CancellationTokenSource,
  CancelledError,
  ClosedError,
  type Lease,
  QueueFullError,
  type Snapshot,
  TimeoutError,
} from '@uno-async/core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

/** What every lock-like thing can do, whatever it is made of. One at a time gets in. */
export interface LockLike {
  acquire(options?: AcquireOptions): Promise<Lease>
  tryAcquire?(options?: { label?: string }): Lease | undefined
  run<R>(
    body: (token: CancellationToken) => R | PromiseLike<R>,
    options?: AcquireOptions,
  ): Promise<Awaited<R>>
  waiting(): number
  inspect(): Snapshot | undefined
  close(reason?: unknown): void
  /** Waits for several things one after the other: only the last grant wins over a cancellation. */
  readonly gathers?: boolean
}

/** Settles what can settle without time passing. */
export const flush = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await undefined
}

const isFree = async (lock: LockLike): Promise<void> => {
  const lease = await lock.acquire({ timeout: 0 })
  expect(lease.held).toBe(true)
  expect(lease.release()).toBe(true)
}

export function lockContract(
  name: string,
  factory: (options: { name: string; maxWaiting: number }) => LockLike,
): void {
  describe(`${name} as a lock`, () => {
    beforeEach(() => void vi.useFakeTimers())
    afterEach(() => {
      expect(vi.getTimerCount()).toBe(0)
      vi.useRealTimers()
    })

    const make = (maxWaiting = Infinity) => factory({ name: 'db', maxWaiting })

    it('lets one in at a time, in the order they came', async () => {
      const lock = make()
      const order: number[] = []
      let inside = 0
      await Promise.all(
        [1, 2, 3, 4].map((i) =>
          lock.run(async () => {
            expect(++inside).toBe(1)
            await flush()
            order.push(i)
            inside--
          }),
        ),
      )
      expect(order).toEqual([1, 2, 3, 4])
    })

    it('goes by the options as they were at the call', async () => {
      const lock = make()
      const lease = await lock.acquire()
      const [mine, other] = [new CancellationTokenSource(), new CancellationTokenSource()]
      const options = { signal: mine.token, label: 'mine' }
      const running = lock.run((token) => token, options)
      Object.assign(options, { signal: other.token, label: 'other' })
      other.cancel()
      expect(lock.inspect()?.waiters).toMatchObject([{ label: 'mine' }])
      lease.release()
      expect(await running).toBe(mine.token)
    })

    it('hands over in the same tick: neither tryAcquire nor acquire gets in between', async () => {
      const lock = make()
      const first = await lock.acquire({ label: 'first' })
      const order: string[] = []
      const second = lock.acquire({ label: 'second' }).then((lease) => {
        order.push('second')
        return lease
      })
      expect(first.release()).toBe(true)
      expect(lock.tryAcquire?.()).toBeUndefined()
      expect(lock.inspect()?.holders).toMatchObject([{ label: 'second' }])
      const third = lock.acquire().then((lease) => {
        order.push('third')
        return lease
      })
      ;(await second).release()
      ;(await third).release()
      expect(order).toEqual(['second', 'third'])
    })

    it('gives a lease back once', async () => {
      const lock = make()
      const lease = await lock.acquire()
      expect(lease.held).toBe(true)
      const two = [lock.acquire(), lock.acquire()] as const
      expect([lease.release(), lease.release()]).toEqual([true, false])
      expect(lease.held).toBe(false)
      await flush()
      expect(lock.waiting()).toBe(1)
      const second = await two[0]
      lease[Symbol.dispose]() // a stale lease frees nobody
      expect(second.held).toBe(true)
      expect(lock.tryAcquire?.()).toBeUndefined()
      second.release()
      ;(await two[1]).release()
    })

    it('frees it with using', async () => {
      const lock = make()
      {
        using _lease = await lock.acquire()
        expect(lock.tryAcquire?.()).toBeUndefined()
      }
      await isFree(lock)
    })

    it('rejects at once when cancelled already, and takes nothing', async () => {
      const lock = make()
      const source = new CancellationTokenSource()
      source.cancel(new Error('before'))
      const body = vi.fn()
      await expect(lock.acquire({ signal: source.token })).rejects.toBe(source.token.reason)
      await expect(lock.run(body, { signal: source.token })).rejects.toBe(source.token.reason)
      const reason = new Error('of a signal')
      await expect(lock.acquire({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
      expect(body).not.toHaveBeenCalled()
      await isFree(lock)
    })

    it('cancels one who waits: the same error, the order of the others stays', async () => {
      const lock = make()
      const lease = await lock.acquire()
      const source = new CancellationTokenSource()
      const order: number[] = []
      const jobs = [0, 1, 2, 3].map((i) =>
        lock.run(() => order.push(i), i === 1 ? { signal: source.token } : {}),
      )
      source.cancel()
      await expect(jobs[1]).rejects.toBe(source.token.error)
      await expect(jobs[1]).rejects.toBeInstanceOf(CancelledError)
      expect(lock.waiting()).toBe(3)
      lease.release()
      await Promise.all([jobs[0], jobs[2], jobs[3]])
      expect(order).toEqual([0, 2, 3])
    })

    it('cancel, then release: nobody gets it', async () => {
      const lock = make()
      const lease = await lock.acquire()
      const source = new CancellationTokenSource()
      const waiting = lock.acquire({ signal: source.token })
      source.cancel()
      lease.release()
      await expect(waiting).rejects.toBe(source.token.error)
      await isFree(lock)
      expect(lock.inspect()?.holders ?? []).toEqual([])
    })

    it('release, then cancel: the grant wins for acquire, run gives it back', async () => {
      const lock = make()
      for (const use of ['acquire', 'run'] as const) {
        const lease = await lock.acquire()
        const source = new CancellationTokenSource()
        const body = vi.fn()
        const waiting =
          use === 'run'
            ? lock.run(body, { signal: source.token })
            : lock.acquire({ signal: source.token })
        lease.release()
        source.cancel()
        if (use === 'acquire' && !lock.gathers) (await (waiting as Promise<Lease>)).release()
        else await expect(waiting).rejects.toBe(source.token.error)
        expect(body).not.toHaveBeenCalled()
        await isFree(lock)
      }
    })

    it('times out with a message that says who', async () => {
      const lock = make()
      const lease = await lock.acquire({ label: 'migrate' })
      await vi.advanceTimersByTimeAsync(7_400)
      const waiting = lock.acquire({ timeout: 5_000 })
      const caught = expect(waiting).rejects.toThrow(
        /"db".* timed out after 5000 ms: held for 12\.4 s by "migrate", 1 waiting/,
      )
      await vi.advanceTimersByTimeAsync(5_000)
      await caught
      await expect(waiting).rejects.toBeInstanceOf(TimeoutError)
      await expect(lock.acquire({ timeout: 0 })).rejects.toBeInstanceOf(TimeoutError)
      expect(lock.waiting()).toBe(0)
      lease.release()
      ;(await lock.acquire({ timeout: 0 })).release()
    })

    it('leaves no timer and no listener, whatever the outcome', async () => {
      const lock = make()
      const controller = new AbortController()
      const add = vi.spyOn(controller.signal, 'addEventListener')
      const remove = vi.spyOn(controller.signal, 'removeEventListener')
      const lease = await lock.acquire()
      const options = { signal: controller.signal, timeout: 1_000 }
      const granted = lock.acquire(options)
      const late = lock.acquire({ ...options, timeout: 500 })
      late.catch(() => {})
      await vi.advanceTimersByTimeAsync(500)
      await expect(late).rejects.toBeInstanceOf(TimeoutError)
      lease.release()
      const last = await granted
      expect(vi.getTimerCount()).toBe(0)
      const closed = lock.acquire(options)
      closed.catch(() => {})
      lock.close()
      await expect(closed).rejects.toBeInstanceOf(ClosedError)
      expect(remove).toHaveBeenCalledTimes(add.mock.calls.length)
      last.release()
    })

    it('rejects a thousand on one signal, with one listener', async () => {
      const lock = make()
      const controller = new AbortController()
      const add = vi.spyOn(controller.signal, 'addEventListener')
      const lease = await lock.acquire()
      const all = Array.from({ length: 1_000 }, () => lock.acquire({ signal: controller.signal }))
      const outcomes = Promise.allSettled(all)
      const reason = new Error('all')
      controller.abort(reason)
      for (const outcome of await outcomes) expect(outcome).toMatchObject({ reason })
      expect(add).toHaveBeenCalledTimes(1)
      expect(lock.waiting()).toBe(0)
      lease.release()
    })

    it('is free again whatever the body does', async () => {
      const lock = make()
      const error = new Error('of the body')
      await expect(
        lock.run(() => {
          throw error
        }),
      ).rejects.toBe(error)
      await expect(lock.run(() => Promise.reject(error))).rejects.toBe(error)
      const thenable = Object.fromEntries([['then', (done: (n: number) => void) => done(7)]])
      expect(await lock.run(() => thenable as unknown as PromiseLike<number>)).toBe(7)
      const waiting = lock.run(() => {
        throw error
      })
      await expect(waiting).rejects.toBe(error)
      expect(await lock.run(() => 8)).toBe(8)
      await isFree(lock)
    })

    it('lets a higher priority go ahead, first come first served within one', async () => {
      const lock = make()
      const lease = await lock.acquire()
      const order: string[] = []
      const jobs = (
        [
          ['a', 0],
          ['b', 1],
          ['c', 1],
          ['d', -1],
          ['e', 0],
        ] as const
      ).map(([id, priority]) => lock.run(() => void order.push(id), { priority }))
      lease.release()
      await Promise.all(jobs)
      expect(order.join('')).toBe('bcaed')
    })

    it('refuses who is one too many, until one leaves', async () => {
      const lock = make(1)
      const lease = await lock.acquire({ label: 'holder' })
      const source = new CancellationTokenSource()
      const waiting = lock.acquire({ signal: source.token })
      await expect(lock.acquire()).rejects.toBeInstanceOf(QueueFullError)
      await expect(lock.acquire()).rejects.toThrow(/"db".* is full: held for 0 ms by "holder", 1/)
      source.cancel()
      const next = lock.acquire()
      await expect(waiting).rejects.toBe(source.token.error)
      lease.release()
      ;(await next).release()
    })

    it('closes: who waits and who comes is told, the holder finishes', async () => {
      const lock = make()
      const lease = await lock.acquire()
      const reason = new Error('shutdown')
      const waiting = [lock.acquire({ timeout: 1_000 }), lock.run(() => {})]
      const settled = Promise.allSettled(waiting)
      lock.close(reason)
      lock.close(new Error('too late'))
      for (const outcome of await settled) {
        expect(outcome).toMatchObject({ reason: { code: 'ERR_CLOSED', cause: reason } })
      }
      await expect(lock.acquire()).rejects.toThrow(/"db".* is closed/)
      expect(lock.tryAcquire?.()).toBeUndefined()
      expect(lease.held).toBe(true)
      expect(lease.release()).toBe(true)
      expect(lock.tryAcquire?.()).toBeUndefined()
    })

    it('tells who holds and who waits, as fresh data', async () => {
      const lock = make()
      const lease = await lock.acquire({ label: 'holder' })
      const waiting = lock.acquire({ label: 'waiter', priority: 3 })
      await vi.advanceTimersByTimeAsync(250)
      const snapshot = lock.inspect() as Snapshot
      expect(snapshot).toMatchObject({
        capacity: 1,
        available: 0,
        closed: false,
        holders: [{ label: 'holder', weight: 1, heldFor: 250 }],
        waiters: [{ label: 'waiter', weight: 1, waitedFor: 250, priority: 3 }],
      })
      expect(lock.inspect()).not.toBe(snapshot)
      expect(JSON.parse(JSON.stringify(snapshot))).toEqual(snapshot)
      lease.release()
      const id = snapshot.waiters[0]?.id
      expect(lock.inspect()).toMatchObject({ holders: [{ id }], waiters: [] })
      ;(await waiting).release()
    })

    it('knows the time of what tryAcquire took', async () => {
      const lock = make()
      const lease = lock.tryAcquire?.() ?? (await lock.acquire())
      await vi.advanceTimersByTimeAsync(100)
      expect(lock.inspect()?.holders[0]?.heldFor).toBe(100)
      lease.release()
    })

    it('runs the body in the context of who waited', async () => {
      const { AsyncVariable } = await import('@uno-async/core')
      const variable = new AsyncVariable({ defaultValue: 'nobody' })
      const lock = make()
      const lease = await lock.acquire()
      const waiting = variable.run('waiter', () => lock.run(() => variable.get()))
      variable.run('releaser', () => lease.release())
      expect(await waiting).toBe('waiter')
    })

    it.each([
      ['timeout', -1],
      ['timeout', Number.NaN],
      ['timeout', '5'],
      ['timeout', null],
      ['priority', Number.NaN],
      ['priority', 'high'],
      ['label', 7],
      ['label', null],
      ['signal', {}],
      ['signal', 5],
    ])('rejects a bad %s %j, free or not', async (option, value) => {
      const lock = make()
      for (const hold of [false, true]) {
        const lease = hold ? await lock.acquire() : undefined
        const options = { [option]: value } as AcquireOptions
        for (const promise of [lock.acquire(options), lock.run(() => {}, options)]) {
          const error = await promise.catch((e: unknown) => e)
          expect(error).toBeInstanceOf(
            typeof value === 'number' && option !== 'label' && option !== 'signal'
              ? RangeError
              : Error,
          )
          expect(error).toHaveProperty('message', expect.stringContaining(`\`${option}\``))
        }
        lease?.release()
      }
      await expect(lock.run(undefined as never)).rejects.toThrow(TypeError)
      await isFree(lock)
    })
  })
}

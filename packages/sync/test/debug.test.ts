import type { Lease } from '@uno-async/core'
import { AsyncLock, AsyncSemaphore, KeyedLock, Limiter } from '@uno-async/sync'
import { type PrimitiveWarning, watchPrimitives } from '@uno-async/sync/debug'
import { afterEach, assert, beforeEach, describe, expect, it, vi } from 'vitest'
import { flush } from './contract.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

const watch = (options: Partial<Parameters<typeof watchPrimitives>[0]> = {}) => {
  const warnings: PrimitiveWarning[] = []
  const watched = watchPrimitives({ onWarning: (warning) => warnings.push(warning), ...options })
  return Object.assign(watched, { warnings })
}

describe('watchPrimitives', () => {
  it('lists who holds and who waits, of everything', async () => {
    using watched = watch()
    const lock = new AsyncLock({ name: 'lock' })
    const semaphore = new AsyncSemaphore(2, { name: 'semaphore' })
    const keyed = new KeyedLock({ name: 'keyed' })
    const limiter = new Limiter(1, { name: 'limiter' })
    const leases = [
      lock.tryAcquire({ label: 'me' }),
      await semaphore.acquire({ weight: 2 }),
      await keyed.acquire('a'),
      await limiter.acquire(),
    ]
    const waiting = lock.acquire({ label: 'you' })
    expect(watched.snapshots().map(({ name }) => name)).toEqual([
      'lock',
      'semaphore',
      'keyed',
      'limiter',
    ])
    expect(watched.snapshots()[0]).toMatchObject({
      holders: [{ label: 'me' }],
      waiters: [{ label: 'you' }],
    })
    for (const lease of leases) expect(lease?.release()).toBe(true)
    const lease = await waiting
    expect([lease.held, lease.release(), lease.held]).toEqual([true, true, false])
    expect(watched.snapshots()).toEqual([])
  })

  it('warns of slow holds and waits, once each, with the stack of who asked', async () => {
    using watched = watch({ slowHold: 100, slowWait: 50, stacks: true })
    const lock = new AsyncLock({ name: 'db' })
    const quick = await lock.acquire()
    await vi.advanceTimersByTimeAsync(99)
    quick.release()
    expect(watched.warnings).toEqual([])
    const slow = await (function slowOne() {
      return lock.acquire({ label: 'slow' })
    })()
    const waiting = lock.acquire({ label: 'waiter' })
    await vi.advanceTimersByTimeAsync(500)
    expect(watched.warnings.map(({ kind }) => kind)).toEqual(['slow-wait', 'slow-hold'])
    expect(watched.warnings[1]?.stack).toContain('slowOne')
    expect(watched.warnings[1]?.snapshot).toMatchObject({
      name: 'db',
      holders: [{ label: 'slow', heldFor: 100 }],
    })
    slow.release()
    ;(await waiting).release()
  })

  it('forgets who gave up waiting', async () => {
    using watched = watch({ slowWait: 50 })
    const lock = new AsyncLock()
    const lease = lock.tryAcquire() as Lease
    const waiting = [lock.acquire({ timeout: 10 }), lock.acquire()]
    const settled = Promise.allSettled(waiting)
    await vi.advanceTimersByTimeAsync(10)
    lock.close()
    await settled
    lease.release()
    await vi.advanceTimersByTimeAsync(100)
    expect(watched.warnings).toEqual([])
    expect(watched.snapshots()).toEqual([])
  })

  it('does not list who never came into the line', async () => {
    using watched = watch({ slowWait: 50 })
    const lock = new AsyncLock()
    const lease = await lock.acquire()
    const deaf = { aborted: false, addEventListener: () => assert.fail('deaf') } as never
    await expect(lock.acquire({ signal: deaf })).rejects.toThrow('deaf')
    lease.release()
    expect(watched.snapshots()).toEqual([])
    await vi.advanceTimersByTimeAsync(50)
    expect(watched.warnings).toEqual([])
  })

  it('warns of flows that wait for each other in a circle', async () => {
    using watched = watch()
    const locks = ['a', 'b', 'c'].map((name) => new AsyncLock({ name })) as [
      AsyncLock,
      AsyncLock,
      AsyncLock,
    ]
    const [a, b, c] = locks
    const { captureContext } = await import('@uno-async/core')
    // Each flow takes one, then asks for the next: the contexts are kept by hand here.
    const flows: ((fn: () => Promise<Lease>) => Promise<Lease>)[] = []
    const ends: (() => void)[] = []
    for (const lock of locks) {
      void lock.run(() => {
        flows.push(captureContext())
        return new Promise<void>((resolve) => ends.push(resolve))
      })
    }
    const first = flows[0]?.(() => b.acquire({ label: 'a → b' }))
    const second = flows[1]?.(() => c.acquire({ label: 'b → c' }))
    expect(watched.warnings).toEqual([])
    const third = flows[2]?.(() => a.acquire({ label: 'c → a' }))
    expect(watched.warnings).toMatchObject([
      { kind: 'deadlock', snapshot: { name: 'a', waiters: [{ label: 'c → a' }] } },
    ])
    for (const end of ends) end()
    for (const each of [first, second, third]) (await each)?.release()
    await flush()
    expect(locks.some(({ locked }) => locked)).toBe(false)
  })

  it('sees no circle over what was given back', async () => {
    using watched = watch()
    const [a, b] = [new AsyncLock({ name: 'a' }), new AsyncLock({ name: 'b' })]
    const { captureContext } = await import('@uno-async/core')
    const enter = (lock: AsyncLock) => {
      const flow: { in?: ReturnType<typeof captureContext>; lease?: Lease } = {}
      void lock.run((lease) => {
        Object.assign(flow, { in: captureContext(), lease })
        return new Promise<void>(() => {})
      })
      return flow as Required<typeof flow>
    }
    const first = enter(a)
    const second = enter(b)
    const waiting = first.in(() => b.acquire())
    first.lease.release()
    const other = await a.acquire()
    const next = second.in(() => a.acquire()) // who waits for b holds a no more
    expect(watched.warnings).toEqual([])
    for (const lease of [other, second.lease]) lease.release()
    for (const lease of [await waiting, await next]) lease.release()
  })

  it('sees a circle over a lock that only re-entry keeps', async () => {
    using watched = watch()
    const [a, b] = [new AsyncLock({ name: 'a', reentrant: true }), new AsyncLock({ name: 'b' })]
    const { captureContext } = await import('@uno-async/core')
    const flows: ReturnType<typeof captureContext>[] = []
    const leases: Lease[] = []
    const stay = (lease: Lease) => {
      leases.push(lease)
      flows.push(captureContext())
      return new Promise<void>(() => {})
    }
    void a.run((outer) => {
      const inner = a.run(stay)
      outer.release()
      return inner
    })
    void b.run(stay)
    const forA = flows[1]?.(() => a.acquire())
    expect(watched.warnings).toEqual([])
    const forB = flows[0]?.(() => b.acquire())
    expect(watched.warnings).toMatchObject([{ kind: 'deadlock', snapshot: { name: 'b' } }])
    for (const lease of leases) lease.release()
    for (const waiting of [forA, forB]) (await waiting)?.release()
  })

  it('warns of a lease that was collected while it was held', async () => {
    vi.useRealTimers()
    using watched = watch()
    const lock = new AsyncLock({ name: 'leaky' })
    await (async () => void (await lock.acquire({ label: 'forgetful' })))()
    for (let i = 0; i < 50 && !watched.warnings.length; i++) {
      globalThis.gc?.()
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    expect(watched.warnings).toMatchObject([
      { kind: 'lost-lease', snapshot: { name: 'leaky', holders: [{ label: 'forgetful' }] } },
    ])
    expect(lock.locked).toBe(true)
    vi.useFakeTimers()
  })

  it('hands out leases that re-enter', async () => {
    using _watched = watch()
    const lock = new AsyncLock({ reentrant: true })
    const lease = await lock.acquire()
    ;(await lock.acquire({ held: lease })).release()
    lease.release()
    expect(await lock.run(() => lock.run(() => lock.owner?.depth))).toBe(2)
  })

  it('lists a lock once, however deep it was re-entered', async () => {
    using watched = watch()
    const lock = new AsyncLock({ name: 'deep', reentrant: true })
    await lock.run(() =>
      lock.run(() => {
        const sibling = lock.tryAcquire({ label: 'third' })
        expect(watched.snapshots()).toEqual([lock.inspect()])
        expect(watched.snapshots()).toMatchObject([{ holders: [{ depth: 3 }] }])
        sibling?.release()
      }),
    )
    expect(watched.snapshots()).toEqual([])
  })

  it('reports what onWarning throws', async () => {
    const reported = vi.fn()
    vi.stubGlobal('reportError', reported)
    const error = new Error('of the hook')
    using _watched = watch({
      slowHold: 5,
      onWarning: () => {
        throw error
      },
    })
    const lease = await new AsyncLock().acquire()
    await vi.advanceTimersByTimeAsync(5)
    vi.unstubAllGlobals()
    expect(reported.mock.calls).toEqual([[error]])
    lease.release()
  })

  it('watches one at a time, and ends for good', async () => {
    const watched = watch({ slowHold: 5 })
    expect(() => watch()).toThrow('Somebody watches already')
    const lease = await new AsyncLock().acquire()
    watched.dispose()
    watched.dispose()
    await vi.advanceTimersByTimeAsync(100)
    expect([watched.warnings, watched.snapshots()]).toEqual([[], []])
    expect(lease.release()).toBe(true)
    watch().dispose()
  })

  it.each([[{ onWarning: undefined }], [{ slowHold: -1 }], [{ slowWait: '5' }], [{ stacks: 1 }]])(
    'refuses bad options: %j',
    (options) => {
      expect(() => watch(options as never)).toThrow(/Expected `/)
    },
  )
})

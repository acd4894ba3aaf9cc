// What must not cost more for each as there are more of them
import { CancellationTokenSource, type Lease } from '@uno-async/core'
import { AsyncLock, AsyncSemaphore, Limiter } from '@uno-async/sync'
import { watchPrimitives } from '@uno-async/sync/debug'
import { describe, expect, it, vi } from 'vitest'

describe('a hundred thousand waiters', { timeout: 60_000 }, () => {
  const N = 100_000

  it('are cancelled from the last to the first', async () => {
    const semaphore = new AsyncSemaphore(1)
    const lease = semaphore.tryAcquire() as Lease
    const reason = new Error('all')
    const sources = Array.from({ length: N }, () => new CancellationTokenSource())
    const all = Promise.allSettled(sources.map(({ token }) => semaphore.acquire({ signal: token })))
    for (const source of sources.reverse()) source.cancel(reason)
    expect(semaphore.waiting).toBe(0)
    await all
    lease.release()
  })

  it('are released from inside continuations without a deep stack', async () => {
    const semaphore = new AsyncSemaphore(1)
    const lease = semaphore.tryAcquire() as Lease
    const all = Promise.all(
      Array.from({ length: N }, () => semaphore.acquire().then((each) => each.release())),
    )
    lease.release()
    await all
    expect(semaphore.available).toBe(1)
  })

  it('join behind a heavy one, though there would be enough for them', async () => {
    const semaphore = new AsyncSemaphore(2)
    const lease = semaphore.tryAcquire() as Lease
    const heavy = semaphore.acquire({ weight: 2 })
    const light = Array.from({ length: N / 4 }, () => semaphore.acquire())
    const urgent = await semaphore.acquire({ priority: 1 })
    expect([semaphore.waiting, semaphore.tryAcquire()]).toEqual([1 + N / 4, undefined])
    for (const each of [urgent, lease]) each.release()
    ;(await heavy).release()
    for (const each of light) (await each).release()
    expect(semaphore.available).toBe(2)
  })
})

describe('a watch', () => {
  it('looks at who waits only for who holds something', async () => {
    const onWarning = vi.fn()
    using watched = watchPrimitives({ onWarning })
    const limiter = new Limiter(300)
    for (let i = 0; i < 300; i++) await limiter.acquire()
    for (let i = 0; i < 10_000; i++) limiter.acquire().catch(() => {})
    expect(watched.snapshots()).toMatchObject([{ name: '' }])
    expect(limiter.waiting).toBe(10_000)
    limiter.close()
    expect(onWarning).not.toHaveBeenCalled()
  })

  it('looks only at who waits for what the flow holds', async () => {
    const onWarning = vi.fn()
    using _watched = watchPrimitives({ onWarning })
    const shared = new AsyncLock({ name: 'shared' })
    const lease = shared.tryAcquire() as Lease
    const own = Array.from({ length: 20_000 }, () => new AsyncLock())
    const flows = own.map((lock) => lock.run(() => shared.run(() => {})))
    expect(shared.waiting).toBe(20_000)
    lease.release()
    await Promise.all(flows)
    expect(onWarning).not.toHaveBeenCalled()
  })
})

it('a lock is entered again very many times', async () => {
  const lock = new AsyncLock()
  const all = [await lock.acquire()]
  for (let i = 0; i < 15_000; i++) all.push(await lock.acquire({ held: all.at(-1) }))
  for (const each of all.reverse()) each.release()
  expect(lock.locked).toBe(false)
})

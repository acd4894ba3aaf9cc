import { CancellationTokenSource } from '@uno-async/core'
import {
  AsyncEvent,
  AsyncLock,
  AsyncSemaphore,
  KeyedLock,
  Limiter,
  RateLimiter,
  timeout,
} from '@uno-async/sync'
import { describe, expect, it } from 'vitest'

const heap = (): number => {
  globalThis.gc?.()
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

const { token } = new CancellationTokenSource()
const lock = new AsyncLock()
const reentrant = new AsyncLock({ reentrant: true })
const semaphore = new AsyncSemaphore(3)
const limiter = new Limiter(2)
const keyed = new KeyedLock<number>()
const event = new AsyncEvent({ set: true })
const rate = new RateLimiter({ limit: 1e9, burst: 1e9 })
const unlucky = new AsyncSemaphore(0)

const jobs: Record<string, (i: number) => Promise<unknown> | unknown> = {
  'tryAcquire and release': () => lock.tryAcquire()?.release(),
  acquire: async () => (await lock.acquire({ signal: token, timeout: 1_000 })).release(),
  run: () => lock.run(() => 1, { signal: token }),
  're-entry': () => reentrant.run(() => reentrant.run(() => 1)),
  'a contended semaphore': () =>
    Promise.all([1, 2, 3].map((weight) => semaphore.run(async () => 1, { weight, signal: token }))),
  'a limiter with runTimeout': () =>
    limiter.run(async () => 1, { runTimeout: 1_000, signal: token }),
  'ever new keys': (i) => keyed.run(i % 2 ? i : [i, i + 1], () => 1),
  'an event': () => event.wait({ signal: token }),
  'a rate limiter': () => rate.acquire({ signal: token }),
  'a wait that is cancelled': async () => {
    const source = new CancellationTokenSource({ signal: token })
    const waiting = unlucky.acquire({ signal: source.token, timeout: 1_000 })
    source.cancel('enough')
    await waiting.catch(() => {})
    source.close()
  },
  timeout: () => timeout(1_000, async () => 1, { signal: token }),
}

describe('5 000 times, again and again', { timeout: 60_000 }, () => {
  it.each(Object.keys(jobs))('%s leaves nothing behind', async (name) => {
    const job = jobs[name] as (i: number) => unknown
    // What grows only at first is code and caches; a leak grows every time.
    const growth: number[] = []
    for (let round = 0; round < 5 && !growth.some((bytes) => bytes < 64 * 1024); round++) {
      const before = heap()
      for (let i = 0; i < 5_000; i++) await job(i)
      growth.push(heap() - before)
    }
    expect(Math.min(...growth)).toBeLessThan(64 * 1024)
  })

  it('the token has no listener left', () => {
    expect((token as unknown as { hooks?: { linked: boolean } }).hooks?.linked).toBeFalsy()
    expect([keyed.size, unlucky.waiting, semaphore.available]).toEqual([0, 0, 3])
  })
})

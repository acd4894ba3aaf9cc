import type { CancellationToken, Lease, Snapshot } from '@uno-async/core'
import {
  AsyncEvent,
  AsyncLock,
  AsyncSemaphore,
  KeyedLock,
  Limiter,
  type LockBackend,
  RateLimiter,
  type RateLimitStore,
  type RemoteLease,
  timeout,
  timeoutScope,
} from '@uno-async/sync'
import { type PrimitiveWarning, watchPrimitives } from '@uno-async/sync/debug'
import { postgresLocks, redisLocks } from '@uno-async/sync/remote'
import { Redis } from 'ioredis'
import pg from 'pg'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import { createClient } from 'redis'
import { expectTypeOf, test } from 'vitest'

test('types', () => {
  const lock = new AsyncLock({ name: 'a', maxWaiting: 5, reentrant: true })
  expectTypeOf(lock.acquire()).resolves.toEqualTypeOf<Lease>()
  expectTypeOf(lock.tryAcquire()).toEqualTypeOf<Lease | undefined>()
  expectTypeOf(lock.run(() => 1)).resolves.toEqualTypeOf<number>()
  expectTypeOf(lock.run(async () => 'a' as const)).resolves.toEqualTypeOf<'a'>()
  expectTypeOf(lock.owner).toEqualTypeOf<Snapshot['holders'][number] | undefined>()
  void lock.run((lease, token) => {
    expectTypeOf(lease).toEqualTypeOf<Lease>()
    expectTypeOf(token).toEqualTypeOf<CancellationToken>()
  })
  // @ts-expect-error a lock has no weights
  void lock.acquire({ weight: 2 })
  // @ts-expect-error who waits is not for writing
  lock.waiting = 5
  // @ts-expect-error there is no bare release
  lock.release()
  expectTypeOf<AsyncLock>().toExtend<Disposable & AsyncDisposable>()

  const semaphore = new AsyncSemaphore(5)
  semaphore.capacity = 7
  void semaphore.acquire({
    weight: 2,
    signal: new AbortController().signal,
    timeout: 5,
    priority: 1,
  })
  // @ts-expect-error permits are needed
  new AsyncSemaphore()
  // @ts-expect-error semaphores are not re-entrant
  new AsyncSemaphore(1, { reentrant: true })

  expectTypeOf(new AsyncEvent().wait()).resolves.toBeVoid()
  expectTypeOf(new AsyncEvent().pulse()).toBeNumber()

  const limiter = new Limiter(5)
  expectTypeOf(limiter.wrap(async (a: number, b?: string) => `${a}${b}`)).toEqualTypeOf<
    (a: number, b?: string) => Promise<string>
  >()
  void limiter.run((token) => expectTypeOf(token).toEqualTypeOf<CancellationToken>(), {
    runTimeout: 5,
  })

  const store: RateLimitStore = new RateLimiterMemory({ points: 5, duration: 1 })
  const rate = new RateLimiter({ limit: 5, store })
  expectTypeOf(rate.tryAcquire().retryAfter).toBeNumber()
  // @ts-expect-error a limit is needed
  new RateLimiter({})

  const keyed = new KeyedLock<symbol>()
  void keyed.run([Symbol(), Symbol()], () => {})
  // @ts-expect-error not a key
  void keyed.acquire('a')
  expectTypeOf(new KeyedLock().inspect).parameter(0).toBeString()

  expectTypeOf(timeout(5, async (token) => token.cancelled)).resolves.toBeBoolean()
  expectTypeOf(timeout(5, 'message', () => 5, { onLate: () => {} })).resolves.toBeNumber()
  // @ts-expect-error not a mode
  void timeout(5, () => {}, { mode: 'slow' })
  expectTypeOf(timeoutScope(5).race(Promise.resolve(1))).resolves.toBeNumber()

  const backends: LockBackend[] = [
    postgresLocks(new pg.Pool()),
    postgresLocks(new pg.Client()),
    redisLocks(new Redis()),
    redisLocks(createClient(), { ttl: 5 }),
    redisLocks({ sendCommand: async (args: string[]) => args }),
  ]
  new KeyedLock({ backend: backends[0] })
  expectTypeOf<RemoteLease['token']>().toBeBigInt()
  expectTypeOf<RemoteLease>().toExtend<Lease>()
  // @ts-expect-error no client
  postgresLocks({})

  watchPrimitives({
    onWarning: (warning) => expectTypeOf(warning).toEqualTypeOf<PrimitiveWarning>(),
  })
  // @ts-expect-error nobody to tell
  watchPrimitives({})
})

import type { AcquireOptions, CancellationToken, Lease, Snapshot } from '@uno-async/core'
import { AsyncLock, AsyncSemaphore, KeyedLock, Limiter } from '@uno-async/sync'
import { type LockLike, lockContract } from './contract.js'

interface Like {
  acquire(options?: AcquireOptions): Promise<Lease>
  tryAcquire?(options?: { label?: string }): Lease | undefined
  run<R>(
    body: (lease: Lease, token: CancellationToken) => R | PromiseLike<R>,
    options?: AcquireOptions,
  ): Promise<Awaited<R>>
  readonly waiting: number
  inspect(): Snapshot
  close(reason?: unknown): void
}

const adapt = (lock: Like): LockLike => ({
  acquire: (options) => lock.acquire(options),
  tryAcquire: (options) => lock.tryAcquire?.(options),
  run: (body, options) => lock.run(body && ((_, token) => body(token)), options),
  waiting: () => lock.waiting,
  inspect: () => lock.inspect(),
  close: (reason) => lock.close(reason),
})

lockContract('AsyncLock', (options) => adapt(new AsyncLock(options)))
lockContract('re-entrant AsyncLock', (options) =>
  adapt(new AsyncLock({ ...options, reentrant: true })),
)
lockContract('AsyncSemaphore', (options) => adapt(new AsyncSemaphore(1, options)))
lockContract('Limiter', (options) => {
  const limiter = new Limiter(1, options)
  const { tryAcquire: _, ...rest } = adapt(limiter as never)
  return { ...rest, run: (body, o) => limiter.run(body, o) }
})

const keyed = (keys: string | string[]) => (options: { name: string; maxWaiting: number }) => {
  const lock = new KeyedLock(options)
  const first = [keys].flat()[0] as string
  return {
    acquire: (o) => lock.acquire(keys, o),
    ...(typeof keys === 'string'
      ? { tryAcquire: (o?: { label?: string }) => lock.tryAcquire(keys, o) }
      : { gathers: true }),
    run: (body, o) => lock.run(keys, body && ((_, token) => body(token)), o),
    waiting: () => lock.inspect(first)?.waiters.length ?? 0,
    inspect: () => lock.inspect(first),
    close: (reason) => lock.close(reason),
  } satisfies LockLike
}
lockContract('one key of a KeyedLock', keyed('a'))
lockContract('several keys of a KeyedLock', keyed(['a', 'b', 'a']))

import type { Cancellation } from '@uno-async/core'

/**
 * Whatever limits: something with `acquire()` (what it gives is given back by calling it, or by its `release` or dispose
 * method), `run()` or `add()`, or a function like those of p-limit. So Limiter, RateLimiter and AsyncSemaphore of `@uno-async/sync`,
 * AsyncResourcePool of `@uno-async/pool`, p-limit, p-queue, and what you wrap: `(fn) => bottleneck.schedule(fn)`.
 */
export type LimiterLike =
  | {
      // biome-ignore lint/suspicious/noConfusingVoidType: whatever is not to be given back
      acquire(options?: { signal?: Cancellation }): PromiseLike<Disposable | (() => void) | void>
    }
  | {
      run<T>(fn: () => PromiseLike<T> | T, options?: { signal?: Cancellation }): PromiseLike<T>
    }
  | { add<T>(fn: () => Promise<T>): PromiseLike<T> }
  | (<T>(fn: () => Promise<T>) => Promise<T>)

/** What a limiter of its own belongs to: the decorated function, each object, or each of the keys that a function gives. */
export type LimiterScope =
  | 'class'
  | 'instance'
  | ((self: unknown, args: readonly unknown[]) => unknown)

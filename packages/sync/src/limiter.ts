import {
  type AcquireOptions,
  CancellationToken,
  CancellationTokenSource,
  checkFunction,
  checkMilliseconds,
  checkOptions,
  type Lease,
  type Milliseconds,
  type Snapshot,
  type WaitOptions,
} from '@uno-async/core'
import { exact } from './internal/messages.js'
import { Permits } from './internal/permits.js'
import { acquire, closing, run } from './internal/run.js'
import { checkCount, type QueueOptions } from './options.js'

/**
 * Runs at most `limit` tasks at once, first come, first served: the task-shaped face of a semaphore.
 *
 * @example
 * ```ts
 * import { Limiter } from '@uno-async/sync'
 * const limiter = new Limiter(2, { name: 'downloads' })
 * const sizes = await Promise.all(['a', 'bb', 'ccc'].map((text) => limiter.run(async () => text.length)))
 * // [1, 2, 3]
 * ```
 */
export class Limiter implements Disposable, AsyncDisposable {
  readonly #permits: Permits

  /**
   * @param limit - an integer >= 0, or `Infinity`; with 0 everybody waits until it grows
   * @throws TypeError, RangeError
   */
  constructor(limit: number, options?: QueueOptions) {
    this.#permits = new Permits('Limiter', checkCount('limit', limit), options)
  }

  /** As given; '' by default. */
  get name(): string {
    return this.#permits.name
  }

  /** How many may run at once. More start who waits at once; fewer stop nobody. */
  get limit(): number {
    return this.#permits.capacity
  }

  set limit(limit: number) {
    this.#permits.capacity = checkCount('limit', limit)
    this.#permits.pump()
  }

  /** How many run. */
  get active(): number {
    return this.#permits.held
  }

  /** How many wait. */
  get waiting(): number {
    return this.#permits.waiting
  }

  /**
   * Runs task when it is its turn, in the context of who called. Settles when the task does: `runTimeout`
   * cancels the task's token with a TimeoutError, but the place stays taken until the task has ended.
   *
   * @param options - `runTimeout`: milliseconds, default `Infinity`; `signal`: for the wait and the task; `timeout`: for the wait; `priority`, `label`
   * @throws what `acquire` rejects with; what task throws
   */
  run<R>(
    task: (token: CancellationToken) => R | PromiseLike<R>,
    options?: AcquireOptions & { runTimeout?: Milliseconds | undefined },
  ): Promise<Awaited<R>> {
    try {
      checkFunction('task', task)
      const { label, runTimeout: timeout = Infinity } = checkOptions(options)
      checkMilliseconds('runTimeout', timeout)
      return run(
        this.#permits,
        timeout === Infinity
          ? (_, token) => task(token)
          : (_, signal) => {
              const { title } = this.#permits
              const source = new CancellationTokenSource({
                signal: [signal, CancellationToken.current], // task's replaces it
                timeout,
                name: label ?? title,
                message:
                  label === undefined ? `${title} timed out after ${exact(timeout)}` : undefined,
                ref: true,
              })
              return closing(source, task)
            },
        options,
      )
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Makes every call of fn, `this` included, one of those that are limited. */
  wrap<A extends unknown[], R>(
    fn: (...args: A) => R | PromiseLike<R>,
  ): (...args: A) => Promise<Awaited<R>> {
    checkFunction('fn', fn)
    const run = (task: () => R | PromiseLike<R>): Promise<Awaited<R>> => this.run(task)
    return function (this: unknown, ...args) {
      return run(() => fn.apply(this, args))
    }
  }

  /**
   * Waits for a place. A grant wins over a later cancellation.
   *
   * @throws what the signal was cancelled with, TimeoutError, QueueFullError, ClosedError; TypeError, RangeError
   */
  acquire(options?: AcquireOptions): Promise<Lease> {
    return acquire(this.#permits, options)
  }

  /** Starts nobody any more until `resume()`; who runs goes on. */
  pause(): void {
    this.#permits.paused = true
  }

  /** Goes on after `pause()`. */
  resume(): void {
    this.#permits.paused = false
    this.#permits.pump()
  }

  /** Rejects everybody who waits with `reason` if it is an Error, else with a CancelledError caused by it; how many. */
  clear(reason?: unknown): number {
    return this.#permits.rejectAll(() => CancellationToken.cancelled(reason).error)
  }

  /** Resolves when nobody runs or waits. */
  whenIdle(options?: WaitOptions): Promise<void> {
    return this.#permits.whenIdle(options)
  }

  /** Who runs, who waits: plain data, fresh each time. */
  inspect(): Snapshot {
    return this.#permits.inspect()
  }

  /** Rejects who waits and whoever comes with a ClosedError caused by `reason`; who runs goes on. Idempotent. */
  close(reason?: unknown): void {
    this.#permits.close(reason)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** Closes, and waits until nobody runs. */
  [Symbol.asyncDispose](): Promise<void> {
    this.close()
    return this.whenIdle()
  }
}

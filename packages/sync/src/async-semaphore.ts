import type {
  AcquireOptions,
  CancellationToken,
  Lease,
  Snapshot,
  WaitOptions,
} from '@uno-async/core'
import { Permits } from './internal/permits.js'
import { acquire, run } from './internal/run.js'
import { checkCount, type QueueOptions } from './options.js'

/**
 * Lends out so many permits, first come, first served, weights included: a heavy request at the head is
 * never overtaken by light ones behind it; only a higher `priority` goes ahead.
 *
 * @example
 * ```ts
 * import { AsyncSemaphore } from '@uno-async/sync'
 * const memory = new AsyncSemaphore(512, { name: 'memory' })
 * using lease = await memory.acquire({ weight: 64, timeout: 1_000 })
 * memory.available // 448
 * ```
 */
export class AsyncSemaphore implements Disposable, AsyncDisposable {
  readonly #permits: Permits

  /**
   * @param permits - an integer >= 0, or `Infinity`; of 0 everybody waits until `capacity` grows
   * @throws TypeError, RangeError
   */
  constructor(permits: number, options?: QueueOptions) {
    this.#permits = new Permits('AsyncSemaphore', checkCount('permits', permits), options)
  }

  /** As given; '' by default. */
  get name(): string {
    return this.#permits.name
  }

  /** How many permits there are. More wake who waits at once; fewer take from nobody what they hold. */
  get capacity(): number {
    return this.#permits.capacity
  }

  set capacity(permits: number) {
    this.#permits.capacity = checkCount('capacity', permits)
    this.#permits.pump()
  }

  /** `capacity` minus what is held: below 0 while more is held than a capacity that shrank. */
  get available(): number {
    return this.#permits.available
  }

  /** How many wait. */
  get waiting(): number {
    return this.#permits.waiting
  }

  /**
   * Waits for `weight` permits. A grant wins over a later cancellation.
   *
   * @param options - `weight`: default 1; `signal`, `timeout`, `priority`, `label`
   * @throws what the signal was cancelled with, TimeoutError, QueueFullError, ClosedError; TypeError, RangeError (also for a weight above capacity)
   */
  acquire(options?: AcquireOptions & { weight?: number | undefined }): Promise<Lease> {
    return acquire(this.#permits, options)
  }

  /** A lease if there are enough permits and nobody waits, else undefined; never waits. @throws TypeError, RangeError */
  tryAcquire(options?: {
    weight?: number | undefined
    label?: string | undefined
  }): Lease | undefined {
    return this.#permits.tryEnter(options)
  }

  /**
   * Holds `weight` permits while body runs, in the context of who called. A cancellation that comes before
   * body is called still counts. `token` is that of `signal`.
   *
   * @throws what `acquire` rejects with; what body throws
   */
  run<R>(
    body: (lease: Lease, token: CancellationToken) => R | PromiseLike<R>,
    options?: AcquireOptions & { weight?: number | undefined },
  ): Promise<Awaited<R>> {
    return run(this.#permits, body, options)
  }

  /** Resolves when nobody holds or waits. */
  whenIdle(options?: WaitOptions): Promise<void> {
    return this.#permits.whenIdle(options)
  }

  /** Who holds, who waits: plain data, fresh each time. */
  inspect(): Snapshot {
    return this.#permits.inspect()
  }

  /** Rejects who waits and whoever comes with a ClosedError caused by `reason`; holders finish. Idempotent. */
  close(reason?: unknown): void {
    this.#permits.close(reason)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** Closes, and waits until nobody holds. */
  [Symbol.asyncDispose](): Promise<void> {
    this.close()
    return this.whenIdle()
  }
}

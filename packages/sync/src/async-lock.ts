import {
  type AcquireOptions,
  type CancellationToken,
  checkOptions,
  type Lease,
  type Snapshot,
} from '@uno-async/core'
import { LockPermits, runHolding } from './internal/lock-permits.js'
import { acquire, run } from './internal/run.js'
import { checkBoolean, type QueueOptions } from './options.js'

/**
 * Lets one at a time in, first come, first served.
 *
 * `release()` hands over before it returns: a newcomer never gets in between. Who asks for what its own
 * flow holds gets a DeadlockError instead of a wait without end (after an `await`: with
 * `enableAsyncContext()`). With `reentrant` it enters once more: nested `run`s of one flow nest, siblings
 * started inside take turns, and who comes after the release is a newcomer like any other.
 *
 * @example
 * ```ts
 * import { AsyncLock } from '@uno-async/sync'
 * const lock = new AsyncLock({ name: 'db' })
 * await lock.run(async (lease, token) => {
 *   token.throwIfCancelled()
 * }, { timeout: 5_000, label: 'migrate' })
 * ```
 */
export class AsyncLock implements Disposable, AsyncDisposable {
  readonly #permits: LockPermits

  /**
   * @param options - `reentrant`: who holds it may enter again, default false; `name`; `maxWaiting`: default `Infinity`
   * @throws TypeError, RangeError
   */
  constructor(options?: QueueOptions & { reentrant?: boolean | undefined }) {
    const { reentrant = false } = checkOptions(options)
    this.#permits = new LockPermits('AsyncLock', 1, options)
    this.#permits.reentrant = checkBoolean('reentrant', reentrant)
  }

  /** As given; '' by default. */
  get name(): string {
    return this.#permits.name
  }

  /** Does somebody hold it? */
  get locked(): boolean {
    return this.#permits.held > 0
  }

  /** How many wait. */
  get waiting(): number {
    return this.#permits.waiting
  }

  /** Who holds it. `heldFor` of what `tryAcquire` took counts from the beginning of that turn. */
  get owner(): Snapshot['holders'][number] | undefined {
    const { first } = this.#permits
    return first && this.#permits.describe(first, performance.now())
  }

  /**
   * Waits its turn. A grant wins over a later cancellation.
   *
   * @param options - `signal`, `timeout`, `priority`, `label`; `held`: re-enter with the lease one has already
   * @throws what the signal was cancelled with, TimeoutError, QueueFullError, ClosedError, DeadlockError; TypeError, RangeError
   */
  acquire(options?: AcquireOptions & { held?: Lease | undefined }): Promise<Lease> {
    return acquire(this.#permits, options)
  }

  /** A lease if nobody holds it or waits, else undefined; never waits. */
  tryAcquire(options?: { label?: string | undefined }): Lease | undefined {
    return this.#permits.tryEnter(options)
  }

  /**
   * Holds the lock while body runs, in the context of who called. A cancellation that comes before body is
   * called still counts. `token` is that of `signal`.
   *
   * @throws what `acquire` rejects with; what body throws
   */
  run<R>(
    body: (lease: Lease, token: CancellationToken) => R | PromiseLike<R>,
    options?: AcquireOptions & { held?: Lease | undefined },
  ): Promise<Awaited<R>> {
    return run(this.#permits, body, options, runHolding)
  }

  /** Who holds, who waits: plain data, fresh each time. */
  inspect(): Snapshot {
    return this.#permits.inspect()
  }

  /** Rejects who waits and whoever comes with a ClosedError caused by `reason`; the holder finishes. Idempotent. */
  close(reason?: unknown): void {
    this.#permits.close(reason)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** Closes, and waits until it is free. */
  [Symbol.asyncDispose](): Promise<void> {
    this.close()
    return this.#permits.whenIdle()
  }
}

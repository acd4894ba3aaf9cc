import {
  type AcquireOptions,
  badValue,
  CancellationToken,
  checkFunction,
  checkMilliseconds,
  checkOptions,
  type Milliseconds,
  type Snapshot,
  type WaitOptions,
} from '@uno-async/core'
import { call } from './internal/call.js'
import { Engine } from './internal/engine.js'
import { checkBounds, defined, settle } from './internal/options.js'
import type { AsyncResource } from './resource.js'
import type { PoolCloseResult, PoolLease, PoolOptions, PoolRunOptions, PoolStats } from './types.js'

/**
 * Lends resources that are costly to open, first come first served: what is lent is a lease, released once, dead
 * afterwards.
 *
 * As many resources are created as are wanted, never more than `max`; none belongs to a waiter, who gets whatever
 * comes free first, an old one or a new one. While creates fail there is one retry loop for the whole pool, and who
 * waits keeps their place. A resource that is broken, too old, invalid or fails to be reset is destroyed, and its
 * place filled again.
 *
 * @example
 * ```ts
 * import { AsyncResourcePool } from '@uno-async/pool'
 * const pool = new AsyncResourcePool({ create: async () => ({ query: async (sql: string) => sql }), max: 10 })
 * await pool.run((connection) => connection.query('select 1')) // 'select 1'
 * await pool.close()
 * ```
 */
export class AsyncResourcePool<T> implements AsyncDisposable {
  readonly #engine: Engine<T>

  /** @throws TypeError, RangeError */
  constructor(options: PoolOptions<T>) {
    this.#engine = new Engine(settle(options))
  }

  /** A pool of what `create` makes: opens, validates, resets and closes them by their own methods. */
  static of<R extends AsyncResource>(
    create: () => R,
    options: Omit<PoolOptions<R>, 'create' | 'destroy' | 'validate' | 'reset'>,
  ): AsyncResourcePool<R> {
    checkFunction('create', create)
    const pool = new AsyncResourcePool<R>({
      ...options,
      create: async ({ token }) => {
        const resource = create()
        const opening = resource.open({ signal: token })
        try {
          return await opening
        } catch (error) {
          // An open that is left goes on: it takes up room until it has been undone.
          if (token.cancelled) await resource.close(error).catch(() => {})
          throw error
        }
      },
      destroy: (resource, reason) => resource.close(reason),
      validate: (resource, token) =>
        resource.state === 'open' && (hooks(resource).validate?.(token) ?? true),
      reset: (resource, token) => hooks(resource).reset?.(token),
    })
    pool.#engine.isDead = ({ state }) => state !== 'open'
    return pool
  }

  /**
   * Lends `use` a resource, and takes it back when it is done, however that ends. If it was cancelled while the
   * resource was handed over, `use` is not called.
   *
   * @param options - `signal` and `timeout` of the wait; `priority`, `label`; `destroyOn`: after which errors not to use
   * the resource again, default never; if it throws that is reported, and the resource not used again
   * @throws what `use` throws; AcquireTimeoutError, ClosedError, QueueFullError; TypeError, RangeError as rejections
   */
  async run<R>(
    use: (resource: T, token: CancellationToken) => R | PromiseLike<R>,
    options?: PoolRunOptions,
  ): Promise<Awaited<R>> {
    checkFunction('use', use)
    const { signal, destroyOn } = checkOptions(options)
    if (destroyOn !== undefined) checkFunction('destroyOn', destroyOn)
    const token = CancellationToken.from(signal)
    const lease = await this.acquire(options)
    let used = false
    let destroy = false
    try {
      token.throwIfCancelled()
      used = true
      return await use(lease.resource, token)
    } catch (error) {
      if (used && destroyOn) {
        destroy = true // if that throws, nobody knows
        call(() => {
          destroy = !!destroyOn(error)
        })
      }
      throw error
    } finally {
      lease.release({ destroy })
    }
  }

  /**
   * A lease on a resource, as soon as there is one.
   *
   * @param options - `timeout`: milliseconds, default `acquireTimeout`; `signal`; `priority`: higher goes first,
   * default 0; `label`: who this is, for messages and `inspect()`
   * @throws AcquireTimeoutError, caused by the last create that failed, if they do; ClosedError; QueueFullError; what
   * `throwIfCancelled` throws; TypeError, RangeError as rejections
   */
  acquire(options?: AcquireOptions): Promise<PoolLease<T>> {
    return this.#engine.acquire(options)
  }

  /** A lease, if that takes no waiting: a resource is idle, needs no validation, and nobody is before you. */
  tryAcquire(options?: { label?: string | undefined }): PoolLease<T> | undefined {
    return this.#engine.take(checkOptions(options).label)
  }

  /**
   * Resolves when `min` resources are there.
   *
   * @param options - `signal`, `timeout`: milliseconds, default `Infinity`
   * @throws TimeoutError, caused by the last create that failed; the error of a create that was given up; ClosedError
   */
  ready(options?: WaitOptions): Promise<void> {
    return this.#engine.ready(options)
  }

  /** Other bounds from now on. More than `max`: idle ones go at once, borrowed ones when they come back. */
  resize(bounds: { min?: number | undefined; max?: number | undefined }): void {
    if (Object(bounds) !== bounds) throw badValue('bounds', 'an object', bounds, TypeError)
    const { options } = this.#engine
    const { min = options.min, max = options.max } = bounds
    checkBounds(min, max)
    options.min = min
    options.max = max
    this.#engine.trim()
    this.#engine.pump()
  }

  /** Counts, as plain data. */
  stats(): PoolStats {
    return this.#engine.stats()
  }

  /** Who holds and who waits, as plain data. `available`: how many could still be lent. */
  inspect(): Snapshot {
    const { options, queue, held, borrowed, closed } = this.#engine
    const { max, name = '' } = options
    const now = performance.now()
    return {
      name,
      capacity: max,
      available: Math.max(0, max - borrowed),
      closed,
      holders: held.map(({ holder, label, since }) =>
        defined({ id: holder, label, weight: 1, heldFor: now - since }),
      ),
      waiters: [...queue].map(({ tag: { id, label }, age, priority }) =>
        defined({ id, label, weight: 1, waitedFor: age, priority }),
      ),
    }
  }

  /**
   * Takes no more requests: they, and all who wait, get a ClosedError. Waits for what is borrowed; what is not back in
   * time is destroyed under its holder, whose release then does nothing. Always settles: it waits for those destroys
   * no longer than `destroyTimeout`, 5 000 if that is `Infinity`. The first call counts.
   *
   * @param options - `timeout`: milliseconds, default 30 000; `drain`: serve who waits first, default false
   */
  close(options?: {
    timeout?: Milliseconds | undefined
    drain?: boolean | undefined
  }): Promise<PoolCloseResult> {
    try {
      const { timeout = 30_000, drain = false } = checkOptions(options)
      checkMilliseconds('timeout', timeout)
      if (typeof drain !== 'boolean') throw badValue('drain', 'a boolean', drain, TypeError)
      return this.#engine.close(timeout, drain)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** Who subclasses a resource protects its hooks from everybody but the pool. */
function hooks(resource: AsyncResource): Pick<PoolHooks, 'validate' | 'reset'> {
  return resource as unknown as PoolHooks
}

interface PoolHooks {
  validate?(token: CancellationToken): boolean | PromiseLike<boolean>
  reset?(token: CancellationToken): unknown
}

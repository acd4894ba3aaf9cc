import {
  type AcquireOptions,
  badValue,
  type Cancellation,
  CancellationToken,
  CancellationTokenSource,
  checkMilliseconds,
  checkOptions,
  type Lease,
  type Milliseconds,
  type Snapshot,
} from '@uno-async/core'
import { Bundle, RemoteBundle } from './internal/bundle.js'
import { LockPermits, runHolding } from './internal/lock-permits.js'
import { type Closed, closedError, exact, titleOf } from './internal/messages.js'
import { late } from './internal/permits.js'
import { acquire, type Body, ending, run, soon } from './internal/run.js'
import type { LockBackend, RemoteLease } from './lock-backend.js'
import { checkCount, checkString, type QueueOptions } from './options.js'

let order = 0

/** The lock of one key, in the map while somebody holds, waits, or is about to. */
class KeyPermits<K> extends LockPermits {
  readonly key: K
  readonly home: Map<K, KeyPermits<K>>
  readonly order: number = ++order // all who want several take them in this one
  pins = 0

  constructor(home: Map<K, KeyPermits<K>>, key: K, options: QueueOptions) {
    super('KeyedLock', 1, options)
    this.key = key
    this.home = home
    home.set(key, this)
  }

  override get title(): string {
    const key = typeof this.key === 'object' ? 'an object' : `"${String(this.key)}"`
    return `${super.title} of ${key}`
  }

  override idle(): void {
    if (!this.pins && !this.busy) this.home.delete(this.key)
  }
}

/**
 * One lock per key: keys cost nothing while nobody holds or waits.
 *
 * Several keys are taken in one global order, whatever the order of the list, so that those who do can never
 * wait for each other; a key named twice counts once. With a `backend` other processes see the locks, too,
 * and what `acquire` gives is a RemoteLease: with a fencing `token` (of several keys the greatest) and a
 * `signal` that is aborted when a lock is lost, as is the token of `run`.
 *
 * @example
 * ```ts
 * import { KeyedLock } from '@uno-async/sync'
 * const accounts = new KeyedLock({ name: 'accounts' })
 * await accounts.run(['alice', 'bob'], async () => 'transferred', { timeout: 5_000 })
 * accounts.size // 0
 * ```
 */
export class KeyedLock<K = string> implements Disposable {
  readonly #options: { readonly name: string; readonly maxWaiting: number }
  readonly #backend: LockBackend | undefined
  readonly #keys = new Map<K, KeyPermits<K>>()
  readonly #closing = new CancellationTokenSource() // ends the waits for the backend
  #closed: Closed | undefined

  /**
   * @param options - `name`; `maxWaiting`: for each key, default `Infinity`; `backend`: keys have to be strings then
   * @throws TypeError, RangeError
   */
  constructor(options?: QueueOptions & { backend?: LockBackend | undefined }) {
    const { name = '', maxWaiting = Infinity, backend } = checkOptions(options)
    checkString('name', name)
    this.#options = { name, maxWaiting: checkCount('maxWaiting', maxWaiting) }
    if (backend !== undefined && typeof backend?.acquire !== 'function') {
      throw badValue('backend', 'an object with acquire()', backend, TypeError)
    }
    this.#backend = backend
  }

  /** As given; '' by default. */
  get name(): string {
    return this.#options.name
  }

  /** How many keys somebody holds or waits for. */
  get size(): number {
    return this.#keys.size
  }

  /**
   * Waits its turn for the key, or for all of these keys. A grant wins over a later cancellation.
   *
   * @param options - `signal`; `timeout`: for all of them; `priority`, `label`
   * @throws what the signal was cancelled with, TimeoutError, QueueFullError, ClosedError, DeadlockError; what the backend rejects with; TypeError, RangeError
   */
  acquire(key: K | readonly K[], options?: AcquireOptions): Promise<Lease> {
    return acquire({ enter: (o) => this.#enter(key, o) }, options)
  }

  /** A lease if nobody holds the key or waits for it, else undefined; never waits. @throws TypeError with a backend: use `acquire` with `timeout: 0` */
  tryAcquire(key: K, options?: { label?: string | undefined }): Lease | undefined {
    if (this.#backend) {
      throw new TypeError('A KeyedLock with a backend has to ask it: use acquire() with timeout 0')
    }
    if (Array.isArray(key)) {
      throw badValue(
        'key',
        'one key: several are only taken by acquire() and run()',
        key,
        TypeError,
      )
    }
    return this.#of(key, (permits) => permits.tryEnter(options))
  }

  /**
   * Holds the key, or all of these keys, while body runs, in the context of who called.
   *
   * @throws what `acquire` rejects with; what a lease was lost with before body was called; what body throws
   */
  run<R>(
    key: K | readonly K[],
    body: (lease: Lease, token: CancellationToken) => R | PromiseLike<R>,
    options?: AcquireOptions,
  ): Promise<Awaited<R>> {
    const door = { enter: (o?: AcquireOptions) => this.#enter(key, o) }
    const guarded = this.#backend && typeof body === 'function' ? untilLost(body) : body
    return run(door, guarded, options, runHolding)
  }

  /** Who holds the key, who waits for it; undefined if nobody does. */
  inspect(key: K): Snapshot | undefined {
    return this.#keys.get(key)?.inspect()
  }

  /** Rejects who waits and whoever comes with a ClosedError caused by `reason`; holders finish. Idempotent. */
  close(reason?: unknown): void {
    const closed = (this.#closed ??= { reason })
    for (const permits of [...this.#keys.values()]) permits.close(reason)
    this.#closing.cancel(closedError(this.#title, closed))
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #enter(key: K | readonly K[], options?: AcquireOptions): Lease | Promise<Lease> {
    if (this.#backend || Array.isArray(key)) {
      return this.#several([...new Set(Array.isArray(key) ? (key as K[]) : [key as K])], options)
    }
    return this.#of(key as K, (permits) => permits.enter(options))
  }

  /** Does something with the lock of a key, and forgets it where that left nothing behind. */
  #of<T>(key: K, use: (permits: KeyPermits<K>) => T): T {
    const permits = this.#pin(key)
    try {
      return use(permits)
    } finally {
      unpin(permits)
    }
  }

  #pin(key: K): KeyPermits<K> {
    let permits = this.#keys.get(key)
    if (!permits) {
      permits = new KeyPermits(this.#keys, key, this.#options)
      permits.closed = this.#closed
    }
    permits.pins++
    return permits
  }

  async #several(keys: readonly K[], options?: AcquireOptions): Promise<Lease> {
    const { timeout = Infinity, ...given } = checkOptions(options)
    const { signal } = given
    const deadline = performance.now() + checkMilliseconds('timeout', timeout)
    CancellationToken.from(signal).throwIfCancelled()
    if (this.#closed) throw closedError(this.#title, this.#closed)
    const backend = this.#backend
    if (backend) for (const key of keys) checkKey(key)
    const all = keys.map((key) => this.#pin(key)).sort((a, b) => a.order - b.order)
    const limit = backend && this.#limit(signal, timeout)
    const local: Lease[] = []
    const remote: RemoteLease[] = []
    try {
      // All at once, while this is still the flow that called.
      for (const permits of all) permits.mine()
      for (const permits of all) {
        const lease = permits.enter({
          ...given,
          timeout: timeout && Math.max(0, deadline - performance.now()),
          onTimeout: (_, hold) => late(timeout, hold),
        })
        local.push(lease instanceof Promise ? await lease : lease)
      }
      if (!limit) return new Bundle(local)
      // What is local was taken first by everybody, what is remote in the order that all processes share.
      for (const key of ([...keys] as unknown as string[]).sort()) {
        const options = { signal: limit.token, ...(!timeout && { timeout }) }
        remote.push(checkLease(await soon(limit.token, backend.acquire(key, options))))
      }
      return new RemoteBundle(local, remote)
    } catch (error) {
      if (remote.length) new RemoteBundle(local, remote).release()
      else new Bundle(local).release()
      throw error
    } finally {
      limit?.close()
      all.forEach(unpin)
    }
  }

  /** Bounds the wait for a backend. */
  #limit(signal: Cancellation | undefined, timeout: Milliseconds): CancellationTokenSource {
    return new CancellationTokenSource({
      signal: [CancellationToken.from(signal), this.#closing.token],
      timeout: timeout || Infinity, // 0: the backend tries once
      name: this.#title,
      message: `${this.#title} timed out after ${exact(timeout)}: held by another process`,
      ref: true,
    })
  }

  get #title(): string {
    return titleOf('KeyedLock', this.name)
  }
}

/** Calls body with a token that is cancelled, too, when the lease is lost. */
function untilLost<R>(body: Body<R>): Body<R> {
  return (lease, token) => {
    // A source, to be closed: what `any` derives would hang on the caller's token once body has read its `signal`.
    const source = new CancellationTokenSource({ signal: [token, (lease as RemoteLease).signal] })
    const { token: held } = source
    return ending(
      () => {
        held.throwIfCancelled() // it may be lost already
        return body(lease, held)
      },
      { release: () => source.close() },
    )
  }
}

/** Whatever a backend gives has to be given back. */
function checkLease(lease: RemoteLease): RemoteLease {
  if (typeof lease?.release === 'function') return lease
  throw badValue('backend', 'one whose acquire() gives a lease', lease, TypeError)
}

function unpin<K>(permits: KeyPermits<K>): void {
  permits.pins--
  permits.idle()
}

function checkKey(key: unknown): void {
  if (typeof key !== 'string') {
    throw badValue('key', 'a string, since there is a backend', key, TypeError)
  }
}

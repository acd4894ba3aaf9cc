import type { AcquireOptions, CancellationToken, Lease, Milliseconds } from '@uno-async/core'

/** Why a resource was destroyed. */
export type DestroyReason =
  | 'released' // with `destroy: true`, or by `destroyOn`
  | 'broken'
  | 'invalid'
  | 'reset' // that failed
  | 'uses'
  | 'lifetime'
  | 'idle'
  | 'surplus' // more than `max`, after a resize
  | 'late' // its create had timed out
  | 'leaked'
  | 'closed'

/** What a pool is told to make a resource with. */
export interface CreateContext {
  /** Cancelled when `createTimeout` has passed, or the pool is closed. */
  readonly token: CancellationToken
  /** The same as an AbortSignal. */
  readonly signal: AbortSignal
  /** 1, and one more for each failure in a row. */
  readonly attempt: number
}

/** A lease that was held for long, or lost without being released. */
export interface PoolLeak {
  readonly label?: string
  readonly heldFor: Milliseconds
  /** Where it was acquired; only with `leakAfter`. */
  readonly stack?: string
}

/** What happens in a pool, for logs and metrics. */
export type PoolEvent =
  | { readonly type: 'created' }
  /** `retryIn` is false if this was given up. */
  | {
      readonly type: 'create-failed'
      readonly error: unknown
      readonly attempt: number
      readonly retryIn: Milliseconds | false
    }
  | { readonly type: 'destroyed'; readonly reason: DestroyReason }
  | { readonly type: 'destroy-failed'; readonly reason: DestroyReason; readonly error: unknown }
  /** What `broken` was called with, if with anything; once, and not while it is destroyed. */
  | { readonly type: 'broken'; readonly error: unknown }
  /** Only with an error: false is no failure. */
  | { readonly type: 'validate-failed' | 'reset-failed'; readonly error: unknown }

/** How a pool behaves. */
export interface PoolOptions<T> {
  /** For messages. */
  name?: string | undefined
  /** Makes a resource. */
  create: (context: CreateContext) => T | PromiseLike<T>
  /** Ends one; default: its `[Symbol.asyncDispose]`, `[Symbol.dispose]` or `close()`, whichever it has. */
  destroy?: ((resource: T, reason: DestroyReason) => unknown) | undefined
  /** Is it still good? Asked before it is lent, after `validateAfterIdle`. */
  validate?: ((resource: T, token: CancellationToken) => boolean | PromiseLike<boolean>) | undefined
  /** Makes it as good as new, after a release and before anybody else gets it. */
  reset?: ((resource: T, token: CancellationToken) => unknown) | undefined
  /** Called with each new resource: call `broken` when it dies by itself, e.g. on a socket's `close`. */
  onBroken?: ((resource: T, broken: (reason?: unknown) => void) => void) | undefined
  /** How many there may be at once, those being created or destroyed included. */
  max: number
  /** How many are kept ready, default 0. */
  min?: number | undefined
  /** How many may be idle, default `Infinity`. */
  maxIdle?: number | undefined
  /** How many may wait beyond those there is room for; who comes then gets a QueueFullError. Default `Infinity`. */
  maxWaiting?: number | undefined
  /** Which idle one is lent next: the last one back, so that the others can age out (default), or the first. */
  order?: 'lifo' | 'fifo' | undefined
  /** How long to wait for a resource, default 30 000. */
  acquireTimeout?: Milliseconds | undefined
  /** How long a create may take, default 30 000. One that comes later is destroyed. */
  createTimeout?: Milliseconds | undefined
  /**
   * How long to wait for a destroy before its place is given away, default 5 000. With `Infinity`, a `close()` whose
   * own time is over waits for 5 000.
   */
  destroyTimeout?: Milliseconds | undefined
  /** How long a `validate` or a `reset` may take, default 5 000. */
  validateTimeout?: Milliseconds | undefined
  /** Destroys what was idle for so long, down to `min`; default `Infinity`. */
  idleTimeout?: Milliseconds | undefined
  /** Destroys what is that old, never while it is lent; default `Infinity`. */
  maxLifetime?: Milliseconds | undefined
  /** 0 to 1: shortens each lifetime by up to this share; default 0.1. */
  lifetimeJitter?: number | undefined
  /** How often one is lent, default `Infinity`. */
  maxUses?: number | undefined
  /** Trusts what was idle for less than this, default 500. */
  validateAfterIdle?: Milliseconds | undefined
  /**
   * How long to wait after a create that failed, the `attempt`th in a row; false gives up: who waits is rejected
   * with the error. Default: 10 ms doubling to 5 s, with full jitter.
   */
  retryCreate?: false | ((error: unknown, attempt: number) => Milliseconds | false) | undefined
  /** Tells `onLeak` of a lease that is held for longer than this; default `Infinity`. */
  leakAfter?: Milliseconds | undefined
  onLeak?: ((leak: PoolLeak) => void) | undefined
  onEvent?: ((event: PoolEvent) => void) | undefined
}

/** How to run with a resource. */
export interface PoolRunOptions extends AcquireOptions {
  /** After which errors not to use the resource again, default never. If it throws: reported, and not used again. */
  destroyOn?: ((error: unknown) => boolean) | undefined
}

/** A borrowed resource: give it back once, `using` does it for you. */
export interface PoolLease<T> extends Lease, AsyncDisposable {
  /** The resource; throws a ReleasedError once it was given back. */
  readonly resource: T
  readonly heldFor: Milliseconds
  /** True for the call that gave it back. `destroy`: do not use it again, default false. */
  release(options?: { destroy?: boolean | undefined }): boolean
}

/** What a pool has right now, and what it has done so far. */
export interface PoolStats {
  /** All that counts to `max`: the sum of the next four, and creates that overran their time. */
  readonly total: number
  readonly idle: number
  readonly borrowed: number
  readonly creating: number
  /** Being validated, reset or destroyed. */
  readonly busy: number
  readonly waiting: number
  readonly min: number
  readonly max: number
  readonly created: number
  readonly destroyed: number
  /** Creates that failed. */
  readonly failed: number
}

/** How `close()` went. */
export interface PoolCloseResult {
  /** How many resources were destroyed under their holders. */
  readonly forced: number
  /** What went wrong in destroying. */
  readonly errors: readonly unknown[]
}

import type { CancellationToken } from './token.js'

/** A duration in milliseconds. `Infinity` means no limit; NaN and negative numbers are a RangeError. */
export type Milliseconds = number

/** Whatever can ask an operation to stop. Every option called `signal` takes either. */
export type Cancellation = CancellationToken | AbortSignal

/** Undoes one `onCancelled()`. O(1), idempotent. */
export interface Registration extends Disposable {
  dispose(): void
}

/** What `acquire()` gives everywhere: hand it back once, `using` does it for you. */
export interface Lease extends Disposable {
  readonly held: boolean
  /** True for the call that gave it back. */
  release(): boolean
}

/** How to wait. */
export interface WaitOptions {
  signal?: Cancellation | undefined
  /** Covers the wait, default `Infinity`; 0 = try once, never queue. */
  timeout?: Milliseconds | undefined
}

/** How to wait for something to hold. */
export interface AcquireOptions extends WaitOptions {
  /** Who is this, for `inspect()` and messages. */
  label?: string | undefined
  /** Higher goes first, first come first served within one; default 0. */
  priority?: number | undefined
}

/** Who holds and who waits. Plain data, a fresh object each time. */
export interface Snapshot {
  readonly name: string
  readonly capacity: number
  readonly available: number
  readonly closed: boolean
  readonly holders: readonly {
    readonly id: number
    readonly label?: string
    readonly weight: number
    readonly heldFor: Milliseconds
    readonly depth?: number
  }[]
  readonly waiters: readonly {
    readonly id: number
    readonly label?: string
    readonly weight: number
    readonly waitedFor: Milliseconds
    readonly priority: number
  }[]
}

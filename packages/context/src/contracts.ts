import type { Cancellation, CancellationToken, Milliseconds } from '@uno-async/core'

/** What an exit is told of the work before it: did it succeed, and if not, with what and was it only cancelled. */
export type ExitInfo =
  | { readonly ok: true }
  | {
      readonly ok: false
      readonly error: unknown
      /** It ended because it was asked to: the error is a cancellation, or what the signal was aborted with. */
      readonly cancelled: boolean
    }

/** The only value by which an exit swallows the error of the work before it. */
export const SUPPRESS: unique symbol = Symbol.for('@uno-async/context/suppress')

/** What an exit gives: nothing, or {@link SUPPRESS}. Anything else is ignored. */
// biome-ignore lint/suspicious/noConfusingVoidType: the result of a function that returns nothing
export type ExitResult = void | typeof SUPPRESS

/** Something that is entered before some work and exited after it, whatever happens. */
export interface AsyncContextManager<T> {
  /** For messages. */
  readonly name?: string | undefined
  /** Gives what the work needs; `token` is cancelled when nobody waits any more. */
  enter(token: CancellationToken): T | PromiseLike<T>
  /** Cleans up. Outer cancellation does not reach `token`; only the end of `exitTimeout` does. */
  exit(info: ExitInfo, token: CancellationToken): ExitResult | PromiseLike<ExitResult>
}

/** How to enter and exit. */
export interface ContextOptions {
  /** For messages. */
  name?: string | undefined
  /** Cancels the enter and the body, never an exit. */
  signal?: Cancellation | undefined
  /** Covers each enter, default `Infinity`. One that overruns fails with a TimeoutError, and is exited if it succeeds after all. */
  enterTimeout?: Milliseconds | undefined
  /** Covers each exit, default `Infinity`. One that overruns counts as failed with a TimeoutError, and the next one runs. */
  exitTimeout?: Milliseconds | undefined
}

/** An entered context manager, for `await using`. */
export interface EnteredContext<T> extends AsyncDisposable {
  readonly value: T
  /** Tells the exit that the work failed, and with what; the last call counts. */
  fail(error: unknown): void
}

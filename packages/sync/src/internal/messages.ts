import { ClosedError, type Milliseconds, TimeoutError } from '@uno-async/core'

/** How messages call a primitive. */
export const titleOf = (kind: string, name: string): string => (name ? `${kind} "${name}"` : kind)

/** The time that was given, without the tail of digits of what was left until a deadline. */
export const exact = (ms: number): string => `${+ms.toFixed(3)} ms`

/** `850 ms`, `12.4 s`. */
export const span = (ms: number): string =>
  ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`

/** What a wait that took too long rejects with. */
export const timeoutError = (
  operation: string,
  timeout: Milliseconds,
  state: string,
): TimeoutError =>
  new TimeoutError(`${operation} timed out after ${exact(timeout)}: ${state}`, {
    timeout,
    operation,
  })

/** What is closed, and why. */
export type Closed = { readonly reason: unknown }

/** What those get who wait or come when it is closed. */
export const closedError = (title: string, closed: Closed): ClosedError =>
  new ClosedError(`${title} is closed`, { cause: closed.reason })

import {
  CancellationToken,
  CancellationTokenSource,
  CancelledError,
  isCancelled,
  type Milliseconds,
} from '@uno-async/core'

export const noop = (): void => {}

/**
 * Runs fn until `limit`, which it closes, is cancelled: that ends the wait. `signal` cancels the token of fn as
 * well, but is waited for. `late` is given what fn gives after the wait ended.
 */
export async function limited<R>(
  limit: CancellationTokenSource,
  fn: (token: CancellationToken) => R | PromiseLike<R>,
  late: (value: R) => void = noop,
  signal?: CancellationToken,
): Promise<R> {
  const token = CancellationToken.any(limit.token, signal)
  const running = within(token, () => fn(token))
  try {
    return await limit.token.race(running)
  } catch (error) {
    running.then(late, noop)
    throw error
  } finally {
    limit.close()
  }
}

/** Runs fn with `token` as the current one, until it ends: what it sets in motion, like a server, is not told to stop by it. */
export function within<R>(token: CancellationToken, fn: () => R | PromiseLike<R>): Promise<R> {
  const own = new CancellationTokenSource({ signal: token })
  const running = (async () => own.token.run(fn))()
  const end = (): void => own.close()
  running.then(end, end)
  return running
}

/** Keeps the process alive, which the timers of tokens do not. Gives how to end that. */
export function keepAlive(): () => void {
  // Infinity would be no timer at all.
  const source = new CancellationTokenSource({ timeout: Number.MAX_VALUE, ref: true })
  source.token.onCancelled(noop)
  return () => source.close()
}

/** Starts a clock: what became of something is given with the time it took. */
export function timed<T extends object>(
  what: T,
): <O extends string>(
  outcome: O,
  error?: unknown,
) => T & { outcome: O; duration: Milliseconds; error?: unknown } {
  const began = performance.now()
  return (outcome, error) => ({
    ...what,
    outcome,
    duration: performance.now() - began,
    ...(error === undefined ? {} : { error }),
  })
}

/** Says `error` only that its thrower was told to stop? An AbortError of somebody else's signal is a failure like any other. */
export function isObedience(error: unknown, token: CancellationToken): boolean {
  return ask(
    () =>
      error instanceof CancelledError ||
      token.owns(error) ||
      (token.cancelled && isCancelled(error)),
    false,
  )
}

/** Asks a thrown value, which may throw in turn: gives `otherwise` then. */
export function ask<T>(question: () => T, otherwise: T): T {
  try {
    return question()
  } catch {
    return otherwise
  }
}

import {
  CancellationToken,
  CancellationTokenSource,
  CancelledError,
  isCancelled,
  type Milliseconds,
  type TimeoutError,
} from '@uno-async/core'

export const noop = (): void => {}

/**
 * Runs fn under a token that is cancelled after `timeout`, and with `end`; either ends the wait. `signal`
 * cancels the token as well, but is waited for. `late` is given what fn gives after the wait ended.
 */
export async function limited<R>(
  operation: string,
  limits: { timeout: Milliseconds; end: CancellationToken; signal?: CancellationToken },
  fn: (token: CancellationToken) => R | PromiseLike<R>,
  late: (value: R) => void = noop,
): Promise<R> {
  const { timeout, end, signal } = limits
  const limit = new CancellationTokenSource({ timeout, signal: end, name: operation })
  const token = signal ? CancellationToken.any(limit.token, signal) : limit.token
  const running = within(token, () => fn(token))
  try {
    return await limit.token.race(running)
  } catch (error) {
    if (limit.token.cancelled) running.then(late, noop)
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

/** Keeps the process alive a little longer than tokens with this timeout, whose timers do not. Gives how to end that. */
export function keepAlive(timeout: Milliseconds): () => void {
  // Infinity would be no timer at all.
  const after = Math.min(timeout + 9, Number.MAX_VALUE)
  const source = new CancellationTokenSource({ timeout: after, ref: true })
  source.token.onCancelled(noop)
  return () => source.close()
}

/** Is `error` the timeout of this operation? */
export function isLate(error: unknown, operation: string): error is TimeoutError {
  return ask(() => (error as { operation?: string } | undefined)?.operation === operation)
}

/** Says `error` only that its thrower was told to stop? An AbortError of somebody else's signal is a failure like any other. */
export function isObedience(error: unknown, token: CancellationToken): boolean {
  return ask(
    () =>
      error instanceof CancelledError ||
      token.owns(error) ||
      (token.cancelled && isCancelled(error)),
  )
}

/** Asks a thrown value: what throws in turn is none of ours. */
function ask(question: () => boolean): boolean {
  try {
    return question()
  } catch {
    return false
  }
}

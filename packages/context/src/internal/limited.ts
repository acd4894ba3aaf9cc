import {
  type Cancellation,
  CancellationToken,
  CancellationTokenSource,
  type Milliseconds,
} from '@uno-async/core'

const noop = (): void => {}

/**
 * Runs fn under a token that follows `signal` and is cancelled with a TimeoutError after `timeout`. Only
 * the latter ends the wait: then `late` is told of it if fn succeeds after all; its late error goes nowhere.
 */
export async function limited<R>(
  operation: string,
  timeout: Milliseconds,
  signal: Cancellation | undefined,
  fn: (token: CancellationToken) => R | PromiseLike<R>,
  late: (error: unknown) => void = noop,
): Promise<R> {
  if (timeout === Infinity) {
    const token = CancellationToken.from(signal)
    return token.run(() => fn(token))
  }
  const limit = new CancellationTokenSource({ timeout, name: operation, ref: true })
  const token = signal ? CancellationToken.any(signal, limit.token) : limit.token
  const running = (async () => token.run(() => fn(token)))()
  try {
    return await limit.token.race(running)
  } catch (error) {
    if (limit.token.cancelled) running.then(() => late(error), noop)
    throw error
  } finally {
    limit.close()
  }
}

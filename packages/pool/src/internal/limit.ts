import {
  CancellationTokenSource,
  type CancellationTokenSourceOptions,
  type Milliseconds,
} from '@uno-async/core'

/** Ends what takes too long, and says whose it was. `ref`: keep the process alive until then. */
export function limit(
  who: string,
  operation: string,
  timeout: Milliseconds,
  options: Pick<CancellationTokenSourceOptions, 'signal' | 'ref'> = {},
): CancellationTokenSource {
  const message = `${who}: ${operation} timed out after ${+timeout.toFixed(3)} ms`
  return new CancellationTokenSource({ ...options, timeout, message })
}

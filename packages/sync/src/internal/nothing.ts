import {
  CancellationToken,
  checkMilliseconds,
  checkOptions,
  type WaitOptions,
} from '@uno-async/core'

/** A wait for what is there already: looks at the options all the same. */
export async function nothing(options?: WaitOptions): Promise<void> {
  const { signal, timeout = 0 } = checkOptions(options)
  checkMilliseconds('timeout', timeout)
  CancellationToken.from(signal).throwIfCancelled()
}

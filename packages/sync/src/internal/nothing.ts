import { CancellationToken, checkMilliseconds, type WaitOptions } from '@uno-async/core'

/** A wait for what is there already: looks at the options all the same. */
export async function nothing({ signal, timeout = 0 }: WaitOptions = {}): Promise<void> {
  checkMilliseconds('timeout', timeout)
  CancellationToken.from(signal).throwIfCancelled()
}

import { checkMilliseconds, checkOptions, checkType } from './check.js'
import type { Cancellation, Milliseconds } from './contracts.js'
import { Alarm } from './internal/alarm.js'
import { CancellationToken } from './token.js'

class Delay extends Alarm {
  readonly ring: () => void

  constructor(at: number, ring: () => void) {
    super(at)
    this.ring = ring
  }
}

/**
 * Resolves after `duration`; rejects at once when cancelled.
 *
 * @param duration - milliseconds; `Infinity` waits for the cancellation
 * @param options - `signal`; `unref`: do not keep the process alive, default false
 * @throws what `throwIfCancelled` throws; TypeError, RangeError as rejections
 * @example
 * ```ts
 * import { delay } from '@uno-async/core'
 * await delay(10)
 * ```
 */
export function delay(
  duration: Milliseconds,
  options?: { signal?: Cancellation | undefined; unref?: boolean | undefined },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const { signal, unref } = checkOptions(options)
    checkMilliseconds('duration', duration)
    checkType('unref', unref, 'boolean')
    const token = CancellationToken.from(signal)
    token.throwIfCancelled()
    const alarm = new Delay(performance.now() + duration, () => {
      registration.dispose()
      resolve()
    })
    const registration = token.onCancelled(() => {
      alarm.clear()
      reject(token.error)
    })
    if (!token.cancelled) alarm.set(!unref)
  })
}

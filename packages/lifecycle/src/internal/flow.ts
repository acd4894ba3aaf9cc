import { type CancellationToken, currentFrame, runIn, valueIn, withValue } from '@uno-async/core'
import { noop } from './limited.js'

/** Runs what a stop of `manager` waits for, so that it is known where it waits in turn. */
export function runTask<R>(
  manager: object,
  token: CancellationToken,
  run: (token: CancellationToken) => R,
): R {
  const values = withValue(currentFrame()?.values, manager, token)
  return runIn({ token, values }, run, token)
}

/** A stop, for who waits for it: in the flow of a task that it waits for, only until that is cancelled. */
export function untilCancelled<R>(manager: object, stop: Promise<R>): Promise<R> {
  const token = valueIn(currentFrame()?.values, manager)?.value as CancellationToken | undefined
  if (!token) return stop
  const wait = token.race(stop)
  wait.catch(noop) // a task need not wait
  return wait
}

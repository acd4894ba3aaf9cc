import type { CancellationToken } from '@uno-async/core'
import type { PoolEvent } from '../types.js'
import { limit } from './limit.js'
import type { Settings } from './options.js'
import type { Slot } from './slot.js'

interface Client<T> {
  readonly options: Settings<T>
  readonly who: string
  emit(event: PoolEvent): void
}

/** Runs one of the user's functions on a resource, no longer than `validateTimeout`; false if it fails. */
export async function examine<T>(
  client: Client<T>,
  fn: (resource: T, token: CancellationToken) => unknown,
  slot: Slot<T>,
  operation: 'validate' | 'reset',
): Promise<unknown> {
  const source = limit(client.who, operation, client.options.validateTimeout)
  const { token } = source
  try {
    return await token.race(Promise.resolve(token.run(() => fn(slot.resource, token))))
  } catch (error) {
    client.emit({ type: `${operation}-failed`, error })
    return false
  } finally {
    source.close()
  }
}

import { badValue } from '@uno-async/core'
import { AsyncManager } from './manager.js'

// The version is part of the key: copies of this package that agree on the class's methods share one.
const KEY = Symbol.for('@uno-async/lifecycle/manager.1')

const shared = (): Record<symbol, AsyncManager | undefined> => globalThis as never

/**
 * The manager of this process, made on first use and shared by all copies of this package.
 *
 * @example
 * ```ts
 * import { getAsyncManager } from '@uno-async/lifecycle'
 * getAsyncManager() === getAsyncManager() // true
 * ```
 */
export function getAsyncManager(): AsyncManager {
  return (shared()[KEY] ??= new AsyncManager())
}

/** Makes `manager` the one that `getAsyncManager` gives. The one before it is left as it is. @throws TypeError */
export function setAsyncManager(manager: AsyncManager): void {
  checkManager('manager', manager)
  shared()[KEY] = manager
}

/** @throws TypeError @internal */
export function checkManager(option: string, value: unknown): void {
  // Maybe of another copy: not by instanceof.
  if (typeof (value as Partial<AsyncManager> | null)?.registerResource === 'function') return
  throw badValue(option, 'an AsyncManager', value, TypeError)
}

/** Forgets the manager of this process, and shuts it down: the next `getAsyncManager` gives a fresh one. For tests. */
export async function resetAsyncManager(): Promise<void> {
  const manager = shared()[KEY]
  shared()[KEY] = undefined
  await manager?.shutdown('reset')
}

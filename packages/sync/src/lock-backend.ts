import type { Lease, WaitOptions } from '@uno-async/core'

/** A lease of a lock that other processes see, too. It can be lost while one holds it. */
export interface RemoteLease extends Lease {
  /** Grows with every grant of the key: a resource that refuses a smaller one than it has seen is safe from a holder that lost its lock. */
  readonly token: bigint
  /** Aborted with a LeaseLostError when the lock is lost; not by `release()`. */
  readonly signal: AbortSignal
  /** Resolves when others can have it after `release()`, or as soon as that can be told; never rejects. */
  readonly released: Promise<void>
}

/** Where the locks of a KeyedLock are kept: `postgresLocks` or `redisLocks` of the entry `remote`, or one's own. */
export interface LockBackend {
  /** Waits for the key; `timeout: 0` tries once. */
  acquire(key: string, options?: WaitOptions): Promise<RemoteLease>
}

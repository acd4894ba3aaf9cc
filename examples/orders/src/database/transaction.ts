import type { AsyncContextManager } from '@uno-async/context'
import type { PoolLease } from '@uno-async/pool'
import type { Db, Session, Sessions } from './session.js'

export interface TransactionOptions {
  /** Shown in the pool's messages: who holds a session. */
  label: string
  isolation?: 'read committed' | 'repeatable read'
}

/**
 * A session with a transaction: committed if the body succeeded, rolled back if it failed or was cancelled. The
 * end runs under a token of its own, so that a client who leaves cannot interrupt a COMMIT, or keep a ROLLBACK
 * from happening. A session that does not answer even then is not used again.
 */
export function transaction(
  sessions: Sessions,
  { label, isolation = 'read committed' }: TransactionOptions,
): AsyncContextManager<Db> {
  let lease: PoolLease<Session>
  return {
    name: `transaction of ${label}`,
    async enter(token) {
      lease = await sessions.acquire({ signal: token, label })
      try {
        const db = lease.resource.under(token)
        await db.raw(`begin isolation level ${isolation}`)
        return db
      } catch (error) {
        lease.release({ destroy: true })
        throw error
      }
    },
    async exit({ ok }, token) {
      const db = lease.resource.under(token)
      let isClean = false
      try {
        const { command } = await (ok ? db`commit` : db`rollback`)
        isClean = true
        // What a COMMIT of a transaction in which a statement failed is answered.
        if (ok && command === 'ROLLBACK') throw new Error(`${label}: a failure was ignored`)
      } finally {
        lease.release({ destroy: !isClean })
      }
    },
  }
}

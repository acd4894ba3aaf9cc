import { AsyncContextGroup } from '@uno-async/context'
import type { Cancellation } from '@uno-async/core'
import type { Db, Sessions } from './session.js'
import { transaction } from './transaction.js'

/**
 * Several sessions that see the database at one and the same moment: what one would read piece by piece, they
 * read at once. Entered together, and all given back together.
 */
export class SessionGroup {
  readonly #sessions: Sessions

  constructor(sessions: Sessions) {
    this.#sessions = sessions
  }

  async all<R extends unknown[]>(
    reads: { [K in keyof R]: (db: Db) => Promise<R[K]> },
    { label, signal }: { label: string; signal: Cancellation },
  ): Promise<R> {
    const isolation = 'repeatable read'
    const group = new AsyncContextGroup(
      reads.map(() => transaction(this.#sessions, { label, isolation })),
      { name: label, signal, concurrent: true, exitConcurrently: true },
    )
    const result = await group.run(async ([first, ...others]) => {
      const [row] = await (first as Db)<{ id: string }>`select pg_export_snapshot() as id`
      await Promise.all(others.map((db) => db.raw(`set transaction snapshot '${row?.id}'`)))
      const dbs = [first as Db, ...others]
      return Promise.all(reads.map((read, i) => read(dbs[i] as Db)))
    })
    return result as R
  }
}

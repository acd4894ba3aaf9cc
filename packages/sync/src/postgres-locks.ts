import { badValue, type CancellationToken, delay } from '@uno-async/core'
import { poll, RemoteHold } from './internal/remote-hold.js'
import { ignore, within } from './internal/run.js'
import type { LockBackend } from './lock-backend.js'
import { checkString } from './options.js'

/** What is needed of a connection: a `Client` of pg. */
export interface PostgresConnection {
  query(text: string, values: unknown[]): Promise<{ rows: { readonly token?: unknown }[] }>
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end', listener: () => void): unknown
  removeListener(event: string, listener: () => void): unknown
  release?(destroy?: boolean): void
}

/** What is needed of a pool: a `Pool` of pg. */
export interface PostgresPool {
  readonly totalCount: number
  connect(): Promise<PostgresConnection>
}

const HEARTBEAT = 5_000
const SILENT = 'PostgreSQL did not answer'
// A transaction's number, taken while the lock is held, is greater than all that were taken before. The message
// makes the server write it down: of a transaction that changed nothing it might forget the number in a crash.
const TAKE = `SELECT CASE WHEN pg_try_advisory_lock(hashtextextended($1, 0))
  THEN txid_current()::text || left(pg_logical_emit_message(true, 'lock', '')::text, 0) END AS token`
const FREE = `SELECT pg_advisory_unlock(hashtextextended($1, 0))`

/**
 * Keeps the locks of a KeyedLock in PostgreSQL 11 or newer: session-level advisory locks, keyed by a 64-bit
 * hash of the key, that end with the connection.
 *
 * Given a pool, it takes one connection of its own while something is held or waited for, and a new one after
 * that was lost. Given a client, that has to be connected and used for nothing else; when its connection ends, so
 * does its use. All leases are lost, and their `signal`s aborted, when the connection ends or answers nothing for
 * 5 to 10 seconds; that of a pool is then replaced also where nothing is held. Not through a pooler that shares
 * sessions (PgBouncer in transaction mode). The fencing token is a transaction number, safe against a crash as
 * `synchronous_commit` is.
 *
 * @throws TypeError
 * @example
 * ```ts no-run
 * import { KeyedLock } from '@uno-async/sync'
 * import { postgresLocks } from '@uno-async/sync/remote'
 * import { Pool } from 'pg'
 * const jobs = new KeyedLock({ backend: postgresLocks(new Pool()) })
 * await jobs.run('nightly', ({ signal }) => fetch('https://example.com', { signal }))
 * ```
 */
export function postgresLocks(client: PostgresPool | PostgresConnection): LockBackend {
  const pool = typeof (client as PostgresPool)?.totalCount === 'number'
  if (
    typeof (client as unknown as Record<string, unknown>)?.[pool ? 'connect' : 'query'] !==
    'function'
  ) {
    throw badValue('client', 'a client or a pool of pg', client, TypeError)
  }
  let session: Promise<Session> | undefined
  let users = 0 // those who hold, wait or are asking

  const open = (): Promise<Session> => {
    if (session) return session
    const opening = pool
      ? (client as PostgresPool).connect()
      : Promise.resolve(client as PostgresConnection)
    const forget = (): void => {
      // A client of the user's has no other connection.
      if (pool && session === opened) session = undefined
    }
    const opened = opening.then((connection) => new Session(connection, forget))
    opened.catch(forget)
    session = opened
    return opened
  }

  const leave = (): void => {
    if (--users || !pool) return
    session?.then((idle) => idle.close(), ignore)
    session = undefined
  }

  return {
    async acquire(key, wait) {
      checkString('key', key)
      users++
      try {
        return await poll(
          `The lock "${key}"`,
          async () => {
            users++ // whoever asked may leave before there is an answer
            try {
              const hold = await (await open()).take(key)
              if (hold) {
                users++
                void hold.released.then(leave)
              }
              return hold
            } finally {
              leave()
            }
          },
          wait,
        )
      } finally {
        leave()
      }
    },
  }
}

/** A connection and what is held through it. */
class Session {
  readonly #connection: PostgresConnection
  readonly #forget: () => void
  readonly #holds = new Map<string, RemoteHold | undefined>() // undefined: is being asked for
  #ended: { error: unknown } | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(connection: PostgresConnection, forget: () => void) {
    this.#connection = connection
    this.#forget = forget
    connection.on('error', this.#end)
    connection.on('end', this.#end)
  }

  /** A session gets a lock twice if it asks twice: so it does not. */
  async take(key: string): Promise<RemoteHold | undefined> {
    if (this.#ended) throw this.#ended.error
    if (this.#holds.has(key)) return undefined
    this.#holds.set(key, undefined)
    const free = async (): Promise<void> => {
      try {
        await this.#query(FREE, [key])
      } catch (error) {
        this.#end(error) // or the lock would stay
      } finally {
        this.#holds.delete(key)
      }
    }
    let token: unknown
    try {
      const { rows } = await this.#query(TAKE, [key])
      token = rows[0]?.token
    } catch (error) {
      await free() // it may have got the lock all the same
      throw error
    }
    if (typeof token !== 'string') {
      this.#holds.delete(key)
      return undefined
    }
    const hold = new RemoteHold(BigInt(token), free)
    this.#holds.set(key, hold)
    if (this.#ended) this.#lose(hold)
    else void this.#watch(hold)
    return hold
  }

  close(): void {
    if (this.#ended) return
    this.#ended = { error: new Error('The session was closed') }
    for (const event of ['error', 'end']) this.#connection.removeListener(event, this.#end)
    this.#connection.release?.()
  }

  /** Asks when what was asked before is answered: pg will no longer take more than one question at a time. */
  #query(text: string, values: unknown[]): ReturnType<PostgresConnection['query']> {
    const answer = this.#last.then(() => {
      if (this.#ended) throw this.#ended.error
      // Whoever holds finds out earlier, but perhaps nobody does.
      const ask = (token: CancellationToken): ReturnType<PostgresConnection['query']> => {
        token.onCancelled(this.#end)
        return this.#connection.query(text, values)
      }
      // A pool has another connection. A client of the user's may still answer.
      const patience = this.#connection.release ? 2 * HEARTBEAT : Infinity
      return within(patience, SILENT, ask)
    })
    this.#last = answer.catch(ignore)
    return answer
  }

  /** Finds out if nobody answers any more. */
  async #watch(hold: RemoteHold): Promise<void> {
    const end = (cause?: unknown): void => this.#end(cause)
    try {
      for (;;) {
        await delay(HEARTBEAT, { signal: hold.over, unref: true })
        await within(HEARTBEAT, SILENT, () => this.#query('SELECT 1', [])).catch(end)
      }
    } catch {
      // it is over
    }
  }

  readonly #end = (error?: unknown): void => {
    if (this.#ended) return
    this.#ended = { error: error ?? new Error('The connection to PostgreSQL ended') }
    this.#forget()
    for (const hold of this.#holds.values()) if (hold) this.#lose(hold)
    this.#connection.release?.(true)
  }

  #lose(hold: RemoteHold): void {
    hold.lose('The connection to PostgreSQL was lost, and with it the lock', this.#ended?.error)
  }
}

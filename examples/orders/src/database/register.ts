import type { AsyncManager, ResourceHandle } from '@uno-async/lifecycle'
import { KeyedLock } from '@uno-async/sync'
import { postgresLocks } from '@uno-async/sync/remote'
import { Pool } from 'pg'
import type { Logger } from 'pino'
import type { Config } from '../config.js'
import { type Postgres, startPostgres } from './postgres.js'
import { createSchema } from './schema.js'
import { openSessions, type Sessions } from './session.js'

export interface Database {
  readonly postgres: ResourceHandle<Postgres>
  readonly sessions: ResourceHandle<Sessions>
  /** Locks that all instances share. */
  readonly locks: ResourceHandle<{ readonly pool: Pool; readonly keys: KeyedLock }>
}

/** Registers the server, the sessions, the locks and the schema; who needs the database depends on `schema`. */
export function registerDatabase(manager: AsyncManager, config: Config, log: Logger): Database {
  const postgres = manager.registerResource<Postgres>({
    name: 'postgres',
    start: ({ token }) =>
      config.DATABASE_URL
        ? { url: config.DATABASE_URL, close: async () => {} }
        : startPostgres(`${config.DATA}/postgres`, token),
    stop: ({ close }) => close(),
  })

  const sessions = manager.registerResource({
    name: 'sessions',
    dependsOn: ['postgres'],
    startTimeout: 30_000,
    async start({ token }) {
      const pool = openSessions(postgres.value.url, config.SESSIONS)
      try {
        await pool.ready({ signal: token })
        return pool
      } catch (error) {
        await pool.close({ timeout: 0 })
        throw error
      }
    },
    check: (pool, token) =>
      pool.run((session) => session.under(token)`select 1`, { signal: token, label: 'health' }),
    stop: (pool, { token }) => pool.close({ timeout: token.remaining / 2 }),
  })

  const locks = manager.registerResource({
    name: 'locks',
    dependsOn: ['postgres'],
    start() {
      const pool = new Pool({ connectionString: postgres.value.url, max: 1 })
      pool.on('error', (error) => log.warn({ error: error.message }, 'locks'))
      return { pool, keys: new KeyedLock({ name: 'jobs', backend: postgresLocks(pool) }) }
    },
    async stop({ pool, keys }) {
      keys.close()
      await pool.end()
    },
  })

  manager.registerResource({
    name: 'schema',
    dependsOn: ['sessions', 'locks'],
    start: ({ token }) =>
      locks.value.keys.run(
        'schema',
        () =>
          sessions.value.run((session) => createSchema(session.under(token)), { signal: token }),
        { signal: token },
      ),
  })
  return { postgres, sessions, locks }
}

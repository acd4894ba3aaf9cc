import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CancellationTokenSource, delay, isCancelled } from '@uno-async/core'
import { AcquireTimeoutError, AsyncResourcePool } from '@uno-async/pool'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const { CI, POOL_FAULTS_TIME } = process.env as { CI?: string; POOL_FAULTS_TIME?: string }
const home = '/usr/lib/postgresql'
const bin = existsSync(home) ? `${home}/${readdirSync(home).sort().at(-1)}/bin` : undefined
if (!bin && !CI) console.warn('No PostgreSQL here (Debian: postgresql): not tested against one')

// PostgreSQL refuses to be run by root.
const asPostgres = (command: string, ...args: string[]): string => {
  const line: [string, ...string[]] =
    process.getuid?.() === 0
      ? ['runuser', '-u', 'postgres', '--', `${bin}/${command}`, ...args]
      : [`${bin}/${command}`, ...args]
  return execFileSync(line[0], line.slice(1), {
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  })
}

const port = 54_000 + (process.pid % 1_000)
let dir = ''
const start = () =>
  asPostgres(
    'pg_ctl',
    '-D',
    `${dir}/data`,
    '-w',
    '-l',
    `${dir}/log`,
    '-o',
    `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off`,
    'start',
  )
const stop = () => asPostgres('pg_ctl', '-D', `${dir}/data`, '-w', '-m', 'immediate', 'stop')

const connect = async (name: string): Promise<pg.Client> => {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: 'postgres',
    database: 'postgres',
    application_name: name,
    connectionTimeoutMillis: 2_000,
  })
  client.on('error', () => {}) // told by the query, and by `end`
  await client.connect()
  return client
}

describe.skipIf(!bin && !CI)('over PostgreSQL', () => {
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'uno-async-pool-'))
    chmodSync(dir, 0o777)
    asPostgres('initdb', '-D', `${dir}/data`, '-U', 'postgres', '-A', 'trust')
    start()
  })
  afterAll(() => {
    try {
      stop()
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  })

  const makePool = (name: string) => {
    let creates = 0
    const lent = new Set<pg.Client>()
    const pool = new AsyncResourcePool<pg.Client>({
      name,
      max: 10,
      acquireTimeout: 20_000,
      create: async () => {
        creates++
        return connect(name)
      },
      destroy: (client) => client.end(),
      onBroken: (client, broken) => void client.on('end', () => broken()),
      validate: async (client) => (await client.query('select 1')).rowCount === 1,
      validateAfterIdle: 100,
      maxLifetime: 3_000,
      idleTimeout: 1_000,
    })
    const query = (sql: string, options: Parameters<typeof pool.run>[1] = {}) =>
      pool.run(
        async (client) => {
          expect(lent.has(client)).toBe(false)
          lent.add(client)
          try {
            return await client.query(sql)
          } finally {
            lent.delete(client)
          }
        },
        { destroyOn: () => true, ...options },
      )
    return { pool, query, creates: () => creates }
  }

  it('200 clients on 10 connections, cancelling at random, backends being terminated: nothing is lost', async () => {
    const name = 'under-load'
    const { pool, query } = makePool(name)
    const admin = await connect('admin')
    const count = async () =>
      (
        await admin.query(
          'select count(*)::int as n from pg_stat_activity where application_name = $1',
          [name],
        )
      ).rows[0].n as number
    const until = performance.now() + Number(POOL_FAULTS_TIME ?? 10_000)
    let done = 0
    let failed = 0
    let peak = 0
    const client = async (): Promise<void> => {
      while (performance.now() < until) {
        const source = new CancellationTokenSource(
          Math.random() < 0.3 ? { timeout: Math.random() * 30 } : {},
        )
        try {
          await query(`select pg_sleep(${(Math.random() * 0.01).toFixed(4)})`, {
            signal: source.token,
          })
          done++
        } catch (error) {
          expect(error).not.toBeInstanceOf(AcquireTimeoutError)
          failed++
        } finally {
          source.close()
        }
      }
    }
    const killer = async (): Promise<void> => {
      while (performance.now() < until) {
        await delay(200)
        peak = Math.max(peak, await count())
        await admin.query(
          'select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1 order by random() limit 2',
          [name],
        )
      }
    }
    await Promise.all([killer(), ...Array.from({ length: 200 }, client)])
    expect(done).toBeGreaterThan(200)
    expect(failed).toBeGreaterThan(0)
    expect(peak).toBeLessThanOrEqual(10)
    expect(pool.stats()).toMatchObject({ borrowed: 0, waiting: 0 })
    // every place still works, once the connections that were terminated last have been noticed
    await Promise.allSettled(Array.from({ length: 10 }, () => query('select pg_sleep(0.05)')))
    await Promise.all(Array.from({ length: 10 }, () => query('select pg_sleep(0.05)')))
    expect(await pool.close()).toMatchObject({ forced: 0 })
    await delay(200)
    expect(await count()).toBe(0)
    await admin.end()
  })

  it('a server that stops and starts: creates are bounded meanwhile, who waits is served afterwards', async () => {
    const { pool, query, creates } = makePool('restarted')
    await Promise.all(Array.from({ length: 20 }, () => query('select 1')))
    stop()
    const before = creates()
    const patient = Array.from({ length: 100 }, async () => {
      for (;;) {
        try {
          return await query('select 1')
        } catch (error) {
          // A connection that had not noticed yet; the next one is new.
          if (error instanceof AcquireTimeoutError || isCancelled(error)) throw error
        }
      }
    })
    await delay(3_000)
    expect(pool.stats().borrowed).toBe(0)
    expect(creates() - before).toBeLessThan(60) // by the hundred that wait, each at once: thousands
    const error = (await pool
      .acquire({ timeout: 100 })
      .catch((it: unknown) => it)) as AcquireTimeoutError
    expect(error).toBeInstanceOf(AcquireTimeoutError)
    expect(error.cause).toMatchObject({ code: 'ECONNREFUSED' })
    start()
    await Promise.all(patient)
    expect(await pool.close()).toMatchObject({ forced: 0 })
  })
})

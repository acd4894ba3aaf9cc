import { CancellationTokenSource, delay, isCancelled } from '@uno-async/core'
import { AcquireTimeoutError, AsyncResourcePool, ReleasedError } from '@uno-async/pool'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runnable, type Server, startPostgres } from '../../../../tests/servers.js'

const { POOL_FAULTS_TIME } = process.env as { POOL_FAULTS_TIME?: string }

describe.runIf(runnable)('over PostgreSQL', () => {
  let server: Server
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server?.remove())

  const connect = async (name: string): Promise<pg.Client> => {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: server.port,
      user: 'postgres',
      application_name: name,
      connectionTimeoutMillis: 2_000,
    })
    client.on('error', () => {}) // told by the query, and by `end`
    await client.connect()
    return client
  }

  const makePool = (name: string) => {
    let creates = 0
    const pool = new AsyncResourcePool<pg.Client>({
      name,
      max: 10,
      acquireTimeout: 20_000,
      create: () => {
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
    const query = (sql: string) => pool.run((it) => it.query(sql), { destroyOn: () => true })
    return { pool, query, creates: () => creates }
  }

  /** Asks over a connection of its own: backends of this name, after what `also` does to them. */
  const backends = async (name: string, also = ''): Promise<number> => {
    const admin = await connect('admin')
    try {
      const sql = `select pid ${also} from pg_stat_activity where application_name = $1 order by random()`
      return (await admin.query(sql, [name])).rows.length
    } finally {
      await admin.end()
    }
  }

  it('200 clients on 10 connections that cancel at random, backends terminated, the server stopped and started: nothing is lost', async () => {
    const name = 'under-load'
    const { pool, query, creates } = makePool(name)
    const time = Number(POOL_FAULTS_TIME ?? 10_000)
    let running = true
    const tally = { done: 0, failed: 0, shared: 0, usedAfter: 0, timedOut: 0, peak: 0 }
    const using = new Set<pg.Client>()
    let leases = 0

    /** Whoever else used this connection meanwhile would be seen: here, or by the mark on the server. */
    const use = async (client: pg.Client): Promise<void> => {
      const mark = `${leases++}`
      if (using.has(client)) tally.shared++
      using.add(client)
      try {
        await client.query(`select set_config('uno.lease', '${mark}', false)`)
        await client.query(`select pg_sleep(${(Math.random() * 0.01).toFixed(4)})`)
        const { rows } = await client.query(`select current_setting('uno.lease') as mark`)
        if (rows[0].mark !== mark) tally.shared++
      } finally {
        using.delete(client)
      }
    }
    const client = async (): Promise<void> => {
      while (running) {
        using source = new CancellationTokenSource(
          Math.random() < 0.3 ? { timeout: Math.random() * 30 } : {},
        )
        const signal = source.token
        try {
          if (Math.random() < 0.5) await pool.run(use, { signal, destroyOn: () => true })
          else {
            const lease = await pool.acquire({ signal })
            try {
              await use(lease.resource)
              lease.release()
            } finally {
              lease.release({ destroy: true })
            }
            try {
              void lease.resource
              tally.usedAfter++
            } catch (error) {
              if (!(error instanceof ReleasedError)) tally.usedAfter++
            }
          }
          tally.done++
        } catch (error) {
          tally.failed++
          if (error instanceof AcquireTimeoutError) tally.timedOut++
        }
      }
    }
    const kill = async (): Promise<void> => {
      for (const end = performance.now() + time / 2; performance.now() < end; await delay(200)) {
        const some = ', case when random() < 0.2 then pg_terminate_backend(pid) end'
        tally.peak = Math.max(tally.peak, await backends(name, some))
      }
    }
    const clients = Array.from({ length: 200 }, client)
    await kill()
    await server.stop()
    const [before, served] = [creates(), tally.done]
    await delay(2_000)
    expect(creates() - before).toBeLessThan(40) // 200 who wait, each at once: thousands
    await server.start()
    await kill()
    running = false
    await Promise.all(clients)

    expect(served).toBeGreaterThan(200)
    expect(tally.done).toBeGreaterThan(served + 100)
    expect(tally.failed).toBeGreaterThan(0)
    expect(tally).toMatchObject({ shared: 0, usedAfter: 0, timedOut: 0 })
    expect(tally.peak).toBeGreaterThan(0)
    expect(tally.peak).toBeLessThanOrEqual(10)
    expect(pool.stats()).toMatchObject({ borrowed: 0, waiting: 0 })
    // every place still works, once the connections that were terminated last have been noticed
    await Promise.allSettled(Array.from({ length: 10 }, () => query('select pg_sleep(0.05)')))
    await Promise.all(Array.from({ length: 10 }, () => query('select pg_sleep(0.05)')))
    await expect.poll(async () => (await backends(name)) - pool.stats().total).toBe(0)
    expect(await pool.close()).toMatchObject({ forced: 0 })
    await expect.poll(() => backends(name)).toBe(0)
  })

  it('a server that is down: creates are bounded, who waits is told why in the end, or served when it is up', async () => {
    const { pool, query, creates } = makePool('restarted')
    await Promise.all(Array.from({ length: 20 }, () => query('select 1')))
    await server.stop()
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
    expect(creates() - before).toBeLessThan(40)
    const error = (await pool
      .acquire({ timeout: 100 })
      .catch((it: unknown) => it)) as AcquireTimeoutError
    expect(error).toBeInstanceOf(AcquireTimeoutError)
    expect(error.cause).toMatchObject({ code: 'ECONNREFUSED' })
    await server.start()
    await Promise.all(patient)
    expect(await pool.close()).toMatchObject({ forced: 0 })
  })
})

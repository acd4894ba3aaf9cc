import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CancellationToken, delay } from '@uno-async/core'
import { startPostgres } from '../../src/database/postgres.js'
import { Session } from '../../src/database/session.js'
import { type Audit, audit } from '../../tour/audit.js'
import type { Traffic } from '../../tour/traffic.js'

/** A PostgreSQL, and a folder that is gone afterwards. */
export async function openWorld() {
  const folder = mkdtempSync(join(tmpdir(), 'orders-'))
  chmodSync(folder, 0o755) // so that the user of PostgreSQL gets in
  const postgres = await startPostgres(join(folder, 'postgres'))
  return {
    folder,
    url: postgres.url,
    port: Number(new URL(postgres.url).port),
    /** The books when every event has been delivered, or given up. */
    async books({ told }: Traffic): Promise<Audit> {
      const session = await Session.open(postgres.url, CancellationToken.none)
      const db = session.under(CancellationToken.none)
      let books = await audit(db, told)
      for (let i = 0; books.events.pending && i < 240; i++) {
        await delay(250)
        books = await audit(db, told)
      }
      await session.close()
      return books
    },
    async close(): Promise<void> {
      await postgres.close()
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
export type World = Awaited<ReturnType<typeof openWorld>>

const redisServer = ['/usr/bin/redis-server', '/usr/local/bin/redis-server'].find(existsSync)
/** In CI it has to be there. */
export const hasRedis = redisServer !== undefined || !!process.env['CI']
if (!hasRedis) console.log('Skipped, since redis-server is missing: apt-get install redis-server')

export async function startRedis(): Promise<{ port: number; stop(): Promise<void> }> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  await new Promise((done) => probe.close(done))
  const child = spawn(redisServer ?? 'redis-server', ['--port', `${port}`, '--save', ''])
  let log = ''
  for await (const chunk of child.stdout) if (/Ready to accept/.test((log += chunk))) break
  return {
    port,
    async stop() {
      child.kill()
      if (child.exitCode === null) await once(child, 'exit')
    },
  }
}

// Takes the lock again and again, and writes to the parent's resource while it holds it.
import { setTimeout as sleep } from 'node:timers/promises'
import { KeyedLock } from '@uno-async/sync'
import { postgresLocks, redisLocks } from '@uno-async/sync/remote'
import { Redis } from 'ioredis'
import pg from 'pg'
import { createClient } from 'redis'

const [kind, port, ttl, holdFor] = process.argv.slice(2)
const at = { host: '127.0.0.1', port: Number(port) }
const backends = {
  pg: () => postgresLocks(new pg.Pool({ ...at, user: 'postgres' }).on('error', () => {})),
  ioredis: () =>
    redisLocks(
      new Redis(at).on('error', () => {}),
      { ttl: Number(ttl) },
    ),
  redis: () => {
    const client = createClient({ socket: at }).on('error', () => {})
    client.connect().catch(() => {})
    return redisLocks(client, { ttl: Number(ttl) })
  },
}
const lock = new KeyedLock({ backend: backends[kind]() })

for (;;) {
  try {
    await lock.run('resource', async (lease) => {
      process.send({ took: String(lease.token) })
      lease.signal.addEventListener('abort', () =>
        process.send({ lost: String(lease.token), reason: lease.signal.reason.name }),
      )
      const end = performance.now() + Number(holdFor)
      while (performance.now() < end) {
        process.send({ write: String(lease.token) })
        await sleep(5)
      }
    })
    process.send({ gave: true })
    await sleep(Math.random() * 2 * Number(holdFor)) // the line does not span processes: leave the other a turn
  } catch {
    await sleep(20)
  }
}

// Takes the lock again and again, and writes to the parent's resource while it holds it.
import { setTimeout as sleep } from 'node:timers/promises'
import { KeyedLock } from '@uno-async/sync'
import { postgresLocks, redisLocks } from '@uno-async/sync/remote'
import { Redis } from 'ioredis'
import pg from 'pg'

const [kind, port, ttl, holdFor] = process.argv.slice(2)
const pool = () => {
  const made = new pg.Pool({ host: '127.0.0.1', port: Number(port), user: 'postgres' })
  return made.on('error', () => {})
}
const backend =
  kind === 'redis'
    ? redisLocks(
        new Redis(Number(port)).on('error', () => {}),
        { ttl: Number(ttl) },
      )
    : postgresLocks(pool())
const lock = new KeyedLock({ backend })

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

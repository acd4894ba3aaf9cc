import { delay } from '@uno-async/core'
import PgBoss from 'pg-boss'
import type { Logger } from 'pino'
import { AT_ONCE, type Transport } from './transport.js'

/** Through tables of pg-boss in the same database. */
export async function pgBossTransport(url: string, log: Logger): Promise<Transport> {
  // The limit is for connections that have gone silent.
  const pool = { connectionString: url, max: 4, query_timeout: 10_000 }
  const boss = new PgBoss({ ...pool, schedule: false })
  boss.on('error', (error) => log.warn({ error: error.message }, 'pg-boss'))
  await boss.start()
  return {
    async publish(deliveries) {
      await boss.insert(
        deliveries.map(({ event, handler }) => ({
          name: handler,
          data: { event },
          singletonKey: `${event}`, // what still waits here is not added again
          retryLimit: 0, // the outbox sees to that
        })),
      )
    },
    async consume(handler, deliver, token) {
      await boss.createQueue(handler, { name: handler, policy: 'short' })
      while (!token.cancelled) {
        const jobs = await boss.fetch<{ event: number }>(handler, { batchSize: AT_ONCE })
        if (jobs.length) {
          await Promise.all(jobs.map(({ data }) => deliver(data.event)))
          await boss.complete(
            handler,
            jobs.map(({ id }) => id),
          )
        } else await delay(250, { signal: token }).catch(() => {})
      }
    },
    close: () => boss.stop({ graceful: false }),
  }
}

import PgBoss from 'pg-boss'
import type { Logger } from 'pino'
import type { Transport } from './transport.js'

interface Job {
  readonly event: number
}

/** Through tables of pg-boss in the same database. */
export async function pgBossTransport(url: string, log: Logger): Promise<Transport> {
  const boss = new PgBoss({ connectionString: url, schedule: false, max: 4 })
  boss.on('error', (error) => log.warn({ error: error.message }, 'pg-boss'))
  await boss.start()
  const queues: string[] = []
  return {
    async publish(deliveries) {
      await boss.insert(
        deliveries.map(({ event, handler }) => ({ name: handler, data: { event }, retryLimit: 0 })),
      )
    },
    async consume(handler, deliver) {
      queues.push(handler)
      await boss.createQueue(handler)
      await boss.work<Job>(
        handler,
        { batchSize: 100, pollingIntervalSeconds: 0.5 },
        async (jobs) => void (await Promise.all(jobs.map(({ data }) => deliver(data.event)))),
      )
    },
    async pause() {
      await Promise.all(queues.map((queue) => boss.offWork(queue)))
    },
    close: () => boss.stop({ graceful: false, wait: true }),
  }
}

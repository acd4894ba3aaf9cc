import { timeout } from '@uno-async/sync'
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import type { Logger } from 'pino'
import { AT_ONCE, type Transport } from './transport.js'

/** Through Redis. */
export function bullmqTransport(url: string, log: Logger): Transport {
  // Who hands something on wants to know at once that it cannot be done; who waits for jobs has time.
  const sender = new Redis(url, { enableOfflineQueue: false, maxRetriesPerRequest: 1 })
  const receiver = new Redis(url, { maxRetriesPerRequest: null })
  const onError = (error: Error): void => log.warn({ error: error.message }, 'bullmq')
  sender.on('error', onError)
  receiver.on('error', onError)
  return {
    async publish(deliveries) {
      for (const name of new Set(deliveries.map(({ handler }) => handler))) {
        // Made anew each time: one that found no Redis at first never does.
        const queue = new Queue(name, { connection: sender, skipWaitingForReady: true })
        queue.on('error', onError)
        const mine = deliveries.filter(({ handler }) => handler === name)
        await queue.addBulk(
          mine.map(({ event }) => ({
            name,
            data: { event },
            // What still waits here is not added again.
            opts: { jobId: `event-${event}`, removeOnComplete: true, removeOnFail: true },
          })),
        )
      }
    },
    async consume(handler, deliver, token) {
      const worker = new Worker<{ event: number }>(handler, ({ data }) => deliver(data.event), {
        connection: receiver,
        concurrency: AT_ONCE,
      })
      worker.on('error', onError)
      await new Promise<void>((resolve) => token.onCancelled(() => resolve()))
      // Without Redis it would wait for ever.
      await timeout(2_000, () => worker.close()).catch(onError)
    },
    async close() {
      sender.disconnect()
      receiver.disconnect()
    },
  }
}

import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import type { Logger } from 'pino'
import type { Transport } from './transport.js'

/** Through Redis. */
export function bullmqTransport(url: string, log: Logger): Transport {
  // Who hands something on wants to know at once that it cannot be done; who waits for jobs has time.
  const sender = new Redis(url, { enableOfflineQueue: false, maxRetriesPerRequest: 1 })
  const receiver = new Redis(url, { maxRetriesPerRequest: null })
  const onError = (error: Error): void => log.warn({ error: error.message }, 'bullmq')
  sender.on('error', onError)
  receiver.on('error', onError)
  const queues = new Map<string, Queue>()
  const workers: Worker[] = []

  const queue = (handler: string): Queue => {
    let it = queues.get(handler)
    if (!it) {
      it = new Queue(handler, { connection: sender, skipWaitingForReady: true })
      it.on('error', onError)
      queues.set(handler, it)
    }
    return it
  }
  return {
    async publish(deliveries) {
      const opts = { removeOnComplete: true, removeOnFail: true }
      for (const name of new Set(deliveries.map(({ handler }) => handler))) {
        const mine = deliveries.filter(({ handler }) => handler === name)
        await queue(name).addBulk(mine.map(({ event }) => ({ name, data: { event }, opts })))
      }
    },
    async consume(handler, deliver) {
      const worker = new Worker<{ event: number }>(handler, ({ data }) => deliver(data.event), {
        connection: receiver,
        concurrency: 20,
      })
      workers.push(worker.on('error', onError))
    },
    async pause() {
      await Promise.all(workers.map((worker) => worker.pause(true)))
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.close(true)))
      sender.disconnect()
      receiver.disconnect()
    },
  }
}

import KeyvRedis from '@keyv/redis'
import type { SecondTier } from '@uno-async/cache'
import type { RateLimitStore } from '@uno-async/sync'
import { Redis } from 'ioredis'
import Keyv from 'keyv'
import type { Logger } from 'pino'
import { RateLimiterRedis } from 'rate-limiter-flexible'

/** What instances share beyond the database. Each can do without: slower, and less exact. */
export interface Shared {
  readonly cache?: SecondTier
  readonly rates?: RateLimitStore
  close(): Promise<void>
}

export function connectRedis(url: string, perSecond: number, log: Logger): Shared {
  const client = new Redis(url, { enableOfflineQueue: false, maxRetriesPerRequest: 1 })
  const keyv = new Keyv({ store: new KeyvRedis(url), namespace: 'orders' })
  const onError = (error: Error): void => log.warn({ error: error.message }, 'redis')
  client.on('error', onError)
  keyv.on('error', onError)
  return {
    cache: keyv,
    rates: new RateLimiterRedis({ storeClient: client, points: perSecond, duration: 1 }),
    async close() {
      client.disconnect()
      await keyv.disconnect()
    },
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import { RateLimiter } from '@uno-async/sync'
import { Redis } from 'ioredis'
import pg from 'pg'
import { RateLimiterMemory, RateLimiterPostgres, RateLimiterRedis } from 'rate-limiter-flexible'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runnable, type Server, startPostgres, startRedis } from '../../../../tests/servers.js'

describe.runIf(runnable)("rate-limiter-flexible's own instances as a store", () => {
  let redis: Server
  let postgres: Server
  let client: Redis
  let pool: pg.Pool
  beforeAll(async () => {
    ;[redis, postgres] = await Promise.all([startRedis(), startPostgres()])
    client = new Redis(redis.port, { enableOfflineQueue: false, maxRetriesPerRequest: 0 })
    client.on('error', () => {})
    pool = new pg.Pool({ host: '127.0.0.1', port: postgres.port, user: 'postgres' })
    pool.on('error', () => {})
  })
  afterAll(async () => {
    client?.disconnect()
    await pool?.end()
    await Promise.all([redis?.remove(), postgres?.remove()])
  })

  const count = async (limiters: RateLimiter[], within: number): Promise<number> => {
    let went = 0
    const end = performance.now() + within
    await Promise.all(
      limiters.map(async (limiter) => {
        while (performance.now() < end) {
          await limiter.acquire({ timeout: within }).then(
            () => went++,
            () => sleep(20),
          )
        }
      }),
    )
    return went
  }

  it.each(['memory', 'redis', 'postgres'] as const)(
    '%s: two limiters share one budget',
    async (kind) => {
      const options = { points: 5, duration: 1, keyPrefix: `k${Date.now()}` }
      const store =
        kind === 'memory'
          ? new RateLimiterMemory(options)
          : kind === 'redis'
            ? new RateLimiterRedis({ ...options, storeClient: client })
            : await new Promise<RateLimiterPostgres>((resolve, reject) => {
                const made = new RateLimiterPostgres(
                  { ...options, storeClient: pool, storeType: 'pool', tableName: 'rates' },
                  (error) => (error ? reject(error) : resolve(made)),
                )
              })
      const errors: unknown[] = []
      const make = () =>
        new RateLimiter({
          limit: 5,
          store,
          key: 'api',
          onStoreError: (error) => errors.push(error),
        })
      const limiters = [make(), make()]
      const first = await limiters[0]?.check()
      expect(first).toMatchObject({ allowed: true, remaining: 4 })
      const went = await count(limiters, 1_500)
      expect(errors).toEqual([])
      expect(went).toBeGreaterThanOrEqual(5)
      expect(went).toBeLessThanOrEqual(15)
    },
  )

  it('falls back to memory when the server is gone, says so, and comes back', async () => {
    const store = new RateLimiterRedis({ points: 100, duration: 1, storeClient: client })
    const errors: unknown[] = []
    const limiter = new RateLimiter({
      limit: 3,
      interval: 60_000,
      store,
      key: 'fall back',
      storeTimeout: 300,
      onStoreError: (error) => errors.push(error),
    })
    expect(await limiter.check()).toMatchObject({ allowed: true, remaining: 99 })
    await redis.stop()
    const decisions = [await limiter.check(), await limiter.check(), await limiter.check()]
    // One of three went before.
    expect(decisions.map(({ allowed }) => allowed)).toEqual([true, true, false])
    expect(errors.length).toBeGreaterThan(0)
    for (const error of errors) expect(error).toBeInstanceOf(Error)
    await redis.start()
    let remaining = 0
    for (let i = 0; i < 200 && remaining < 50; i++) {
      await sleep(50)
      remaining = (await limiter.check()).remaining
    }
    expect(remaining).toBeGreaterThan(50)
  })
})

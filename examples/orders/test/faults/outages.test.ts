import { delay } from '@uno-async/core'
import { AsyncManager } from '@uno-async/lifecycle'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { registerOrders } from '../../src/application.js'
import { readConfig } from '../../src/config.js'
import { Instance } from '../../tour/fleet.js'
import { Traffic } from '../../tour/traffic.js'
import { Gate } from './gate.js'
import { hasRedis, openWorld, startRedis, type World } from './world.js'

let world: World
let instance: Instance | undefined
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())
afterEach(async () => {
  await instance?.stop('SIGKILL')
  instance = undefined
})

const through = (gate: Gate) => world.url.replace(/:\d+\//, `:${gate.port}/`)
const start = (env: Record<string, string>) =>
  Instance.start({
    ...{ DATA: world.folder, REDELIVER: '2000', DEADLINE: '2000', SHUTDOWN_TIMEOUT: '6000' },
    ...{ LOG_LEVEL: 'silent', ...env },
  })
const order = { customer: 'ann@example.com', sku: 'sku-1', quantity: 1 }
const place = async () => {
  const response = await fetch(`${instance?.url}/orders`, {
    method: 'POST',
    body: JSON.stringify(order),
  })
  await response.arrayBuffer()
  return response
}
const untilPlaced = async () => {
  for (let i = 0; i < 100; i++) {
    if ((await place()).status === 201) return true
    await delay(100)
  }
  return false
}

/** Customers, while something happens; gives what was lost. */
async function underLoad(event: () => Promise<void>): Promise<readonly string[]> {
  await using traffic = new Traffic(() => instance?.url ?? '').open(8)
  await delay(1_500)
  await event()
  await delay(2_000)
  await traffic.close()
  expect(traffic.told.size).toBeGreaterThan(0)
  const { lost, events } = await world.books(traffic)
  expect(events.pending).toBe(0)
  return lost
}

describe('without its database', () => {
  it('waits for it at the start', async () => {
    const gate = await new Gate(world.port).open()
    gate.shut()
    const starting = start({ DATABASE_URL: through(gate) })
    await delay(3_000)
    await gate.open()
    instance = await starting
    expect((await place()).status).toBe(201)
    expect(await instance.stop('SIGTERM')).toBe(0)
    gate.shut()
  })

  it('says 503 and comes back by itself', async () => {
    const gate = await new Gate(world.port).open()
    instance = await start({ DATABASE_URL: through(gate) })
    const lost = await underLoad(async () => {
      gate.shut()
      await delay(500)
      const response = await place()
      expect(response.status).toBe(503)
      expect(response.headers.get('retry-after')).toBe('1')
      expect((await fetch(`${instance?.url}/health`)).status).toBe(503)
      expect((await fetch(`${instance?.url}/live`)).status).toBe(200)
      await gate.open()
      expect(await untilPlaced()).toBe(true)
    })
    expect(lost).toEqual([])
    expect(await instance.stop('SIGTERM')).toBe(0)
    gate.shut()
  })

  it('answers at the deadline while it hangs, and comes back by itself', async () => {
    const gate = await new Gate(world.port).open()
    instance = await start({ DATABASE_URL: through(gate) })
    const lost = await underLoad(async () => {
      gate.freeze()
      expect((await place()).status).toBeGreaterThanOrEqual(503)
      gate.shut()
      await gate.open()
      expect(await untilPlaced()).toBe(true)
    })
    expect(lost).toEqual([])
    gate.shut()
  })

  it('stops in time', async () => {
    const gate = await new Gate(world.port).open()
    instance = await start({ DATABASE_URL: through(gate) })
    expect((await place()).status).toBe(201)
    gate.shut()
    await delay(500)
    const code = await Promise.race([instance.stop('SIGTERM'), delay(12_000).then(() => 'hangs')])
    expect([0, 1]).toContain(code)
  })

  it('stops in time even if it hangs', async () => {
    const gate = await new Gate(world.port).open()
    instance = await start({ DATABASE_URL: through(gate) })
    expect((await place()).status).toBe(201)
    gate.freeze()
    const code = await Promise.race([instance.stop('SIGTERM'), delay(12_000).then(() => 'hangs')])
    expect([0, 1]).toContain(code)
    gate.shut()
  })
})

describe.runIf(hasRedis)('without its Redis', () => {
  let redis: Awaited<ReturnType<typeof startRedis>>
  let gate: Gate
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.stop())
  afterEach(() => gate.shut())
  const env = () => ({ DATABASE_URL: world.url, REDIS_URL: `redis://127.0.0.1:${gate.port}` })

  it('starts and serves, and delivers when it is there', async () => {
    gate = await new Gate(redis.port).open()
    gate.shut()
    instance = await start(env())
    expect((await place()).status).toBe(201)
    expect(await underLoad(async () => void (await gate.open()))).toEqual([])
    expect(await instance.stop('SIGTERM')).toBe(0)
  })

  it('goes on without, and delivers later', async () => {
    gate = await new Gate(redis.port).open()
    instance = await start(env())
    const lost = await underLoad(async () => {
      gate.shut()
      await delay(500)
      expect(await untilPlaced()).toBe(true)
      await delay(1_000)
      await gate.open()
    })
    expect(lost).toEqual([])
  })

  it('stops in time', async () => {
    gate = await new Gate(redis.port).open()
    instance = await start(env())
    gate.shut()
    await delay(500)
    const code = await Promise.race([instance.stop('SIGTERM'), delay(12_000).then(() => 'hangs')])
    expect([0, 1]).toContain(code)
  })
})

it('closes all else when one resource hangs, and names it', async () => {
  const config = readConfig({ DATABASE_URL: world.url, DATA: world.folder, PORT: '0' })
  const manager = new AsyncManager({ name: 'orders', shutdownTimeout: 10_000 })
  const { http, database } = registerOrders(manager, config, pino({ level: 'silent' }))
  manager.registerResource({
    name: 'hung',
    dependsOn: ['sessions'],
    stopTimeout: 500,
    start() {},
    stop: () => new Promise(() => {}),
  })
  await manager.start()
  const { url } = http.value
  const sessions = database.sessions.value
  const report = await manager.shutdown()
  const bad = report.entries.filter(({ outcome }) => outcome !== 'ok')
  expect(bad).toMatchObject([{ name: 'hung', phase: 'stop', outcome: 'timeout' }])
  expect(sessions.stats().total).toBe(0)
  await expect(fetch(url)).rejects.toThrow()
})

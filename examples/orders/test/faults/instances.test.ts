import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { delay } from '@uno-async/core'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import type { HttpServer } from '../../src/api/server.js'
import { inProject } from '../../src/config.js'
import { balance, Instance } from '../../tour/fleet.js'
import { Traffic } from '../../tour/traffic.js'
import { hasRedis, openWorld, startRedis, type World } from './world.js'

let world: World
let front: HttpServer
let running: Instance[] = []

beforeAll(async () => {
  world = await openWorld()
  front = await balance(() => running.map(({ url }) => url))
})
afterAll(async () => {
  await Promise.all(running.map((instance) => instance.stop('SIGKILL')))
  front.server.close()
  await world.close()
})

const start = (name: string, env: Record<string, string> = {}) =>
  Instance.start({
    ...env,
    DATABASE_URL: world.url,
    DATA: world.folder,
    INSTANCE: name,
    REDELIVER: '2000',
    SESSIONS: '20',
  })

it('answers every request while one instance after the other is restarted', async () => {
  running = [await start('one'), await start('two')]
  await using traffic = new Traffic(() => front.url, { leaving: 0 }).open(4)
  await delay(1_500)
  for (const i of [0, 1, 0, 1]) {
    const old = running[i] as Instance
    running[i] = await start(`new ${i}`)
    await delay(250)
    expect(await old.stop('SIGTERM')).toBe(0)
    await delay(500)
  }
  await traffic.close()
  const failed = [...traffic.answers.keys()].filter((status) => status === 0 || status >= 500)
  expect(failed).toEqual([])
  expect(traffic.told.size).toBeGreaterThan(0)
  expect((await world.books(traffic)).lost).toEqual([])
})

it('loses nothing with three instances of which one is killed', async () => {
  await Promise.all(running.map((instance) => instance.stop('SIGTERM')))
  running = await Promise.all(['one', 'two', 'three'].map((name) => start(name)))
  await using traffic = new Traffic(() => front.url).open(12)
  await delay(2_000)
  const [victim, ...others] = running as [Instance, Instance, Instance]
  expect(await victim.stop('SIGKILL')).toBe('SIGKILL')
  await delay(500)
  running = others
  await delay(2_000)
  await traffic.close()
  const { lost, events } = await world.books(traffic)
  expect(lost).toEqual([])
  expect(events).toMatchObject({ pending: 0 })
  expect(events.delivered).toBeGreaterThan(traffic.told.size)
  for (const instance of running) expect(await instance.stop('SIGTERM')).toBe(0)
  running = []
})

it('goes on where it was after a kill -9: every event delivered, the stock exact', async () => {
  let instance = await start('alone')
  running = [instance]
  await using traffic = new Traffic(() => front.url).open(8)
  await delay(2_000)
  await instance.stop('SIGKILL')
  instance = await start('alone')
  running = [instance]
  await delay(2_000)
  await traffic.close()
  const { lost, events } = await world.books(traffic)
  expect(lost).toEqual([])
  expect(events).toMatchObject({ pending: 0 })
})

it.runIf(hasRedis)('lets in through two instances together what one would', async () => {
  await Promise.all(running.map((instance) => instance.stop('SIGTERM')))
  const redis = await startRedis()
  onTestFinished(() => redis.stop())
  const env = { REDIS_URL: `redis://127.0.0.1:${redis.port}`, REQUESTS_PER_SECOND: '20' }
  running = await Promise.all(['one', 'two'].map((name) => start(name, env)))
  // As many as one second allows each of them, if it counted alone
  const urls = running.flatMap(({ url }) => new Array<string>(20).fill(`${url}/stock/sku-1`))
  const answers = await Promise.all(urls.map(async (url) => (await fetch(url)).status))
  const admitted = answers.filter((status) => status === 200)
  expect(admitted.length).toBeGreaterThan(0)
  expect(answers.filter((status) => status === 429).length).toBeGreaterThan(0)
  expect(admitted.length).toBeLessThan(40)
  for (const instance of running) expect(await instance.stop('SIGTERM')).toBe(0)
  running = []
})

it('starts though the report of its last stop was cut short', async () => {
  writeFileSync(join(world.folder, 'torn.json'), '{"at":')
  const instance = await start('torn')
  expect(await instance.stop('SIGTERM')).toBe(0)
})

it('leaves no instance behind when three are stopped by Ctrl+C', async () => {
  const child = spawn(process.execPath, [inProject('dist/three.js')], {
    env: { PATH: process.env['PATH'], DATABASE_URL: world.url, DATA: world.folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  for await (const chunk of child.stdout) {
    said += chunk
    if (said.match(/serves/g)?.length === 3) break
  }
  child.kill('SIGINT')
  expect(await once(child, 'exit')).toEqual([130, null])
  const urls = said.match(/http:\S+/g) ?? []
  const answers = await Promise.all(urls.map((url) => fetch(`${url}/live`).catch(() => 'gone')))
  expect(answers).toEqual(['gone', 'gone', 'gone'])
})

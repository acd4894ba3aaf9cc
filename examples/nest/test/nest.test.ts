import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'

let child: ChildProcess
let url = ''
let logged = ''

beforeAll(async () => {
  const main = fileURLToPath(new URL('../dist/main.js', import.meta.url))
  child = spawn(process.execPath, [main], {
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child.stderr?.on('data', (chunk) => {
    logged += chunk
  })
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    url = /listening on (\S+)/.exec(String(chunk))?.[1] ?? ''
    if (url) break
  }
}, 30_000)
afterAll(async () => {
  child.kill()
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
})

const get = async (path: string, init?: RequestInit) => {
  const response = await fetch(`${url}/prices/${path}`, init)
  return { status: response.status, body: await response.json() }
}
interface Stats {
  calls: number
  running: number
  most: number
  cancelled: number
}
const stats = async () => (await get('stats')).body as Stats
const until = async (done: (it: Stats) => boolean) => {
  for (let i = 0; i < 200; i++) {
    const now = await stats()
    if (done(now)) return now
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return stats()
}

it('routes, injects and answers, after a retry', async () => {
  expect(await get('item/abc')).toEqual({ status: 200, body: { id: 'abc', price: 300 } })
  expect(await stats()).toMatchObject({ calls: 2, running: 0 })
})

it("keeps Nest's metadata below our decorator: route, status, parameters and their pipes", async () => {
  expect(await get('quick/1', { method: 'POST' })).toEqual({
    status: 202,
    body: { times: 1, price: 500 },
  })
  expect(await get('quick/one', { method: 'POST' })).toMatchObject({ status: 400 })
})

it('answers what takes too long with 504, and stops the work', async () => {
  const before = await stats()
  expect(await get('quick/2', { method: 'POST' })).toMatchObject({
    status: 504,
    body: { message: '"quick" timed out after 500 ms' },
  })
  expect(await until(({ running }) => running === 0)).toMatchObject({
    running: 0,
    cancelled: before.cancelled + 1,
  })
})

it('limits what runs at once', async () => {
  const all = await Promise.all(Array.from({ length: 8 }, (_, i) => get(`item/many-${i}`)))
  expect(all.every(({ status }) => status === 200)).toBe(true)
  expect((await stats()).most).toBe(2)
})

it('cancels the work of a client that goes away, wherever it is, and serves the others', async () => {
  const before = await stats()
  const controller = new AbortController()
  // Two run, two wait in line.
  const gone = Array.from({ length: 4 }, (_, i) =>
    get(`item/slow-${i}`, { signal: controller.signal }).catch((error) => error.name),
  )
  await until(({ running }) => running === 2)
  controller.abort()
  expect(await Promise.all(gone)).toEqual(Array(4).fill('AbortError'))
  const after = await until(({ running }) => running === 0)
  expect(after.running).toBe(0)
  // Whatever had begun was cancelled, and nothing was tried again.
  expect(after.cancelled - before.cancelled).toBe(after.calls - before.calls)
  expect(after.calls - before.calls).toBeLessThanOrEqual(4)
  expect(await get('item/abc')).toMatchObject({ status: 200 })
  expect(logged).toBe('')
})

it('stops when told to', async () => {
  child.kill('SIGTERM')
  const [code, signal] = await once(child, 'exit')
  expect([0, 'SIGTERM']).toContain(code ?? signal)
})

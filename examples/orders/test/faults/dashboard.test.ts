import type { ServerResponse } from 'node:http'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium } from 'playwright'
import { preview } from 'vite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Snapshot, TaskNode } from '../../src/snapshot.js'

const root = fileURLToPath(new URL('../../dashboard', import.meta.url))

const task = (name: string, state = 'running', ...children: TaskNode[]): TaskNode => {
  return { name, state, age: 65_000, children }
}

const snapshot: Snapshot = {
  at: 1_000_000,
  instance: 'orders-1',
  state: 'running',
  tasks: task(
    'orders-1',
    'running',
    task('outbox'),
    task('requests', 'open', task('POST /orders')),
  ),
  pool: { size: 8, idle: 3, borrowed: 5, waiting: 2, max: 10 },
  limiters: [
    { name: 'api', kind: 'concurrency', active: 12, waiting: 3, limit: 32 },
    { name: 'clients', kind: 'rate', active: 40, waiting: 0, limit: 100 },
  ],
  cache: [
    { name: 'orders', hits: 90, misses: 9, stale: 1, size: 1_204 },
    { name: 'prices', hits: 0, misses: 0, stale: 0, size: 0 },
  ],
  requests: { total: 5_000, inFlight: 7, cancelled: 21, retried: 5, refused: 9, failed: 0 },
  latency: { p50: 4.25, p95: 61, p99: 418, recent: [3, 4, 700] },
  events: { pending: 3, delivered: 21_507, dead: 1 },
}

/** The dashboard as it is built, and a server of events that does as it is told. */
const open = async (browser: Browser, viewport = { width: 1_100, height: 900 }) => {
  const streams = new Set<ServerResponse>()
  const events = { mode: 'stream' as 'stream' | 'refuse', asked: 0 }
  const server = await preview({
    root,
    configFile: false,
    logLevel: 'error',
    preview: { host: '127.0.0.1', port: 0 },
    plugins: [
      {
        name: 'events',
        configurePreviewServer: ({ middlewares }) =>
          void middlewares.use('/dashboard/events', (_, response) => {
            events.asked++
            if (events.mode === 'refuse') return void response.writeHead(503).end()
            response.writeHead(200, { 'content-type': 'text/event-stream' })
            response.flushHeaders()
            streams.add(response)
            response.on('close', () => streams.delete(response))
          }),
      },
    ],
  })
  const page = await browser.newPage({ viewport })
  const hosts = new Set<string>()
  const problems: string[] = []
  page.on('request', (request) => hosts.add(new URL(request.url()).host))
  page.on('pageerror', (error) => problems.push(String(error)))
  const url = new URL(server.resolvedUrls?.local[0] ?? '')
  await page.goto(url.href)
  const text = (selector: string) => page.locator(selector).allTextContents()
  const send = async (changes: Partial<Snapshot> = {}) => {
    await expect.poll(() => streams.size).toBe(1)
    for (const stream of streams)
      stream.write(`data: ${JSON.stringify({ ...snapshot, ...changes })}\n\n`)
  }
  const cut = () => {
    for (const stream of streams) stream.destroy()
  }
  const close = async () => {
    await page.close()
    await server.close()
  }
  return { page, events, url, hosts, problems, text, send, cut, [Symbol.asyncDispose]: close }
}

describe('the dashboard', () => {
  let browser: Browser

  beforeAll(async () => {
    const args = ['--no-sandbox', '--disable-quic']
    browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args })
  })

  afterAll(() => browser.close())

  it('shows all of a snapshot, and asks nobody but its server', async () => {
    await using it = await open(browser)
    await it.send()
    await expect.poll(() => it.text('#connection')).toEqual(['live'])
    expect(await it.text('#instance, #state')).toEqual(['orders-1', 'running'])
    expect(await it.text('#requests dd')).toEqual([
      '0.0',
      '7',
      '4.3',
      '61',
      '418',
      '5,000',
      '21',
      '5',
      '9',
      '0',
    ])
    expect(await it.text('#pool-max, #pool-figures dd')).toEqual([
      '8 of at most 10 connections',
      '5',
      '3',
      '2',
    ])
    expect(await it.text('#limiters span')).toEqual([
      'api concurrency',
      '12 of 32, 3 waiting',
      'clients rate',
      '40 of 100',
    ])
    expect(await it.text('#caches span')).toEqual([
      'orders 1,204 entries',
      '90 % hits, 1 % stale',
      'prices 0 entries',
      'not asked yet',
    ])
    expect(await it.text('#events dd')).toEqual(['3', '21,507', '1'])
    expect(await it.text('#task-count, #tasks .name')).toEqual([
      '3 alive',
      'orders-1',
      'outbox',
      'requests',
      'POST /orders',
    ])
    expect(await it.page.locator('#latency .dots').getAttribute('d')).toMatch(
      /^(M[\d.]+ [\d.]+h0){3}$/,
    )
    expect([...it.hosts]).toEqual([it.url.host])
    expect(it.problems).toEqual([])
  })

  it('follows what changes', async () => {
    await using it = await open(browser)
    await it.send()
    const requests = { ...snapshot.requests, total: 5_030 }
    const lastShutdown = { at: 0, ok: false, lines: ['Stopped in 5 ms', '  ✗ pool'] }
    await it.send({ at: 1_002_000, requests, tasks: task('orders-1'), lastShutdown })
    await expect.poll(() => it.text('#requests dd').then(([rate]) => rate)).toBe('15')
    expect(await it.text('#tasks .name')).toEqual(['orders-1'])
    expect(await it.text('#shutdown')).toEqual(['Stopped in 5 ms\n  ✗ pool'])
    expect(await it.text('#shutdown-at')).toEqual([expect.stringContaining('not clean')])
    // more requests than there is room to draw: fewer dots, the slowest among them
    const recent = [...Array(1_000).fill(5), 90_000]
    await it.send({ at: 1_100_000, latency: { ...snapshot.latency, recent } })
    await expect.poll(() => it.text('#latency .scale')).toContain('100000')
    const path = await it.page.locator('#latency .dots').getAttribute('d')
    expect(path?.match(/M/g)?.length).toBeLessThan(50)
  })

  it('takes names as text', async () => {
    await using it = await open(browser)
    const name = '<img src=x onerror="document.title=1">'
    await it.send({ tasks: task(name), instance: name })
    await expect.poll(() => it.text('#tasks .name')).toEqual([name])
    expect(await it.text('#instance')).toEqual([name])
    expect(await it.page.title()).toBe('Orders')
  })

  it('says that the stream is lost, and goes on when the server is back', async () => {
    await using it = await open(browser)
    await it.send()
    await expect.poll(() => it.text('#connection')).toEqual(['live'])
    it.events.mode = 'refuse'
    it.cut()
    await expect
      .poll(() => it.text('#connection'))
      .toEqual([expect.stringMatching(/^connection lost, seen \d+ s ago, trying again…$/)])
    // An EventSource by itself would give up at the first 503.
    await expect.poll(() => it.events.asked, { timeout: 10_000 }).toBeGreaterThan(3)
    it.events.mode = 'stream'
    await it.send({ instance: 'orders-2', requests: { ...snapshot.requests, total: 3 } })
    await expect.poll(() => it.text('#connection, #instance')).toEqual(['orders-2', 'live'])
    expect(await it.text('#requests dd').then(([rate]) => rate)).toBe('0.0')
  })

  it('does not trust a stream that is silent', async () => {
    await using it = await open(browser)
    await it.send()
    await expect.poll(() => it.text('#connection')).toEqual(['live'])
    await expect.poll(() => it.events.asked, { timeout: 20_000 }).toBe(2)
    await it.send()
    await expect.poll(() => it.text('#connection')).toEqual(['live'])
  })

  it('fits a phone', async () => {
    await using it = await open(browser, { width: 360, height: 780 })
    const lastShutdown = { at: 0, ok: true, lines: ['Stopped in 5 ms'.repeat(20)] }
    await it.send({
      tasks: task('a long name '.repeat(20), 'running', task('x'.repeat(80))),
      lastShutdown,
    })
    await expect.poll(() => it.text('#connection')).toEqual(['live'])
    const overflow = await it.page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement
      return scrollWidth - clientWidth
    })
    expect(overflow).toBe(0)
  })
})

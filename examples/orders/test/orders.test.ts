import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { withContext } from '@uno-async/context'
import { CancellationToken, CancellationTokenSource } from '@uno-async/core'
import { AsyncManager } from '@uno-async/lifecycle'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Application, registerOrders } from '../src/application.js'
import { readConfig } from '../src/config.js'
import type { Db } from '../src/database/session.js'
import { transaction } from '../src/database/transaction.js'
import type { Order } from '../src/orders/commands.js'
import type { Snapshot } from '../src/snapshot.js'
import { audit } from '../tour/audit.js'

const data = mkdtempSync(join(tmpdir(), 'orders-'))
const logged: string[] = []
const log = pino({ level: 'error' }, { write: (line: string) => void logged.push(line) })
let manager: AsyncManager
let app: Application
let url: string

beforeAll(async () => {
  // so that the user of PostgreSQL gets in
  chmodSync(data, 0o755)
  const config = readConfig({
    DATA: data,
    PORT: '0',
    DEADLINE: '1500',
    SESSIONS: '6',
    REDELIVER: '2000',
  })
  manager = new AsyncManager({ name: 'orders', shutdownTimeout: 20_000 })
  app = registerOrders(manager, config, log)
  await manager.start()
  url = app.http.value.url
})
afterAll(async () => {
  if (manager.state === 'running') await manager.shutdown()
  rmSync(data, { recursive: true, force: true })
})

const send = (method: string, path: string, body?: object, init: RequestInit = {}) =>
  fetch(url + path, { method, ...(body && { body: JSON.stringify(body) }), ...init })
const post = async (path: string, body: object = {}, key?: string) => {
  const headers = key ? { 'idempotency-key': key } : {}
  const response = await send('POST', path, body, { headers })
  return { status: response.status, body: (await response.json()) as Order & { error: string } }
}
const get = async <T>(path: string) => (await (await send('GET', path)).json()) as T
const order = (quantity: number, sku = 'sku-1') => ({ customer: 'ann@example.com', sku, quantity })
const query = <T extends object>(text: string) =>
  app.database.sessions.value.run((session) =>
    session.under(CancellationToken.none).raw(text),
  ) as Promise<unknown> as Promise<T[]>
const until = async (done: () => Promise<boolean> | boolean) => {
  for (let i = 0; i < 400 && !(await done()); i++) await new Promise((go) => setTimeout(go, 25))
  expect(await done()).toBe(true)
}
const stock = async (sku: string) =>
  (await query<{ on_hand: number }>(`select on_hand from stock where sku = '${sku}'`))[0]
    ?.on_hand ?? NaN

const idleInTransaction = async () =>
  (await query(`select 1 from pg_stat_activity where state like 'idle in%'`)).length

it('takes an order from placing to shipping, and nothing twice', async () => {
  const { status, body } = await post('/orders', order(2))
  expect(status).toBe(201)
  expect(body).toMatchObject({ sku: 'sku-1', quantity: 2, total: 30, state: 'placed' })
  expect(await get(`/orders/${body.id}`)).toEqual(body)
  expect((await post(`/orders/${body.id}/pay`)).body.state).toBe('paid')
  expect(await get<Order>(`/orders/${body.id}`)).toMatchObject({ state: 'paid' })
  expect(await post(`/orders/${body.id}/cancel`)).toMatchObject({
    status: 409,
    body: { error: `Order ${body.id} is paid, it cannot be cancelled` },
  })
  expect((await post(`/orders/${body.id}/ship`)).body.state).toBe('shipped')
})

it('says what is wrong with a request', async () => {
  expect(await post('/orders', order(0))).toMatchObject({ status: 422 })
  expect(await post('/orders', order(1, 'nothing'))).toMatchObject({ status: 404 })
  expect(await post('/orders/1000000/pay')).toMatchObject({ status: 404 })
  expect((await send('POST', '/orders', undefined, { body: '{' })).status).toBe(422)
  // … and what the database would not take is no failure of ours
  logged.length = 0
  for (const quantity of [2 ** 31, Number.MAX_SAFE_INTEGER])
    expect(await post('/orders', order(quantity))).toMatchObject({ status: 422 })
  for (const customer of ['a\0b', 'a\ud800b'])
    expect(await post('/orders', { ...order(1), customer })).toMatchObject({ status: 422 })
  for (const path of [`/orders/${2 ** 31}`, '/stock/%00'])
    expect((await send('GET', path)).status, path).toBe(422)
  expect(await post(`/orders/${2 ** 31}/pay`)).toMatchObject({ status: 422 })
  expect(await post('/orders', order(1), randomBytes(3_000).toString('hex'))).toMatchObject({
    status: 422,
  })
  expect(logged).toEqual([])
})

it('takes an empty key for none', async () => {
  const headers = { 'idempotency-key': '' }
  const all = await Promise.all(
    [1, 1].map((quantity) => send('POST', '/orders', order(quantity), { headers })),
  )
  const ids = await Promise.all(all.map(async (each) => ((await each.json()) as Order).id))
  expect(new Set(ids).size).toBe(2)
})

it('gives up on a body that does not come', async () => {
  const { hostname, port } = new URL(url)
  const client = connect(Number(port), hostname)
  client.write('POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"cust')
  const [answer] = await once(client, 'data')
  client.destroy()
  expect(`${answer}`).toMatch(/^HTTP\/1.1 504 /)
  await until(() => app.metrics.requests.inFlight === 0)
})

it('carries a command out once for each key', async () => {
  const before = await stock('sku-2')
  const all = await Promise.all(
    Array.from({ length: 8 }, () => post('/orders', order(1, 'sku-2'), 'once')),
  )
  expect(new Set(all.map(({ body }) => body.id)).size).toBe(1)
  expect(await stock('sku-2')).toBe(before - 1)
  // … for what it cost then
  app.upstream.value.markup = 90
  await new Promise((go) => setTimeout(go, 1_100))
  for (let i = 0; i < 3; i++)
    expect(await post('/orders', order(1, 'sku-2'), 'once')).toEqual(all[0])
  app.upstream.value.markup = 10
  expect(await post('/orders', order(2, 'sku-2'), 'once')).toMatchObject({ status: 422 })
})

it('never sells more than there is, however many ask at once', async () => {
  // Who is told to come again does so, with the same key.
  const buy = async (key: string) => {
    for (;;) {
      const answer = await post('/orders', order(1, 'rare'), key)
      if (answer.status < 429) return answer
    }
  }
  const all = await Promise.all(Array.from({ length: 40 }, (_, i) => buy(`rare-${i}`)))
  expect(all.filter(({ status }) => status === 201)).toHaveLength(25)
  expect(all.filter(({ status }) => status === 409)).toHaveLength(15)
  expect(await stock('rare')).toBe(0)
  expect(app.metrics.requests.retried).toBeGreaterThan(0)
})

it('gives back what a cancelled order took', async () => {
  const before = await stock('sku-3')
  const { body } = await post('/orders', order(5, 'sku-3'))
  expect(await stock('sku-3')).toBe(before - 5)
  await post(`/orders/${body.id}/cancel`)
  expect(await stock('sku-3')).toBe(before)
})

it('rolls back when the client leaves, and uses the connection again', async () => {
  const before = await stock('sku-4')
  // Somebody holds the row, so that the command waits in the middle of its transaction.
  const lease = await app.database.sessions.value.acquire()
  const db = lease.resource.under(CancellationToken.none)
  await db`begin`
  await db`select * from stock where sku = 'sku-4' for update`
  const waiting = async () =>
    (await query(`select pid from pg_stat_activity where wait_event_type = 'Lock'`)).length
  const client = new AbortController()
  const gone = send('POST', '/orders', order(1, 'sku-4'), { signal: client.signal })
  gone.catch(() => {})
  await until(async () => (await waiting()) === 1)
  const { destroyed } = app.database.sessions.value.stats()
  const { cancelled } = app.metrics.requests
  client.abort()
  await expect(gone).rejects.toMatchObject({ name: 'AbortError' })
  await until(() => app.metrics.requests.cancelled === cancelled + 1)
  expect(await waiting()).toBe(0)
  await db`rollback`
  lease.release()
  expect(await stock('sku-4')).toBe(before)
  await until(() => app.database.sessions.value.stats().borrowed === 0)
  expect(app.database.sessions.value.stats()).toMatchObject({ destroyed })
  await until(async () => (await idleInTransaction()) === 0)
  expect((await post('/orders', order(1, 'sku-4'))).status).toBe(201)
  expect(logged).toEqual([])
})

it('rolls back at the deadline of the request', async () => {
  const lease = await app.database.sessions.value.acquire()
  const db = lease.resource.under(CancellationToken.none)
  await db`begin`
  await db`select * from stock where sku = 'sku-5' for update`
  expect((await post('/orders', order(1, 'sku-5'))).status).toBe(504)
  await db`rollback`
  lease.release()
  expect(await stock('sku-5')).toBe(100_000)
})

it('finishes a COMMIT that is on its way, whoever cancels', async () => {
  using source = new CancellationTokenSource()
  const { value } = app.database.sessions
  await withContext(
    transaction(value, { label: 'test' }),
    async (db) => {
      await db`update stock set on_hand = on_hand - 1 where sku = 'sku-10'`
      queueMicrotask(() => source.cancel())
    },
    { signal: source.token },
  )
  expect(source.token.cancelled).toBe(true)
  expect(await stock('sku-10')).toBe(99_999)
  await query(`update stock set on_hand = on_hand + 1 where sku = 'sku-10'`)
})

it('takes no failure of a statement for a success', async () => {
  const swallow = async (db: Db) => {
    await db`update stock set on_hand = on_hand - 1 where sku = 'sku-10'`
    await db`select 1 / 0`.catch(() => {})
  }
  const { value } = app.database.sessions
  await expect(withContext(transaction(value, { label: 'test' }), swallow)).rejects.toThrow(
    'a failure was ignored',
  )
  expect(await stock('sku-10')).toBe(100_000)
})

it('makes one order for each key, whenever clients leave', async () => {
  const { destroyed } = app.database.sessions.value.stats()
  const insist = async (key: string) => {
    for (;;) {
      const init = { headers: { 'idempotency-key': key } }
      const signal = AbortSignal.timeout(Math.ceil(60 * Math.random()))
      await send('POST', '/orders', order(1, 'sku-11'), { ...init, signal }).catch(() => {})
      const answer = await post('/orders', order(1, 'sku-11'), key)
      if (answer.status === 201) return answer.body.id
    }
  }
  const ids = await Promise.all(Array.from({ length: 40 }, (_, i) => insist(`storm-${i}`)))
  expect(new Set(ids).size).toBe(40)
  expect(await stock('sku-11')).toBe(100_000 - 40)
  await until(() => app.database.sessions.value.stats().borrowed === 0)
  expect(app.database.sessions.value.stats()).toMatchObject({ destroyed })
  await until(async () => (await idleInTransaction()) === 0)
})

it('reports what fits together, though several sessions read it while it changes', async () => {
  interface Report {
    orders: { state: string; quantity: number }[]
    stock: { initial: number; onHand: number }[]
  }
  const sum = (numbers: number[]) => numbers.reduce((all, each) => all + each, 0)
  let isOver = false
  const shop = async () => {
    while (!isOver) await post('/orders', order(1, 'sku-12'))
  }
  const shops = [shop(), shop()]
  for (let i = 0; i < 10; i++) {
    const { orders, stock } = await get<Report>('/report')
    const live = orders.filter(({ state }) => state !== 'cancelled')
    expect(sum(live.map(({ quantity }) => quantity))).toBe(
      sum(stock.map(({ initial, onHand }) => initial - onHand)),
    )
  }
  isOver = true
  await Promise.all(shops)
})

it('serves known prices while the upstream fails or is slow', async () => {
  await post('/orders', order(1, 'sku-6'))
  app.upstream.value.mood = 'failing'
  await new Promise((go) => setTimeout(go, 1_100))
  expect((await post('/orders', order(1, 'sku-6'))).status).toBe(201)
  expect((await post('/orders', order(1, 'sku-7'))).status).toBe(502)
  app.upstream.value.mood = 'slow'
  expect((await post('/orders', order(1, 'sku-6'))).status).toBe(201)
  app.upstream.value.mood = 'well'
})

it('turns away what is too much, and says when to come again', async () => {
  const all = await Promise.all(Array.from({ length: 200 }, () => send('GET', '/report')))
  const refused = all.filter(({ status }) => status === 503 || status === 429)
  expect(refused.length).toBeGreaterThan(0)
  expect(refused.every(({ headers }) => Number(headers.get('retry-after')) >= 1)).toBe(true)
  expect(all.filter(({ status }) => status === 200).length).toBeGreaterThan(0)
  await until(() => app.database.sessions.value.stats().borrowed === 0)
})

it('tells each handler of an event, and gives up on those that never succeed', async () => {
  const { body } = await post('/orders', { ...order(1, 'sku-8'), customer: 'nobody@example.com' })
  await post(`/orders/${body.id}/pay`)
  const rows = () =>
    query<{ type: string; handler: string; attempts: number; done: boolean; dead: boolean }>(`
      select type, handler, attempts, done_at is not null as done, dead_at is not null as dead
      from deliveries join events on id = event where (body->>'id')::int = ${body.id} order by event`)
  await until(async () => (await rows()).every(({ done, dead }) => done || dead))
  expect(await rows()).toMatchObject([
    { type: 'placed', handler: 'mail', attempts: 5, done: false, dead: true },
    { type: 'paid', handler: 'revenue', attempts: 1, done: true, dead: false },
  ])
  expect(await query(`select amount from revenue where sku = 'sku-8'`)).toEqual([
    { amount: body.total },
  ])
})

it('shows itself to the dashboard', async () => {
  const controller = new AbortController()
  const { body } = await send('GET', '/dashboard/events', undefined, { signal: controller.signal })
  const { value } = await (body as ReadableStream<Uint8Array>).getReader().read()
  controller.abort()
  const snapshot = JSON.parse(new TextDecoder().decode(value).replace(/^data: /, '')) as Snapshot
  expect(snapshot).toMatchObject({ state: 'running', pool: { max: 6 } })
  expect(snapshot.tasks.children.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['pump', 'consume mail', 'expire', 'events', 'requests']),
  )
  expect(snapshot.limiters.map(({ name }) => name)).toContain('prices')
  expect(snapshot.events.delivered).toBeGreaterThan(0)
  expect(await get('/ready')).toEqual({ ready: true })
  expect((await send('GET', '/')).status).toBe(200)
})

it('serves what is in flight when it is told to stop, and then nothing; the books are right', async () => {
  const told = new Map<number, Order['state']>()
  for (const row of await query<Order>('select id, state from orders')) told.set(row.id, row.state)
  const sql = (text: TemplateStringsArray, ...values: unknown[]) =>
    app.database.sessions.value.run((it) => it.under(CancellationToken.none)(text, ...values))
  expect((await audit(sql as never, told)).lost).toEqual([])

  const last = Array.from({ length: 10 }, () => post('/orders', order(1, 'sku-9')))
  await until(() => app.metrics.requests.inFlight === 10)
  const report = await manager.shutdown()
  expect((await Promise.all(last)).map(({ status }) => status)).toEqual(Array(10).fill(201))
  expect(report.errors).toEqual([])
  expect(logged.filter((line) => !line.includes('given up'))).toEqual([])
  await expect(send('GET', '/live')).rejects.toThrow()
  expect(existsSync(join(data, 'postgres', 'postmaster.pid'))).toBe(false)
})

import { randomUUID } from 'node:crypto'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { Command, CommandBus } from '../cqrs/command-bus.js'
import type { QueryBus } from '../cqrs/query-bus.js'
import type { Sessions } from '../database/session.js'
import { Refused } from '../errors.js'
import * as commands from '../orders/commands.js'
import type { Prices } from '../orders/prices.js'
import * as queries from '../orders/queries.js'
import type { Variables } from './guard.js'

/** What PostgreSQL takes for a text: no NUL, no half of a surrogate pair. */
const text = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\0\p{Surrogate}]*$/u)
const number = z.int32().positive()
const newOrder = z.object({ customer: text, sku: text, quantity: number })

export interface Desk {
  readonly sessions: Sessions
  readonly commands: CommandBus
  readonly queries: QueryBus
  readonly prices: Prices
}

/** What can be asked of the order desk. A command with an `Idempotency-Key` can be sent again when no answer came. */
export function routes({ sessions, commands: bus, queries: read, prices }: Desk): Hono<Variables> {
  const app = new Hono<Variables>()

  const keyOf = (c: Context<Variables>): string =>
    text.parse(c.req.header('idempotency-key') || randomUUID())
  const idOf = (c: Context<Variables>): number => number.parse(Number(c.req.param('id')))
  const change = (command: Command<{ id: number }, commands.Order>) => {
    app.post(`/orders/:id/${command.name}`, async (c) => {
      const id = idOf(c)
      return c.json(await bus.execute(command, { id }, { key: keyOf(c), signal: c.var.token }))
    })
  }

  const place = commands.place(prices)
  app.post('/orders', async (c) => {
    const { token } = c.var
    // A body that does not come holds nobody up beyond the deadline.
    const order = newOrder.parse(await token.race(c.req.json()))
    return c.json(await bus.execute(place, order, { key: keyOf(c), signal: token }), 201)
  })
  change(commands.pay)
  change(commands.ship)
  change(commands.cancel)

  app.get('/orders/:id', async (c) => {
    const id = idOf(c)
    const order = await read.ask(queries.orderById, id, { signal: c.var.token })
    if (!order) throw new Refused(404, `There is no order ${id}`)
    return c.json(order)
  })
  app.get('/stock/:sku', async (c) => {
    const sku = text.parse(c.req.param('sku'))
    const onHand = await read.ask(queries.stockOf, sku, { signal: c.var.token })
    if (onHand === undefined) throw new Refused(404, `There is no ${sku}`)
    return c.json({ sku, onHand })
  })
  app.get('/report', async (c) => c.json(await queries.report(sessions, c.var.token)))
  return app
}

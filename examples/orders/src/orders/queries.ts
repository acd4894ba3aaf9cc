import type { Cancellation } from '@uno-async/core'
import { Limiter } from '@uno-async/sync'
import type { Query } from '../cqrs/query-bus.js'
import type { Sessions } from '../database/session.js'
import { SessionGroup } from '../database/session-group.js'
import type { Order } from './commands.js'

export const orderById: Query<number, Order | undefined> = {
  name: 'orders',
  ttl: 1_000,
  tags: (id) => [`order:${id}`],
  async load(ids, db) {
    const rows = await db<Order>`
      select id, customer, sku, quantity, total, state from orders where id in ${db.list(ids)}`
    const found = new Map(rows.map((order) => [order.id, order]))
    return new Map(ids.map((id) => [id, found.get(id)]))
  },
}

export const stockOf: Query<string, number | undefined> = {
  name: 'stock',
  ttl: 1_000,
  tags: () => ['stock'],
  async load(skus, db) {
    const rows = await db<{ sku: string; onHand: number }>`
      select sku, on_hand as "onHand" from stock where sku in ${db.list(skus)}`
    const found = new Map(rows.map(({ sku, onHand }) => [sku, onHand]))
    return new Map(skus.map((sku) => [sku, found.get(sku)]))
  },
}

/** Each takes several sessions: more at once would wait for each other. */
export const reports = new Limiter(2, { name: 'reports', maxWaiting: 20 })

/** Figures that fit together, though each is read by a session of its own. */
export function report(sessions: Sessions, signal: Cancellation) {
  return reports.run(
    async (token) => {
      const [orders, stock, revenue] = await new SessionGroup(sessions).all(
        [
          (db) => db`
            select state, count(*)::int, sum(quantity)::int as quantity, sum(total)::int as total
            from orders group by state`,
          (db) => db`select sku, initial, on_hand as "onHand" from stock order by sku`,
          (db) => db`select sku, amount from revenue order by sku`,
        ],
        { label: 'report', signal: token },
      )
      return { orders, stock, revenue }
    },
    { signal },
  )
}

import type { Db } from '../src/database/session.js'
import type { Order } from '../src/orders/commands.js'

/** What clients were told, and have a right to find. */
export type Told = ReadonlyMap<number, Order['state']>

export interface Audit {
  /** What is missing or wrong, in words; empty if nothing was lost. */
  readonly lost: readonly string[]
  readonly orders: number
  readonly events: { readonly delivered: number; readonly dead: number; readonly pending: number }
}

const rank = { placed: 0, paid: 1, cancelled: 1, shipped: 2 }

/** Holds what the database says against what clients were told, and against itself. */
export async function audit(db: Db, told: Told): Promise<Audit> {
  const lost: string[] = []
  const orders = await db<{ id: number; state: Order['state'] }>`select id, state from orders`
  const found = new Map(orders.map(({ id, state }) => [id, state]))
  for (const [id, state] of told) {
    const now = found.get(id)
    if (!now) lost.push(`order ${id} was accepted and is not there`)
    else if (rank[now] < rank[state]) lost.push(`order ${id} was ${state} and is ${now}`)
  }

  const wrong = await db<{ what: string }>`
    select 'stock of ' || sku || ' is ' || on_hand || ', not ' || expected as what from (
      select s.sku, on_hand, initial - coalesce(sum(quantity), 0) as expected
      from stock s left join orders o on o.sku = s.sku and state <> 'cancelled'
      group by s.sku
    ) sums where on_hand <> expected
    union all
    select 'order ' || o.id || ' is ' || state || ', with ' || count(e.id) || ' events'
    from orders o left join events e on (body->>'id')::int = o.id
    group by o.id having count(e.id) <> case state when 'placed' then 1 when 'shipped' then 3 else 2 end
    union all
    select 'event ' || id || ' is for nobody' from events e
    where not exists (select from deliveries where event = e.id)
    union all
    select 'revenue of ' || sku || ' is ' || amount || ', not ' || expected from (
      select body->>'sku' as sku, sum((body->>'total')::int) as expected
      from events join deliveries on event = id
      where handler = 'revenue' and done_at is not null group by 1
    ) paid join revenue using (sku) where amount <> expected`
  lost.push(...wrong.map(({ what }) => what))

  const [events] = await db<Audit['events'] & object>`
    select count(done_at)::int as delivered, count(dead_at)::int as dead,
      (count(*) - count(done_at) - count(dead_at))::int as pending from deliveries`
  return { lost, orders: orders.length, events: events ?? { delivered: 0, dead: 0, pending: 0 } }
}

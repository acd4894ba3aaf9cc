import type { Handler } from '../events/deliveries.js'
import type { Order } from './commands.js'
import { UpstreamError } from './prices.js'

/** Adds up what was paid: in the transaction that notes that it did, so once for each event. */
export const revenue: Handler<Order> = {
  name: 'revenue',
  events: ['paid'],
  async apply({ body }, db) {
    await db`
      insert into revenue (sku, amount) values (${body.sku}, ${body.total})
      on conflict (sku) do update set amount = revenue.amount + excluded.amount`
  },
}

/** Writes to the customer. The other side knows from the key whether it has done so before. */
export function mail(url: string): Handler<Order> {
  return {
    name: 'mail',
    events: ['placed', 'shipped', 'cancelled'],
    async call({ id, type, body }, { signal }) {
      const response = await fetch(`${url}/mails`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': `mail-${id}` },
        body: JSON.stringify({ to: body.customer, about: type, order: body.id }),
        signal,
      })
      if (!response.ok) throw new UpstreamError(response)
    },
  }
}

import type { Command, Work } from '../cqrs/command-bus.js'
import { Refused } from '../errors.js'
import type { Prices } from './prices.js'

export interface Order {
  readonly id: number
  readonly customer: string
  readonly sku: string
  readonly quantity: number
  readonly total: number
  readonly state: 'placed' | 'paid' | 'shipped' | 'cancelled'
}

export interface NewOrder {
  readonly customer: string
  readonly sku: string
  readonly quantity: number
}

export const place = (prices: Prices): Command<NewOrder, Order, number> => ({
  name: 'place',
  prepare: ({ sku }, token) => prices.of(sku, token),
  async handle({ customer, sku, quantity }, { db, emit, touch }, price) {
    const taken = await db`
      update stock set on_hand = on_hand - ${quantity} where sku = ${sku} and on_hand >= ${quantity}`
    if (!taken.count) throw new Refused(409, `Not enough of ${sku}`)
    const [order] = await db<Order>`
      insert into orders (customer, sku, quantity, total)
      values (${customer}, ${sku}, ${quantity}, ${quantity * price})
      returning id, customer, sku, quantity, total, state`
    await emit('placed', order as Order)
    touch('stock')
    return order as Order
  },
})

export const pay = transition('pay', ['placed'], 'paid')
export const ship = transition('ship', ['paid'], 'shipped')
export const cancel = transition(
  'cancel',
  ['placed'],
  'cancelled',
  async ({ sku, quantity }, work) => {
    await work.db`update stock set on_hand = on_hand + ${quantity} where sku = ${sku}`
    work.touch('stock')
  },
)

/** A command that takes an order from one state to the next. */
function transition(
  name: string,
  from: Order['state'][],
  to: Order['state'],
  effect?: (order: Order, work: Work) => Promise<void>,
): Command<{ id: number }, Order> {
  return {
    name,
    async handle({ id }, work) {
      const { db, emit, touch } = work
      const [order] = await db<Order>`
        update orders set state = ${to} where id = ${id} and state in ${db.list(from)}
        returning id, customer, sku, quantity, total, state`
      if (!order) throw await refusal(id, to, work)
      await effect?.(order, work)
      await emit(to, order)
      touch(`order:${id}`)
      return order
    },
  }
}

async function refusal(id: number, to: string, { db }: Work): Promise<Refused> {
  const [order] = await db<Order>`select state from orders where id = ${id}`
  if (!order) return new Refused(404, `There is no order ${id}`)
  return new Refused(409, `Order ${id} is ${order.state}, it cannot be ${to}`)
}

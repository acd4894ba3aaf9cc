import { randomUUID } from 'node:crypto'
import { type Cancellation, CancellationToken, delay } from '@uno-async/core'
import { retryAfter } from '@uno-async/decorators'
import { TaskGroup } from '@uno-async/tasks'
import type { Order } from '../src/orders/commands.js'

/**
 * Customers: each places an order, looks at it, pays or cancels; some leave in the middle of a request, and ask
 * again with the same key. They come until they are stopped, or nobody answers any more.
 */
export class Traffic implements AsyncDisposable {
  readonly told = new Map<number, Order['state']>()
  /** Answers by status; 0 is none. */
  readonly answers = new Map<number, number>()
  readonly #url: () => string
  readonly #leaving: number
  readonly #group = new TaskGroup({ name: 'traffic' })
  #isOpen = true

  /** @param options - `leaving`: which part of the requests is given up half way */
  constructor(url: () => string, options: { leaving?: number } = {}) {
    this.#url = url
    this.#leaving = options.leaving ?? 0.05
  }

  open(customers: number): this {
    const customer = async (token: CancellationToken): Promise<void> => {
      for (let shops = true; shops && this.#isOpen; ) shops = await this.#shop(token)
    }
    for (let i = 0; i < customers; i++) {
      void this.#group.createTask(customer, { name: `customer ${i}` })
    }
    return this
  }

  get count(): number {
    return [...this.answers.values()].reduce((sum, each) => sum + each, 0)
  }

  /** Each finishes what they are about. */
  async close(): Promise<void> {
    this.#isOpen = false
    await this.#group.join()
  }

  /** All leave at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#group.cancel()
  }

  /** Many at once who want what is most work. */
  async burst(size: number, signal: Cancellation): Promise<void> {
    await Promise.all(
      Array.from({ length: size }, () => this.#send('GET', '/report', undefined, signal)),
    )
  }

  /** One order from end to end; false if nobody answers. */
  async #shop(token: CancellationToken): Promise<boolean> {
    await delay(200 * Math.random(), { signal: token })
    const customer = `${Math.random() < 0.03 ? 'nobody' : 'somebody'}@example.com`
    const sku = Math.random() < 0.02 ? 'rare' : `sku-${Math.ceil(20 * Math.random())}`
    const order = { customer, sku, quantity: Math.ceil(3 * Math.random()) }
    const placed = await this.#ask('/orders', order, token)
    if (!placed) return placed === null
    await this.#send('GET', `/orders/${placed.id}`, undefined, token)
    if (Math.random() < 0.2)
      return (await this.#ask(`/orders/${placed.id}/cancel`, {}, token)) !== undefined
    const paid = await this.#ask(`/orders/${placed.id}/pay`, {}, token)
    return paid
      ? (await this.#ask(`/orders/${placed.id}/ship`, {}, token)) !== undefined
      : paid === null
  }

  /** Asks with one key until there is an answer: null if it is no, undefined if nobody answers. */
  async #ask(
    path: string,
    body: object,
    token: CancellationToken,
  ): Promise<Order | null | undefined> {
    const key = randomUUID()
    for (let silence = 0; silence < 3; ) {
      const leaves = Math.random() < this.#leaving
      const signal = leaves
        ? CancellationToken.timeout(20 * Math.random(), { signal: token })
        : token
      const response = await this.#send('POST', path, body, signal, key)
      token.throwIfCancelled()
      if (response?.ok) {
        const order = (await response.json()) as Order
        this.told.set(order.id, order.state)
        return order
      }
      if (response && response.status < 429) return null
      if (!response && !leaves) silence++
      await delay(response ? (retryAfter(response) ?? 50) : 20, { signal: token })
    }
    return undefined
  }

  async #send(
    method: string,
    path: string,
    body: object | undefined,
    signal: Cancellation,
    key?: string,
  ) {
    const response = await fetch(this.#url() + path, {
      method,
      signal: 'signal' in signal ? signal.signal : signal,
      ...(body && { body: JSON.stringify(body) }),
      headers: key ? { 'idempotency-key': key } : {},
    }).catch(() => undefined)
    if (!body) await response?.arrayBuffer().catch(() => {})
    const status = response?.status ?? 0
    this.answers.set(status, (this.answers.get(status) ?? 0) + 1)
    return response
  }
}

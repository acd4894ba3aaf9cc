import { delay } from '@uno-async/core'
import { type Context, Hono } from 'hono'
import { type HttpServer, listen } from './api/server.js'

export type Mood = 'well' | 'slow' | 'failing'

/** Stands in for the servers of others: a flaky one that knows prices, and one that sends mails. */
export class Upstream {
  mood: Mood = 'well'
  /** Of every price. */
  markup = 10
  /** By idempotency key: what was asked for twice was still sent once. */
  readonly mails = new Set<string>()
  #http: HttpServer | undefined

  get url(): string {
    return this.#http?.url ?? ''
  }

  close(): void {
    this.#http?.server.close().closeAllConnections()
  }

  async listen(): Promise<this> {
    const app = new Hono()
    app.use(async (c, next) => {
      const isSlow = this.mood === 'slow' || Math.random() < 0.02
      await delay(isSlow ? 2_000 : 5 + 20 * Math.random(), { signal: c.req.raw.signal })
      if (this.mood === 'failing' || Math.random() < 0.02) return c.json({}, 503)
      return next()
    })
    app.onError((_, c) => c.body(null, 500))
    app.get('/prices/:sku', (c) => {
      const { sku } = c.req.param()
      return /^(sku-\d+|rare)$/.test(sku)
        ? c.json({ price: this.markup + sku.length })
        : c.json({}, 404)
    })
    app.post('/mails', async (c: Context) => {
      const { to } = await c.req.json()
      // Some addresses never work: what is for them ends among the dead letters.
      if (String(to).startsWith('nobody')) return c.json({ error: 'no such mailbox' }, 500)
      this.mails.add(c.req.header('idempotency-key') ?? '')
      return c.json({}, 202)
    })
    this.#http = await listen(app, '127.0.0.1', 0)
    return this
  }
}

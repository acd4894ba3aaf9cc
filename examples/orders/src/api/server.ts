import type { Server } from 'node:http'
import { serve } from '@hono/node-server'
import type { AsyncManager } from '@uno-async/lifecycle'
import { Hono } from 'hono'
import type { Logger } from 'pino'
import type { Snapshot } from '../snapshot.js'
import { dashboard } from './dashboard.js'
import { answer } from './errors.js'
import type { Guard } from './guard.js'
import { type Desk, routes } from './routes.js'

export interface ApiOptions {
  manager: AsyncManager
  guard: Guard
  desk: Desk
  log: Logger
  /** Milliseconds a request may take. */
  deadline: number
  snapshot(): Promise<Snapshot>
}

/** All of HTTP: health first, which no limit keeps out, then the order desk, then the dashboard. */
export function api({ manager, guard, desk, log, deadline, snapshot }: ApiOptions): Hono {
  const app = new Hono()
  app.onError((error, c) => answer(error, c, log))

  const health = manager.healthHandler()
  for (const path of ['/live', '/ready', '/health']) app.get(path, (c) => health(c.req.raw))

  for (const path of ['/orders/*', '/stock/*']) app.use(path, guard.count, guard.admit(deadline))
  app.use('/report', guard.count, guard.admit(2 * deadline))
  app.route('/', routes(desk))
  app.route('/', dashboard(manager, snapshot))
  return app
}

export interface HttpServer {
  readonly server: Server
  readonly url: string
}

export function listen(app: Hono, hostname: string, port: number): Promise<HttpServer> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch: app.fetch, hostname, port }, (address) =>
      resolve({ server, url: `http://${hostname}:${address.port}` }),
    ) as Server
    server.once('error', reject)
  })
}

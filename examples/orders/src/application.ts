import { type AsyncManager, closeServer, type ResourceHandle } from '@uno-async/lifecycle'
import { getTaskManager } from '@uno-async/tasks'
import type { Logger } from 'pino'
import { Guard } from './api/guard.js'
import { api, type HttpServer, listen } from './api/server.js'
import type { Config } from './config.js'
import { CommandBus } from './cqrs/command-bus.js'
import { QueryBus } from './cqrs/query-bus.js'
import { type Database, registerDatabase } from './database/register.js'
import { registerEvents } from './events/register.js'
import { Metrics } from './metrics.js'
import { observe } from './observe.js'
import { expire } from './orders/expire.js'
import { mail, revenue } from './orders/handlers.js'
import { Prices } from './orders/prices.js'
import { connectRedis, type Shared } from './redis.js'
import type { Snapshot } from './snapshot.js'
import { Upstream } from './upstream.js'

export interface Application {
  readonly database: Database
  readonly http: ResourceHandle<HttpServer>
  readonly upstream: ResourceHandle<Upstream>
  readonly metrics: Metrics
}

/**
 * Registers what the service is made of. Each thing names what it stands on: it is started after that and
 * stopped before it.
 */
export function registerOrders(
  manager: AsyncManager,
  config: Config,
  log: Logger,
  lastShutdown?: Snapshot['lastShutdown'],
): Application {
  const metrics = new Metrics()
  const upstreamUrl = () => config.UPSTREAM_URL ?? upstream.value.url

  const upstream = manager.registerResource({
    name: 'upstream',
    start: () => new Upstream().listen(),
    stop: (upstream) => upstream.close(),
  })

  const redis = manager.registerResource<Shared>({
    name: 'redis',
    start: () =>
      config.REDIS_URL
        ? connectRedis(config.REDIS_URL, config.REQUESTS_PER_SECOND, log)
        : { close: async () => {} },
    stop: ({ close }) => close(),
  })

  const database = registerDatabase(manager, config, log)
  const { sessions, locks } = database
  const { outbox, deliveries } = registerEvents(manager, config, log, database, () => [
    revenue,
    mail(upstreamUrl()),
  ])

  const desk = manager.registerResource({
    name: 'desk',
    dependsOn: ['sessions', 'outbox', 'redis', 'upstream', 'locks'],
    start() {
      const queries = new QueryBus(sessions.value, redis.value.cache)
      const commands = new CommandBus({
        sessions: sessions.value,
        outbox: outbox.value,
        onRetry: () => void metrics.requests.retried++,
        onCommit: (tags) => void queries.invalidate(tags).catch((error) => log.warn({ error })),
      })
      void manager.createTask(
        (token) => expire(sessions.value, locks.value.keys, commands, token),
        { name: 'expire', restart: { when: 'always', maxRestarts: Infinity, maxDelay: 5_000 } },
      )
      const prices = new Prices(upstreamUrl(), redis.value.cache)
      return { sessions: sessions.value, queries, commands, prices }
    },
    async stop({ queries, prices }) {
      await Promise.all([queries.close(), prices.cache.close()])
    },
  })

  const http = manager.registerResource({
    name: 'http',
    dependsOn: ['desk', 'events'],
    start() {
      const requests = getTaskManager().createGroup('requests', {
        signal: manager.token,
        cancelOnError: false,
        onTaskError() {}, // the client is told
      })
      const guard = new Guard(config, requests, metrics, redis.value.rates)
      const snapshot = observe({
        instance: config.INSTANCE,
        manager,
        metrics,
        desk: desk.value,
        guard,
        outbox: outbox.value,
        deliveries: deliveries.value.deliveries,
        lastShutdown,
      })
      const app = api({
        manager,
        guard,
        desk: desk.value,
        log,
        deadline: config.DEADLINE,
        snapshot,
      })
      return listen(app, config.HOST, config.PORT)
    },
    drain: ({ server }, { token }) => closeServer(server, { signal: token }),
  })
  return { database, http, upstream, metrics }
}

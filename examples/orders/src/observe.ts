import { AsyncCache } from '@uno-async/cache'
import type { AsyncManager } from '@uno-async/lifecycle'
import { getTaskManager, type TaskNode as Task } from '@uno-async/tasks'
import type { Guard } from './api/guard.js'
import type { Desk } from './api/routes.js'
import type { Deliveries } from './events/deliveries.js'
import type { Outbox } from './events/outbox.js'
import type { Metrics } from './metrics.js'
import { reports } from './orders/queries.js'
import type { Snapshot, TaskNode } from './snapshot.js'

export interface Observed {
  instance: string
  manager: AsyncManager
  metrics: Metrics
  desk: Desk
  guard: Guard
  outbox: Outbox
  deliveries: Deliveries
  lastShutdown: Snapshot['lastShutdown']
}

/** Gives a look at everything. */
export function observe(it: Observed): () => Promise<Snapshot> {
  const { instance, manager, metrics, desk, guard, outbox, deliveries, lastShutdown } = it
  let stats = { pending: 0, dead: 0 }
  const look = async (): Promise<Snapshot> => {
    // The database may be away: then the last known.
    stats = await outbox.stats(manager.token).catch(() => stats)
    const { state, tasks } = manager.inspect()
    const pool = desk.sessions.stats()
    const { rate, limiter } = guard
    return {
      at: Date.now(),
      instance,
      state,
      tasks: {
        name: instance,
        state,
        age: manager.uptime,
        children: [
          ...tasks.map(({ name, state, age }) => ({ name, state, age, children: [] })),
          ...getTaskManager().tree().children.map(plain),
        ],
      },
      pool: {
        size: pool.total,
        idle: pool.idle,
        borrowed: pool.borrowed,
        waiting: pool.waiting,
        max: pool.max,
      },
      limiters: [
        {
          name: rate.name,
          kind: 'rate',
          active: Math.round(rate.inspect().capacity - rate.available),
          waiting: rate.waiting,
          limit: rate.inspect().capacity,
        },
        ...[limiter, reports, desk.prices.limiter].map(({ name, active, waiting, limit }) => ({
          name,
          kind: 'concurrency',
          active,
          waiting,
          limit,
        })),
      ],
      cache: [...desk.queries.stats(), { name: 'prices', ...desk.prices.cache.stats() }].map(
        ({ name, hits, misses, stale, size }) => ({ name, hits, misses, stale, size }),
      ),
      requests: { ...metrics.requests },
      latency: metrics.latency(),
      events: { ...stats, delivered: deliveries.count },
      ...(lastShutdown && { lastShutdown }),
    }
  }
  // However many watch, one looks.
  const cache = new AsyncCache<'now', Snapshot>({ load: look, ttl: 400 })
  return () => cache.get('now')
}

function plain({ name, state, age, children }: Task): TaskNode {
  return { name, state, age, children: children.map(plain) }
}

import type { AsyncManager, ResourceHandle } from '@uno-async/lifecycle'
import type { Logger } from 'pino'
import type { Config } from '../config.js'
import type { Database } from '../database/register.js'
import { bullmqTransport } from './bullmq-transport.js'
import { Deliveries, type Handler } from './deliveries.js'
import { Outbox } from './outbox.js'
import { pgBossTransport } from './pg-boss-transport.js'
import type { Transport } from './transport.js'

export interface Events {
  readonly outbox: ResourceHandle<Outbox>
  readonly deliveries: ResourceHandle<{ readonly deliveries: Deliveries }>
}

/** Registers the way of an event: out of the table by a pump, over a transport, to its handlers. */
export function registerEvents(
  manager: AsyncManager,
  config: Config,
  log: Logger,
  { postgres, sessions }: Database,
  handlers: () => readonly Handler<never>[],
): Events {
  const outbox = manager.registerResource({
    name: 'outbox',
    dependsOn: ['schema', 'upstream'],
    start() {
      const all = handlers()
      const handlersOf = (type: string) =>
        all.filter(({ events }) => events.includes(type)).map(({ name }) => name)
      return new Outbox(sessions.value, handlersOf, config.REDELIVER)
    },
  })

  const transport = manager.registerResource<Transport>({
    name: 'transport',
    dependsOn: ['schema'],
    start: () =>
      config.REDIS_URL
        ? bullmqTransport(config.REDIS_URL, log)
        : pgBossTransport(postgres.value.url, log),
    stop: (transport) => transport.close(),
  })

  const deliveries = manager.registerResource({
    name: 'events',
    dependsOn: ['outbox', 'transport'],
    start() {
      const deliveries = new Deliveries(sessions.value, log, manager.token)
      const restart = { when: 'on-error', maxRestarts: Infinity, maxDelay: 2_000 } as const
      const consumers = handlers().map((handler) =>
        manager.createTask(
          (token) =>
            transport.value.consume(
              handler.name,
              (event) => deliveries.deliver(handler, event),
              token,
            ),
          { name: `consume ${handler.name}`, restart },
        ),
      )
      // A task is a promise: returned from here, the start would wait for its end.
      void manager.createTask((token) => outbox.value.pump(transport.value, token), {
        name: 'pump',
        restart,
      })
      return { deliveries, consumers }
    },
    async drain({ consumers }) {
      for (const consumer of consumers) consumer.cancel()
      await Promise.allSettled(consumers)
    },
  })
  return { outbox, deliveries }
}

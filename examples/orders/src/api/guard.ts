import type { CancellationToken } from '@uno-async/core'
import { Limiter, RateLimiter, type RateLimitStore } from '@uno-async/sync'
import type { TaskGroup } from '@uno-async/tasks'
import type { MiddlewareHandler } from 'hono'
import type { Config } from '../config.js'
import type { Metrics } from '../metrics.js'

export interface Variables {
  Variables: { token: CancellationToken }
}

/**
 * Lets requests in as fast as they can be served, each as a task: its token is cancelled when the client
 * leaves, when the deadline has passed, or when the group is, in the manager's cancel phase.
 */
export class Guard {
  readonly rate: RateLimiter
  readonly limiter: Limiter
  readonly #requests: TaskGroup
  readonly #metrics: Metrics

  constructor(config: Config, requests: TaskGroup, metrics: Metrics, store?: RateLimitStore) {
    const { REQUESTS_PER_SECOND: limit, REQUESTS_AT_ONCE: atOnce } = config
    this.rate = new RateLimiter({ name: 'rate', limit, store, key: 'api' })
    this.limiter = new Limiter(atOnce, { name: 'at once', maxWaiting: 2 * atOnce })
    this.#requests = requests
    this.#metrics = metrics
  }

  /** Outermost: sees what becomes of every request, refused or not. */
  readonly count: MiddlewareHandler = async (c, next) => {
    const end = this.#metrics.begin()
    await next()
    end(c.res.status)
  }

  /** @param deadline - milliseconds the request may take */
  admit(deadline: number): MiddlewareHandler<Variables> {
    return async (c, next) => {
      await this.#requests.createTask(
        async (token) => {
          await this.rate.acquire({ timeout: 0, signal: token })
          c.set('token', token)
          await this.limiter.run(next, { signal: token })
        },
        {
          name: `${c.req.method} ${c.req.path}`,
          signal: c.req.raw.signal,
          timeout: deadline,
        },
      )
    }
  }
}

import { QueueFullError } from '@uno-async/core'
import { limited } from './internal/limited.js'
import { Line, type LineOptions } from './internal/line.js'
import type { LimiterLike, LimiterScope } from './limiter.js'
import type { AsyncDecorator, CommonOptions } from './types.js'

/** How {@link concurrentLimited} limits. */
export interface ConcurrentLimitedOptions extends CommonOptions {
  /** How many may run at once. */
  limit: number
  /** Default `wait`, first come, first served; `reject` with a QueueFullError. */
  whenLimited?: 'wait' | 'reject' | undefined
  /** How many may wait; beyond it calls reject with a QueueFullError; default `Infinity`. */
  maxWaiting?: number | undefined
  /** What shares a limit; default: each instance for methods and fields, the function otherwise. */
  per?: LimiterScope | undefined
}

/**
 * Lets only so many calls run at once; the others wait, first come, first served.
 *
 * Cancelled while it waits, a call rejects at once; cancelled while it runs, the function is told by its token, and keeps
 * its place until it settles. Each function or method that is decorated has a limit of its own: to share one, pass a limiter.
 *
 * @param limiter - how many, options, or a {@link LimiterLike}
 * @throws QueueFullError with code `ERR_QUEUE_FULL`, as rejections; TypeError, RangeError
 * @example
 * ```ts
 * import { delay } from '@uno-async/core'
 * import { concurrentLimited } from '@uno-async/decorators'
 *
 * let running = 0
 * const work = concurrentLimited(2)(async () => {
 *   running++
 *   await delay(5)
 *   return running--
 * })
 * const all = Promise.all([work(), work(), work()])
 * running // 2
 * await all
 * ```
 */
export function concurrentLimited(
  limiter: LimiterLike | number | ConcurrentLimitedOptions,
): AsyncDecorator {
  const options = typeof limiter === 'number' ? { limit: limiter } : limiter
  return limited(options, ({ limit, ...rest }, name) => new Slots(limit, name, rest))
}

class Slots extends Line {
  readonly #limit: number
  #free: number
  // Invariant: nobody waits while a slot is free; it is handed over.

  constructor(limit: number, name: string | undefined, options: LineOptions) {
    super(name, options)
    this.#limit = limit
    this.#free = limit
  }

  get idle(): boolean {
    return this.#free === this.#limit
  }

  take(): boolean {
    return this.#free > 0 && !!this.#free--
  }

  giveBack(): void {
    if (!this.queue.wake()) this.#free++
  }

  refusal(): Error {
    return new QueueFullError(`${this.who} runs ${this.#limit} times already, as often as it may`)
  }
}

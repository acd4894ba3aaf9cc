import {
  badValue,
  CancellationTokenSource,
  checkInteger,
  type Milliseconds,
  RateLimitError,
} from '@uno-async/core'
import { limited } from './internal/limited.js'
import { Line, type LineOptions } from './internal/line.js'
import type { LimiterLike, LimiterScope } from './limiter.js'
import type { AsyncDecorator, CommonOptions } from './types.js'

/** How {@link rateLimited} limits. */
export interface RateLimitedOptions extends CommonOptions {
  /** How many calls come back in `interval`; after a silence `burst` more may begin. */
  limit: number
  /** Default 1000. */
  interval?: Milliseconds | undefined
  /** How many may begin at once after a silence, default `limit`. */
  burst?: number | undefined
  /** Default `wait`, first come, first served; `reject` with a RateLimitError that says when to come back. */
  whenLimited?: 'wait' | 'reject' | undefined
  /** How many may wait; beyond it calls reject with a QueueFullError; default `Infinity`. */
  maxWaiting?: number | undefined
  /** What shares a limit; default: each instance for methods and fields, the function otherwise. */
  per?: LimiterScope | undefined
}

/**
 * Lets only so many calls begin in an interval; the others wait, first come, first served.
 *
 * What was used comes back evenly, one call every `interval / limit`: after a silence an interval may see `burst + limit`.
 * For a strict count pass a RateLimiter of `@uno-async/sync` with `algorithm: 'sliding-window'`. Cancelled while it waits, a
 * call rejects at once and has used nothing. Each function or method that is decorated has a limit of its own: to share one,
 * pass a limiter.
 *
 * @param limiter - options, or a {@link LimiterLike}
 * @throws RateLimitError with code `ERR_RATE_LIMITED`, QueueFullError with code `ERR_QUEUE_FULL`, as rejections; TypeError, RangeError
 * @example
 * ```ts
 * import { rateLimited } from '@uno-async/decorators'
 *
 * const ping = rateLimited({ limit: 1, interval: 50, whenLimited: 'reject' })(async () => 'pong')
 * await ping() // 'pong'
 * await ping().catch(({ code, retryAfter }) => console.log(code, retryAfter)) // ERR_RATE_LIMITED, about 50
 * ```
 */
export function rateLimited(limiter: LimiterLike | RateLimitedOptions): AsyncDecorator {
  return limited(limiter, (options, name) => new Rate(options, name))
}

const LATE = 2 // timers are rounded; after a longer standstill there is no rush

class Rate extends Line {
  readonly #each: Milliseconds // what one call costs
  readonly #credit: Milliseconds // how far beyond now calls may go
  #until = 0 // by `#now`: up to when what may be used is used
  #skew = 0 // timers may be driven without the clock
  #timer: CancellationTokenSource | undefined // for the first in line

  constructor(options: RateLimitedOptions & LineOptions, name: string | undefined) {
    super(name, options)
    const { limit, interval = 1000, burst = limit } = options
    if (typeof interval !== 'number' || !(interval > 0 && interval < Infinity)) {
      throw badValue('interval', 'a finite duration in milliseconds (> 0)', interval)
    }
    this.#each = interval / limit
    this.#credit = this.#each * (checkInteger('burst', burst, 1) - 1)
  }

  get idle(): boolean {
    return !this.queue.size && this.#until <= this.#now
  }

  get #now(): number {
    return performance.now() + this.#skew
  }

  take(): boolean {
    if (this.#wait() > 0) return false
    this.#use()
    return true
  }

  giveBack(): void {}

  refusal(): Error {
    // Those who wait go first.
    const retryAfter = this.#wait() + this.queue.size * this.#each
    const message = `${this.who} was called too often: try again in ${Math.ceil(retryAfter)} ms`
    return new RateLimitError(message, { retryAfter })
  }

  protected override joined(): void {
    if (this.queue.size === 1) this.#serve()
  }

  protected override left(): void {
    if (!this.queue.size) this.#timer?.close()
  }

  #wait(): Milliseconds {
    return Math.max(0, this.#until - this.#credit - this.#now)
  }

  /** @param late - how late it may be without losing anything: who waited goes at its turn, whenever the timer fires */
  #use(late: Milliseconds = 0): void {
    this.#until = Math.max(this.#until, this.#now - late) + this.#each
  }

  #serve(): void {
    while (this.queue.size) {
      const timeout = this.#wait()
      if (timeout > 0) {
        const due = this.#now + timeout
        this.#timer = new CancellationTokenSource({ timeout, ref: true })
        this.#timer.token.onCancelled(() => {
          this.#skew += Math.max(0, due - this.#now)
          this.#serve()
        })
        return
      }
      if (this.queue.wake()) this.#use(LATE)
    }
  }
}

import {
  badValue,
  checkFunction,
  checkMilliseconds,
  type Milliseconds,
  report,
  TimeoutError,
} from '@uno-async/core'
import { checkString } from '../options.js'
import type { RateDecision, RateLimiterOptions, RateLimitStore } from '../rate-limiter-options.js'
import { within } from './run.js'

/** `cause`: the store failed, and that refuses. */
export type StoreDecision = RateDecision & { readonly cause?: unknown }

/** A store that may fail, hang or answer rubbish. */
export class Store {
  readonly #store: RateLimitStore | undefined
  readonly #owner: string
  readonly #key: string
  readonly #timeout: Milliseconds
  readonly #reject: boolean
  readonly #onError: ((error: unknown) => void) | undefined
  #hung: { until: number; error: unknown } | undefined // it did not answer: not asked again before

  constructor(options: RateLimiterOptions, owner: string) {
    const { store, name = '', key = name, storeTimeout = 1_000, storeFailure = 'memory' } = options
    if (store !== undefined && typeof store?.consume !== 'function') {
      throw badValue('store', 'an object with consume()', store, TypeError)
    }
    if (storeFailure !== 'memory' && storeFailure !== 'reject') {
      throw badValue('storeFailure', "'memory' or 'reject'", storeFailure, TypeError)
    }
    this.#store = store
    this.#owner = owner
    this.#key = checkString('key', key)
    this.#timeout = checkMilliseconds('storeTimeout', storeTimeout)
    this.#reject = storeFailure === 'reject'
    this.#onError = options.onStoreError
    if (this.#onError !== undefined) checkFunction('onStoreError', this.#onError)
  }

  /** What it says; undefined if it failed, and memory may do instead. Never rejects. */
  async ask(cost: number, now: number): Promise<StoreDecision | undefined> {
    const hung = this.#hung
    if (hung && now < hung.until) return this.#failed(hung.error)
    this.#hung = undefined
    try {
      // Not cancelled by who asks: what it grants is there for the next.
      return await within(
        this.#timeout,
        `The store of ${this.#owner} did not answer within ${this.#timeout} ms`,
        () => this.#consume(cost),
      )
    } catch (error) {
      if (error instanceof TimeoutError) {
        this.#hung = { until: now + 2 * this.#timeout, error }
      }
      try {
        this.#onError?.(error)
      } catch (mistake) {
        report(mistake)
      }
      return this.#failed(error)
    }
  }

  #failed(cause: unknown): StoreDecision | undefined {
    if (!this.#reject) return undefined
    const retryAfter = this.#timeout < Infinity ? this.#timeout : 1_000
    return { allowed: false, remaining: 0, retryAfter, cause }
  }

  async #consume(cost: number): Promise<StoreDecision> {
    let allowed = true
    let answer: unknown
    try {
      answer = await (this.#store as RateLimitStore).consume(this.#key, cost)
    } catch (refusal) {
      if (refusal instanceof Error) throw refusal
      allowed = false
      answer = refusal
    }
    const { remainingPoints, msBeforeNext } = (answer ?? {}) as Record<string, unknown>
    if (!Number.isFinite(remainingPoints) || !Number.isFinite(msBeforeNext)) {
      throw badValue(
        'store',
        'one whose consume() tells remainingPoints and msBeforeNext',
        answer,
        TypeError,
      )
    }
    const [remaining, wait] = [remainingPoints as number, msBeforeNext as number]
    if (allowed) return { allowed, remaining, retryAfter: 0 }
    // Below 0: it never ends.
    return {
      allowed,
      remaining: Math.max(0, remaining),
      retryAfter: wait < 0 ? Infinity : Math.max(1, wait),
    }
  }
}

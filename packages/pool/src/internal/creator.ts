import {
  CancellationTokenSource,
  checkMilliseconds,
  delay,
  type Milliseconds,
} from '@uno-async/core'
import type { PoolEvent } from '../types.js'
import { limit } from './limit.js'
import type { Settings } from './options.js'

/** Whom a creator works for. */
export interface Client<T> {
  readonly who: string
  readonly queue: { readonly size: number }
  landed(resource: T, late: boolean, attempt: number): void
  gaveUp(reason: unknown): void
  pump(): void
  checkEmpty(): void
  emit(event: PoolEvent): void
}

/** Creates resources for nobody in particular; while that fails, one at a time, and not too often. */
export class Creator<T> {
  failed = 0 // in all
  lastError: unknown = undefined // undefined once a create went well
  creating = 0 // in time
  gaveUp = false // until somebody asks again
  overran = 0 // too late, and not settled
  #failures = 0 // in a row
  #pausing = false // before a retry
  readonly #options: Settings<T>
  readonly #client: Client<T>
  readonly #stop = new CancellationTokenSource()

  constructor(options: Settings<T>, client: Client<T>) {
    this.#options = options
    this.#client = client
  }

  /** Begins so many creates, or fewer. */
  create(wanted: number): void {
    if (this.#pausing) return
    const room = this.#failures ? 1 - this.creating : wanted
    for (let i = Math.min(wanted, room); i > 0; i--) void this.#create()
  }

  stop(reason: unknown): void {
    this.#stop.cancel(reason)
  }

  async #create(): Promise<void> {
    const { create, createTimeout } = this.#options
    const client = this.#client
    const source = limit(client.who, 'create', createTimeout, {
      signal: this.#stop.token,
      ref: client.queue.size > 0,
    })
    const { token } = source
    const attempt = this.#failures + 1
    const context = {
      token,
      get signal() {
        return token.signal
      },
      attempt,
    }
    let late = false
    this.creating++
    const overrun = token.onCancelled(() => {
      late = true
      this.creating--
      this.overran++
      this.fail(token.error, attempt)
    })
    const settled = (): void => {
      if (late) this.overran--
      else this.creating--
      overrun.dispose()
      source.close()
    }
    try {
      const resource = await token.run(() => create(context))
      settled()
      if (!late) {
        this.gaveUp = false
        this.lastError = undefined
      }
      client.landed(resource, late, attempt)
    } catch (error) {
      settled()
      if (!late) this.fail(error, attempt)
    }
    client.checkEmpty()
    client.pump()
  }

  /** What was created is in use: failures are no longer in a row. */
  proved(): void {
    this.#failures = 0
  }

  fail(error: unknown, attempt: number): void {
    if (this.#stop.token.cancelled) return
    const { retryCreate } = this.#options
    const client = this.#client
    this.failed++
    this.lastError = error
    this.#failures = Math.max(this.#failures, attempt) // those that fail together count once
    let retryIn: Milliseconds | false = false
    let reason = error
    try {
      retryIn = retryCreate ? retryCreate(error, attempt) : false
      if (retryIn !== false) checkMilliseconds('retryCreate', retryIn)
    } catch (thrown) {
      retryIn = false
      reason = thrown
    }
    client.emit({ type: 'create-failed', error, attempt, retryIn })
    if (retryIn === false) {
      this.#failures = 0
      this.gaveUp = true
      client.gaveUp(reason)
    } else if (!this.#pausing) {
      this.#pausing = true
      const go = (): void => {
        this.#pausing = false
        client.pump()
      }
      const unref = !client.queue.size
      delay(retryIn, { signal: this.#stop.token, unref }).then(go, go)
    }
  }
}

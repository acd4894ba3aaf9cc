import {
  type Cancellation,
  CancellationToken,
  CancellationTokenSource,
  ClosedError,
  checkMilliseconds,
  checkOptions,
  type Milliseconds,
} from '@uno-async/core'
import { limit } from './internal/limit.js'
import { checkString } from './internal/options.js'

/** Where a resource is in its life. */
export type ResourceState = 'new' | 'opening' | 'open' | 'closing' | 'closed'

/**
 * A thing with a beginning and an end: a connection, a worker, a file.
 *
 * Calls of `open` while it is opening share one; each may leave it, and when the last one has, it is cancelled. An
 * open that fails is cleaned up after, leaves the resource closed, and may be tried again. `close()` is final. Of an
 * open and a cleanup that both fail, the error of the open counts.
 *
 * @example
 * ```ts
 * import { AsyncResource } from '@uno-async/pool'
 * class Session extends AsyncResource {
 *   protected async initialize() {}
 *   protected async cleanup() {}
 * }
 * const session = await new Session({ name: 'session' }).open({ timeout: 5_000 })
 * await session.close()
 * ```
 */
export abstract class AsyncResource implements AsyncDisposable {
  readonly name: string
  #state: ResourceState = 'new'
  #source: CancellationTokenSource | undefined = undefined // of the open in progress
  #opening: Promise<void> | undefined = undefined
  #callers = 0 // who wait for it
  #closing: Promise<void> | undefined = undefined
  #wreck: { readonly error: unknown } | undefined = undefined // of a cleanup that close() asked for

  /** @throws TypeError */
  constructor(options?: { name?: string | undefined }) {
    const { name = new.target.name } = checkOptions(options)
    checkString('name', name)
    this.name = name
  }

  get state(): ResourceState {
    return this.#state
  }

  /** Makes it usable. Must not wait for `open` or `close` of its own: that never ends. */
  protected abstract initialize(token: CancellationToken): void | PromiseLike<void>
  /** Undoes `initialize`, also one that went only half the way. Must not wait for `open` or `close` either. */
  protected abstract cleanup(reason?: unknown): void | PromiseLike<void>
  /** Is it still usable? For pools. */
  protected validate?(token: CancellationToken): boolean | PromiseLike<boolean>
  /** Makes it as good as new for the next user. For pools. */
  protected reset?(token: CancellationToken): void | PromiseLike<void>

  /**
   * Opens it, or waits for the open in progress; resolves at once if it is open.
   *
   * @param options - `signal`; `timeout`: milliseconds for this call, default `Infinity`
   * @throws what `initialize` throws; ClosedError; what `throwIfCancelled` throws; TypeError, RangeError as rejections
   */
  async open(options?: {
    signal?: Cancellation | undefined
    timeout?: Milliseconds | undefined
  }): Promise<this> {
    const { signal, timeout = Infinity } = checkOptions(options)
    const outer = CancellationToken.from(signal)
    checkMilliseconds('timeout', timeout)
    outer.throwIfCancelled()
    if (timeout === Infinity) return this.#join(outer)
    const source = limit(this.#who, 'open', timeout, { signal: outer, ref: true })
    try {
      return await this.#join(source.token)
    } finally {
      source.close()
    }
  }

  /** Closes it; a close during an open cancels that first. Idempotent; rejects if `cleanup` does. */
  close(reason?: unknown): Promise<void> {
    if (!this.#closing) {
      let begin!: () => void
      // There before it begins: `cleanup` may open or close this, too.
      this.#closing = new Promise((resolve) => {
        begin = () => resolve(this.#close(reason))
      })
      begin()
    }
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #join(token: CancellationToken): Promise<this> {
    // One that everybody has left is undone first. One that close() has ended is the last.
    while (!this.#closing && this.#source?.token.cancelled) {
      await token.race(Promise.allSettled([this.#opening]))
    }
    if (this.#closing !== undefined) throw this.#closedError()
    if (this.#state === 'open') return this
    const opening = this.#opening ?? this.#begin()
    this.#callers++
    try {
      await token.race(opening)
    } finally {
      // The last one who leaves takes it along; who comes now opens anew, after this has been undone.
      if (!--this.#callers && this.#opening === opening) this.#source?.cancel(token.reason)
    }
    return this
  }

  #begin(): Promise<void> {
    let begin!: () => void
    // There before it begins: `initialize` may open or close this, too.
    const opening = new Promise<void>((resolve) => {
      begin = () => resolve(this.#open())
    })
    this.#opening = opening
    begin()
    return opening
  }

  async #open(): Promise<void> {
    const source = new CancellationTokenSource()
    const { token } = source
    this.#source = source
    this.#state = 'opening'
    try {
      await token.run(() => this.initialize(token))
      token.throwIfCancelled()
      this.#state = 'open'
    } catch (error) {
      try {
        await this.cleanup(error)
      } catch (thrown) {
        // For close(). To who opens, what went wrong first is what matters.
        this.#wreck = { error: thrown }
      }
      if (this.#closing !== undefined) throw this.#closedError()
      this.#wreck = undefined
      this.#state = 'closed'
      throw error
    } finally {
      source.close()
      this.#opening = this.#source = undefined
    }
  }

  async #close(reason: unknown): Promise<void> {
    const { state } = this
    const opening = this.#opening
    this.#state = 'closing'
    try {
      if (opening === undefined) {
        if (state === 'open') await this.cleanup(reason)
        return
      }
      this.#source?.cancel(this.#closedError())
      await opening.catch(() => {})
      if (this.#wreck) throw this.#wreck.error
    } finally {
      this.#state = 'closed'
    }
  }

  get #who(): string {
    return `AsyncResource "${this.name}"`
  }

  #closedError(): ClosedError {
    return new ClosedError(`${this.#who} is closed`)
  }
}

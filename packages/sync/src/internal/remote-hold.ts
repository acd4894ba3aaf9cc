import {
  type CancellationToken,
  CancellationTokenSource,
  checkMilliseconds,
  delay,
  type Lease,
  TimeoutError,
  type WaitOptions,
} from '@uno-async/core'
import { LeaseLostError } from '../lease-lost-error.js'
import type { RemoteLease } from '../lock-backend.js'
import { exact } from './messages.js'
import { ignore, soon } from './run.js'

/** The lease of a lock that a server keeps. */
export class RemoteHold implements RemoteLease {
  readonly token: bigint
  readonly released: Promise<void>
  readonly #free: () => Promise<unknown>
  readonly #lost = new CancellationTokenSource()
  readonly #over = new CancellationTokenSource()
  #settle: (done?: Promise<void>) => void = () => {}
  held = true

  /** @param free - tells the server; may fail, it finds out by itself then */
  constructor(token: bigint, free: () => Promise<unknown>) {
    this.token = token
    this.#free = free
    this.released = new Promise((resolve) => {
      this.#settle = resolve as () => void
    })
  }

  get signal(): AbortSignal {
    return this.#lost.token.signal
  }

  /** Cancelled when it is held no more, be it given back or lost. */
  get over(): CancellationToken {
    return this.#over.token
  }

  release(): boolean {
    if (!this.#end()) return false
    this.#lost.close()
    this.#settle(this.#free().then(ignore, ignore))
    return true
  }

  lose(message: string, cause?: unknown): void {
    if (!this.#end()) return
    this.#settle()
    this.#lost.cancel(new LeaseLostError(message, { cause }))
  }

  [Symbol.dispose](): void {
    this.release()
  }

  #end(): boolean {
    const { held } = this
    this.held = false
    this.#over.cancel()
    return held
  }
}

/** Tries again and again, a little less often each time, until it gets something. */
export async function poll<T extends Lease>(
  what: string,
  attempt: () => Promise<T | undefined>,
  { signal, timeout = Infinity }: WaitOptions = {},
): Promise<T> {
  checkMilliseconds('timeout', timeout)
  const message = `${what} timed out after ${exact(timeout)}: held by another process`
  const source = new CancellationTokenSource({ signal, timeout: timeout || Infinity, message })
  const { token } = source
  try {
    for (let pause = 5; ; pause = Math.min(pause * 2, 200)) {
      token.throwIfCancelled()
      const lease = await soon(token, attempt())
      if (lease) return lease
      if (!timeout) throw new TimeoutError(message, { timeout, operation: what })
      await delay(pause * (0.5 + Math.random()), { signal: token })
    }
  } finally {
    source.close()
  }
}

import {
  CancellationTokenSource,
  checkMilliseconds,
  type Milliseconds,
  runIn,
} from '@uno-async/core'
import type { Engine } from './engine.js'
import { limit } from './limit.js'

/** Creates resources for nobody in particular; while that fails, one at a time, and not too often. */
export class Creator<T> {
  failed = 0 // in all
  lastError: unknown = undefined // undefined once a create went well
  creating = 0 // in time
  gaveUp = false // until somebody asks again
  overran = 0 // too late, and not settled
  #failures = 0 // in a row
  #retries = 0 // creating after a failure, in time
  #pause: CancellationTokenSource | undefined = undefined // before a retry
  #isKept = false // does that keep the process alive
  readonly #engine: Engine<T>
  readonly #stop = new CancellationTokenSource()

  constructor(engine: Engine<T>) {
    this.#engine = engine
  }

  /** Begins one; false if that has to wait. */
  begin(): boolean {
    const pause = this.#pause
    // Begun for nobody, and now somebody waits for it.
    if (pause && !this.#isKept && this.#engine.isAwaited) this.#wait(pause.token.remaining)
    // One that was begun before the failure may hang: it does not keep the retry from being made.
    if (this.#pause || (this.#failures && this.#retries)) return false
    // In nobody's context: what it makes outlives whoever happened to ask first.
    void runIn(undefined, () => this.#create())
    return true
  }

  stop(reason: unknown): void {
    this.#stop.cancel(reason)
  }

  async #create(): Promise<void> {
    const engine = this.#engine
    const { create, createTimeout } = engine.options
    const source = limit(engine.who, 'create', createTimeout, {
      signal: this.#stop.token,
      ref: engine.isAwaited,
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
    const count = (by: 1 | -1): void => {
      this.creating += by
      if (attempt > 1) this.#retries += by
    }
    count(1)
    const overrun = token.onCancelled(() => {
      late = true
      count(-1)
      this.overran++
      this.fail(token.error, attempt)
    })
    const settled = (): void => {
      if (late) this.overran--
      else count(-1)
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
      engine.landed(resource, late, attempt)
    } catch (error) {
      settled()
      if (!late) this.fail(error, attempt)
    }
    engine.checkEmpty()
    engine.pump()
  }

  /** What was created is in use: failures are no longer in a row. */
  proved(): void {
    this.#failures = 0
  }

  fail(error: unknown, attempt: number): void {
    if (this.#stop.token.cancelled) return
    const engine = this.#engine
    const { retryCreate } = engine.options
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
    engine.emit({ type: 'create-failed', error, attempt, retryIn })
    if (retryIn === false) {
      this.#failures = 0
      this.gaveUp = true
      engine.gaveUp(reason)
    } else if (!this.#pause) this.#wait(retryIn)
  }

  #wait(after: Milliseconds): void {
    const engine = this.#engine
    this.#pause?.close()
    this.#isKept = engine.isAwaited
    // Over in time, or by stop(); never at once, or a create that throws at once would come back here without end.
    this.#pause = new CancellationTokenSource({
      signal: this.#stop.token,
      timeout: Math.max(1, after),
      ref: this.#isKept,
    })
    this.#pause.token.onCancelled(() => {
      this.#pause = undefined
      engine.pump()
    })
  }
}

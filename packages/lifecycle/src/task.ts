import {
  badValue,
  type CancellationToken,
  CancellationTokenSource,
  checkFunction,
  checkInteger,
  checkMilliseconds,
  delay,
} from '@uno-async/core'
import type { ManagedTaskOptions, RestartOptions, TaskState } from './contracts.js'
import { LifecycleError } from './errors.js'
import { checkGiven, checkString, oneOf } from './internal/check.js'
import { runTask } from './internal/flow.js'
import { isObedience, noop } from './internal/limited.js'

/**
 * Background work of an AsyncManager, made by its `createTask`: a promise of the result that need not be
 * waited for. Its rejection is handled.
 */
export class ManagedTask<R> implements Promise<R> {
  readonly name: string
  /** Whether the end of the last such task shuts down. */
  readonly significant: boolean
  readonly #source: CancellationTokenSource
  readonly #promise: Promise<R>
  #state: TaskState = 'running'
  #since: number = performance.now()
  #restarts: number[] = [] // when, within the window
  #restarted = 0 // in all

  /** @internal */
  constructor(
    host: {
      readonly manager: object
      changed(task: ManagedTask<R>, error?: unknown): void
      failed(error: unknown): void
      ended(task: ManagedTask<R>): void
    },
    name: string,
    signal: CancellationToken,
    run: (token: CancellationToken) => R | PromiseLike<R>,
    options: ManagedTaskOptions,
  ) {
    checkOptions(options)
    this.name = name
    this.significant = options.significant ?? false
    this.#source = new CancellationTokenSource({ signal, name })
    this.#promise = this.#loop(host, run, options)
    this.#promise.catch(noop)
  }

  get state(): TaskState {
    return this.#state
  }

  /** It has not ended. */
  get active(): boolean {
    return this.#state === 'running' || this.#state === 'waiting'
  }

  /** How often it was started again. */
  get restarts(): number {
    return this.#restarted
  }

  /** Milliseconds in this state. */
  get age(): number {
    return performance.now() - this.#since
  }

  /** Cancels its token; it ends when it obeys. True for the call that did it. */
  cancel(reason?: unknown): boolean {
    return this.#source.cancel(reason)
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a promise
  then<A = R, B = never>(
    onFulfilled?: ((value: R) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#promise.then(onFulfilled, onRejected)
  }

  catch<B = never>(onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<R | B> {
    return this.#promise.catch(onRejected)
  }

  finally(onFinally?: (() => void) | null): Promise<R> {
    return this.#promise.finally(onFinally)
  }

  get [Symbol.toStringTag](): string {
    return 'ManagedTask'
  }

  async #loop(
    host: ConstructorParameters<typeof ManagedTask<R>>[0],
    run: (token: CancellationToken) => R | PromiseLike<R>,
    { restart }: ManagedTaskOptions,
  ): Promise<R> {
    const { token } = this.#source
    const set = (state: TaskState, error?: unknown): void => {
      this.#state = state
      this.#since = performance.now()
      host.changed(this, error)
    }
    try {
      for (;;) {
        token.throwIfCancelled()
        set('running')
        let failed = true
        let error: unknown
        try {
          const value = await runTask(host.manager, token, run)
          if (token.cancelled || restart?.when !== 'always') {
            set('done')
            return value
          }
          failed = false
        } catch (thrown) {
          if (isObedience(thrown, token)) throw thrown
          error = thrown
        }
        const again = token.cancelled ? undefined : restart
        const wait = again && this.#backOff(again)
        if (wait === undefined) {
          if (!failed) {
            const times = `${this.#restarts.length} restarts`
            error = new LifecycleError(`Task "${this.name}" ended after ${times}`)
          }
          const parked = again?.whenExhausted === 'park'
          set(parked ? 'parked' : 'failed', error)
          if (!parked) host.failed(error)
          throw error
        }
        set('waiting', error)
        await delay(wait, { signal: token })
        this.#restarted++
      }
    } catch (error) {
      // It obeyed, or was cancelled before it began, or while it waited to begin again.
      if (this.active) set('cancelled')
      throw error
    } finally {
      this.#source.close()
      host.ended(this)
    }
  }

  /** How long to wait before the next run; undefined if there were too many. */
  #backOff(options: RestartOptions): number | undefined {
    const { maxRestarts = 5, within = 60_000, baseDelay = 100, maxDelay = 30_000 } = options
    const now = performance.now()
    const ran = now - this.#since
    this.#restarts =
      ran >= (options.healthyAfter ?? within)
        ? []
        : this.#restarts.filter((at) => now - at < within)
    if (this.#restarts.length >= maxRestarts) return undefined
    // Not up to Infinity: 0 times that is no number.
    const full = Math.min(maxDelay, baseDelay * 2 ** Math.min(this.#restarts.length, 1_000))
    this.#restarts.push(now)
    return full * (0.5 + Math.random() / 2)
  }
}

function checkOptions(options: ManagedTaskOptions): void {
  const { onError = 'shutdown', significant, restart } = options
  checkGiven(options, checkString, 'name')
  if (significant !== undefined && typeof significant !== 'boolean') {
    throw badValue('significant', 'a boolean', significant, TypeError)
  }
  if (onError !== 'shutdown' && onError !== 'ignore') checkFunction('onError', onError)
  if (restart === undefined) return
  oneOf('restart.when', restart?.when, ['always', 'on-error'])
  const { maxRestarts = 5, whenExhausted = 'shutdown', ...durations } = restart
  if (maxRestarts !== Infinity) checkInteger('maxRestarts', maxRestarts, 0)
  oneOf('whenExhausted', whenExhausted, ['shutdown', 'park'])
  checkGiven(durations, checkMilliseconds, 'within', 'baseDelay', 'maxDelay', 'healthyAfter')
}

import {
  badValue,
  CancellationToken,
  CancellationTokenSource,
  CancelledError,
  checkMilliseconds,
  currentFrame,
  type Frame,
  runIn,
} from '@uno-async/core'
import { distinct, isEcho } from '../errors.js'
import { checkConcurrency, checkType } from './check.js'
import type { Job } from './job.js'
import { currentPlace, notePath } from './place.js'
import { tell } from './report.js'
import { isThenable } from './thenable.js'

/** Told how tasks end. */
export interface Follower {
  value(index: number, value: unknown): void
  /** Without it a failure ends it all. */
  failure?(index: number, error: unknown): void
  /** Asked before an item is taken: resolves when there is room for what comes of it. */
  room?(): Promise<void>
}

/** Runs a function over items, so many at once, and waits for what is in flight, whatever happens. */
export class Crew {
  readonly #job: Job
  readonly #follower: Follower
  readonly #outside: CancellationToken // what cancels all of it, besides ourselves
  readonly #source: CancellationTokenSource
  readonly #concurrency: number
  readonly #taskTimeout: number
  readonly #frame: Frame // that of the tasks
  readonly #failures: { readonly index: number; readonly error: unknown }[] = []
  #iterator: Iterator<unknown> | AsyncIterator<unknown> | undefined
  #patient: boolean // taking an item must be awaited
  taken = 0 // items, so far
  #running = 0
  #failed = 0
  #pumping = false // items are being taken
  #asking = false // the source has not answered yet
  #over = false // no more items
  #ours = false // the token was cancelled by us, not from outside
  #resolve: (() => void) | undefined
  // Invariant: #running, and one more while an item is awaited, is at most #concurrency

  constructor(job: Job, follower: Follower) {
    const { name, signal, timeout, concurrency = Infinity, taskTimeout = Infinity } = job.options
    checkType('name', name, 'string')
    this.#job = job
    this.#follower = follower
    this.#concurrency = checkConcurrency(concurrency)
    this.#taskTimeout = checkMilliseconds('taskTimeout', taskTimeout)
    this.#patient = follower.room !== undefined
    checkType('onProgress', job.options.onProgress, 'function')
    const parent = CancellationToken.from(signal ?? CancellationToken.current)
    this.#outside =
      timeout === undefined
        ? parent
        : new CancellationTokenSource({ signal: parent, timeout, name, ref: true }).token
    this.#source = new CancellationTokenSource({ signal: this.#outside, name })
    this.#frame = { token: this.token, values: currentFrame()?.values }
  }

  get token(): CancellationToken {
    return this.#source.token
  }

  /** Cancelled, and not by us? */
  get revoked(): boolean {
    return this.token.cancelled && !this.#ours
  }

  /** What stands in the way of a result: failures in the order of the input, else the cancellation from outside. */
  get obstacles(): unknown[] {
    const failures = this.#failures.sort((a, b) => a.index - b.index)
    if (!failures.length && this.revoked) return [this.token.error]
    return distinct(failures.map(({ error }) => error))
  }

  nameOf(index: number): string {
    return this.#job.nameOf?.(index) || `task-${index}`
  }

  /** Nothing starts any more, and what runs is cancelled. */
  stop(reason?: unknown): void {
    if (this.#source.cancel(reason)) this.#ours = true
  }

  /** Resolves when nothing is in flight any more; what failed is among the obstacles. */
  async work(): Promise<void> {
    const items = this.#job.items as Partial<Iterable<unknown> & AsyncIterable<unknown>>
    await new Promise<void>((resolve) => {
      this.#resolve = resolve
      try {
        if (!this.token.cancelled) {
          this.#iterator = items[Symbol.asyncIterator]?.()
          if (this.#iterator) this.#patient = true
          else this.#iterator = items[Symbol.iterator]?.()
        }
      } catch (error) {
        this.#break(error)
      }
      this.#pump()
    })
    await this.#leave()
    this.#source.close()
  }

  /** Takes and starts items while there is room; in a loop, since a task may end while it starts. */
  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    while (!this.#over && this.#running < this.#concurrency && !this.token.cancelled) {
      if (this.#patient) return void this.#take()
      try {
        this.#start(this.#iterator?.next() as IteratorResult<unknown>)
      } catch (error) {
        this.#break(error)
      }
    }
    this.#pumping = false
    this.#checkAll()
    if (!this.#running) this.#resolve?.()
  }

  /** Once every result is there, cancelling comes too late to take them away; a reader still needs to be stopped. */
  #checkAll(): void {
    if (!this.#over || this.#running || this.#follower.room) return
    // one that no task looks at learns of its deadline by being asked
    if (!this.token.cancelled) this.#source.close()
  }

  /** Takes an item that must be awaited. */
  async #take(): Promise<void> {
    const { token } = this
    try {
      await this.#follower.room?.()
      if (!token.cancelled) {
        const step = this.#iterator?.next() as IteratorResult<unknown>
        // a source that never answers must not keep a cancelled call
        this.#asking = true
        const answer = isThenable(step) ? await token.race(step) : step
        this.#asking = false
        this.#start(answer as IteratorResult<unknown>)
      }
    } catch (error) {
      this.#break(error)
    }
    this.#pumping = false
    this.#pump()
  }

  #start(step: IteratorResult<unknown>): void {
    const { token } = this
    if (token.cancelled) return
    if (Object(step) !== step) throw badValue('next()', 'an iterator result', step, TypeError)
    const { done, value: item } = step
    if (done) {
      this.#over = true
      return
    }
    const index = this.taken++
    const timeout = this.#taskTimeout
    const own =
      timeout < Infinity
        ? new CancellationTokenSource({
            signal: token,
            timeout,
            name: this.nameOf(index),
            ref: true,
          })
        : undefined
    let value: unknown
    let failed = false
    this.#running++
    try {
      value = this.#call(item, own?.token ?? token, index)
      if (isThenable(value)) return this.#follow(value, index, own)
    } catch (error) {
      value = error
      failed = true
    }
    this.#end(index, own, value, failed)
  }

  // Functions hold on to all that is captured in the same scope: a hundred thousand at once should hold little.
  #call(item: unknown, token: CancellationToken, index: number): unknown {
    const { run } = this.#job
    const frame = this.#frame
    return runIn(token === frame.token ? frame : { ...frame, token }, () =>
      run(item as never, token, index),
    )
  }

  #follow(value: PromiseLike<unknown>, index: number, own?: CancellationTokenSource): void {
    Promise.resolve(value).then(
      (value) => this.#end(index, own, value, false),
      (error) => this.#end(index, own, error, true),
    )
  }

  #end(
    index: number,
    own: CancellationTokenSource | undefined,
    value: unknown,
    failed: boolean,
  ): void {
    const { token } = this
    const its = own?.token ?? token
    this.#running--
    if (!failed) this.#follower.value(index, value)
    else if (!isEcho(its, value)) this.#fail(index, value)
    else if (own && !Object.is(its.reason, token.reason)) this.#fail(index, its.error) // its own timeout
    own?.close()
    this.#checkAll()
    if (this.#job.options.onProgress) this.#tellProgress()
    this.#pump()
  }

  #fail(index: number, error: unknown): void {
    const { name } = this.#job.options
    const { failure } = this.#follower
    const label = this.nameOf(index)
    this.#failed++
    notePath(error, currentPlace(this.#frame), name === undefined ? [label] : [name, label])
    if (failure) return failure(index, error)
    this.#failures.push({ index, error })
    this.stop(new CancelledError(`Task "${label}" failed`, { cause: error }))
  }

  /** The source failed, unless that is only the echo of our cancellation. */
  #break(error: unknown): void {
    if (isEcho(this.token, error)) return
    this.#over = true
    this.#failures.push({ index: this.taken, error })
    this.stop(new CancelledError('The source of the items failed', { cause: error }))
  }

  /** Tells the source, if it has more, that we want no more. */
  async #leave(): Promise<void> {
    if (this.#over) return
    try {
      const closing = this.#iterator?.return?.()
      if (!isThenable(closing)) return
      if (this.#asking) closing.then(undefined, () => {})
      // nor must one that never answers to this keep a cancelled call
      else await this.#outside.race(closing)
    } catch (error) {
      if (!isEcho(this.#outside, error)) this.#break(error)
    }
  }

  #tellProgress(): void {
    const { items, options } = this.#job
    // all of it, since the size may be a getter that throws
    tell(() => {
      const { length, size } = items as { length?: number; size?: number }
      options.onProgress?.({
        done: this.taken - this.#running,
        failed: this.#failed,
        running: this.#running,
        total: Array.isArray(items) ? length : typeof size === 'number' ? size : undefined,
      })
    })
  }
}

import {
  CancellationToken,
  CancellationTokenSource,
  CancelledError,
  checkMilliseconds,
} from '@uno-async/core'
import { distinct, isEcho } from '../errors.js'
import { checkConcurrency, checkHook, checkName } from './check.js'
import type { Job } from './job.js'
import { currentPlace, notePath } from './place.js'
import { tell } from './report.js'
import { isThenable } from './thenable.js'

/** Told how tasks end. */
export interface Follower {
  value(index: number, value: unknown): void
  /** Without it, or where it gives false, a failure ends it all. */
  failure?(index: number, error: unknown): boolean
  /** Asked before an item is taken: resolves when there is room for what comes of it. */
  room?(): Promise<void>
}

type Step = IteratorResult<unknown>

/**
 * Runs a function over items, so many at once, and waits for what is in flight, whatever happens.
 *
 * As many loops as may run at once each take the next item. Where that must be awaited, one of them does so at a
 * time: when it has an item, it leaves the post to a new loop, or if all are busy to the first that is done.
 */
export class Crew {
  readonly #job: Job
  readonly #follower: Follower
  readonly #source: CancellationTokenSource
  readonly #concurrency: number
  readonly #taskTimeout: number
  readonly #place = currentPlace()
  readonly #failures: { readonly index: number; readonly error: unknown }[] = []
  #iterator: Iterator<unknown> | AsyncIterator<unknown> | undefined
  #patient: boolean // taking an item must be awaited
  #next = 0 // the index of the next item
  #running = 0
  #done = 0
  #failed = 0
  #loops = 0
  #taking = false // an item, by a loop that awaits it
  #over = false // no more items
  #ours = false // the token was cancelled by us, not from outside
  #broken = false // the source failed, not a task
  #resolve: (() => void) | undefined
  // Invariant: #running, and one more for a loop that is taking, is at most #concurrency

  constructor(job: Job, follower: Follower) {
    const { name, signal, timeout, concurrency = Infinity, taskTimeout = Infinity } = job.options
    checkName(name)
    this.#job = job
    this.#follower = follower
    this.#concurrency = checkConcurrency(concurrency)
    this.#taskTimeout = checkMilliseconds('taskTimeout', taskTimeout)
    this.#patient = follower.room !== undefined
    checkHook('onProgress', job.options.onProgress)
    const parent = CancellationToken.from(signal ?? CancellationToken.current)
    this.#source = new CancellationTokenSource({ signal: parent, timeout, name })
  }

  get token(): CancellationToken {
    return this.#source.token
  }

  /** How many items were taken. */
  get taken(): number {
    return this.#next
  }

  /** Cancelled, and not by us? */
  get revoked(): boolean {
    return this.token.cancelled && !this.#ours
  }

  /** What the tasks themselves cannot be blamed for: the source, or a cancellation from outside. */
  get broken(): boolean {
    return this.#broken || this.revoked
  }

  /** What stands in the way of a result: failures in the order of the input, else the cancellation from outside. */
  get obstacles(): unknown[] {
    const failures = this.#failures.sort((a, b) => a.index - b.index)
    if (!failures.length && this.revoked) return [this.token.error]
    return distinct(failures.map(({ error }) => error))
  }

  nameOf(index: number): string {
    return this.#job.names?.[index] ?? `task-${index}`
  }

  /** Nothing starts any more, and what runs is cancelled. */
  stop(reason?: unknown): void {
    if (this.#source.cancel(reason)) this.#ours = true
  }

  /** Resolves when nothing is in flight any more; what failed is among the obstacles. */
  async work(): Promise<void> {
    const { token } = this
    try {
      if (!token.cancelled) this.#open()
    } catch (error) {
      this.#break(error)
    }
    while (
      !this.#over &&
      !token.cancelled &&
      this.#loops < (this.#patient ? 1 : this.#concurrency)
    ) {
      void this.#loop()
    }
    if (this.#loops) {
      await new Promise<void>((resolve) => {
        this.#resolve = resolve
      })
    }
    await this.#leave()
    this.#source.close()
  }

  #open(): void {
    const items = this.#job.items as Partial<Iterable<unknown> & AsyncIterable<unknown>>
    if (Array.isArray(items)) return
    this.#iterator = items[Symbol.asyncIterator]?.()
    if (this.#iterator) this.#patient = true
    else this.#iterator = items[Symbol.iterator]?.()
  }

  async #loop(): Promise<void> {
    const { token } = this
    const { items, run } = this.#job
    const list = this.#iterator ? undefined : (items as unknown[])
    const taskTimeout = this.#taskTimeout
    this.#loops++
    while (!this.#over && !this.#taking && !token.cancelled) {
      let item: unknown
      try {
        const step = this.#patient ? await this.#take() : this.#iterator?.next()
        if (token.cancelled) break
        if (list ? this.#next >= list.length : (step as Step).done) {
          this.#over = true
          break
        }
        item = list ? list[this.#next] : (step as Step).value
      } catch (error) {
        this.#break(error)
        break
      }
      const index = this.#next++
      const own =
        taskTimeout < Infinity
          ? new CancellationTokenSource({
              signal: token,
              timeout: taskTimeout,
              name: this.nameOf(index),
            })
          : undefined
      const its = own?.token ?? token
      let value: unknown
      let failed = false
      this.#running++
      try {
        value = its.run(() => run(item as never, its, index))
        if (isThenable(value)) {
          if (this.#patient && this.#running < this.#concurrency) void this.#loop()
          value = await value
        }
      } catch (error) {
        failed = true
        value = error
      }
      this.#running--
      this.#done++
      if (!failed) this.#follower.value(index, value)
      else if (!isEcho(its, value)) this.#fail(index, value)
      else if (own && its.reason !== token.reason) this.#fail(index, its.error) // its own timeout
      own?.close()
      if (this.#job.options.onProgress) this.#tellProgress()
    }
    if (!--this.#loops) this.#resolve?.()
  }

  /** The next item, where it must be awaited; undefined for that of an array. */
  async #take(): Promise<Step | undefined> {
    this.#taking = true
    await this.#follower.room?.()
    // a source that never answers must not keep a cancelled call: then we are taking for ever
    const step = this.token.cancelled ? undefined : this.#iterator?.next()
    const answer = isThenable(step) ? await this.token.race(step) : step
    this.#taking = false
    return answer as Step | undefined
  }

  #fail(index: number, error: unknown): void {
    const { name } = this.#job.options
    const label = this.nameOf(index)
    this.#failed++
    notePath(error, this.#place, name === undefined ? [label] : [name, label])
    if (this.#follower.failure?.(index, error)) return
    this.#failures.push({ index, error })
    this.stop(new CancelledError(`Task "${label}" failed`, { cause: error }))
  }

  /** The source failed, unless that is only the echo of our cancellation. */
  #break(error: unknown): void {
    if (isEcho(this.token, error)) return
    this.#over = true
    this.#broken = true
    this.#failures.push({ index: this.#next, error })
    this.stop(new CancelledError('The source of the items failed', { cause: error }))
  }

  /** Tells the source, if it has more, that we want no more. */
  async #leave(): Promise<void> {
    if (this.#over) return
    try {
      const closing = this.#iterator?.return?.()
      if (!this.#taking) await closing
      else if (isThenable(closing)) closing.then(undefined, () => {})
    } catch (error) {
      this.#break(error)
    }
  }

  #tellProgress(): void {
    const { items, options } = this.#job
    const { length, size } = items as { length?: number; size?: number }
    tell(options.onProgress, {
      done: this.#done,
      failed: this.#failed,
      running: this.#running,
      total: Array.isArray(items) ? length : typeof size === 'number' ? size : undefined,
    })
  }
}

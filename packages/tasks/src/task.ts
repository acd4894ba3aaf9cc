import {
  CancellationToken,
  CancellationTokenSource,
  type CancellationTokenSourceOptions,
  checkMilliseconds,
  type Milliseconds,
  type Registration,
} from '@uno-async/core'
import { isEcho } from './errors.js'
import type { TaskGroup } from './group.js'
import { checkFlag, checkName } from './internal/check.js'
import { turnNow } from './internal/clock.js'
import { currentFrame, type Frame } from './internal/frame.js'
import { nextId } from './internal/id.js'
import { inTask, notePath, type Place, valuesIn } from './internal/place.js'
import type { Task, TaskFunction, TaskInfo, TaskOptions, TaskOutcome, TaskState } from './types.js'

export const noop = (): void => {}

/** What tasks of a group have in common. */
export type TaskLink = CancellationTokenSourceOptions & { readonly signal: CancellationToken }

export type Ending = 'fulfilled' | 'rejected' | 'cancelled'

/**
 * What its group knows of a task, and what its owner holds. A link of the group's list while it has not ended,
 * and the frame its function runs in.
 */
export class TaskHandle implements Task<unknown>, Place, Frame {
  readonly id: number = nextId()
  readonly outer: TaskGroup
  /** Where it was created: it runs in the context of that. */
  readonly frame: Frame | undefined = currentFrame()
  readonly timeout: Milliseconds
  readonly service: boolean
  readonly since: number = turnNow()
  readonly givenName: string
  /** How to make its source. */
  readonly link: TaskLink
  run: TaskFunction<unknown> | undefined // until it starts
  free = false // takes no slot
  status: Exclude<TaskState, 'cancelling'> = 'queued'
  stopped = false // by cancel()
  seen = false // somebody will hear of its failure
  abandoned = false
  value: unknown = undefined
  groups: Set<TaskGroup> | undefined = undefined
  next: TaskHandle | undefined = undefined
  prev: TaskHandle | undefined = undefined
  watch: Registration | undefined = undefined
  /** Counts its grace, until it has ended. */
  patience: CancellationTokenSource | undefined = undefined
  due: Milliseconds = Infinity // when its grace is over
  settled: Promise<unknown> | undefined = undefined
  resolve: ((value: unknown) => void) | undefined = undefined
  reject: ((reason: unknown) => void) | undefined = undefined
  ownSource: CancellationTokenSource | undefined = undefined
  ownValues: ReadonlyMap<object, unknown> | undefined = undefined

  constructor(group: TaskGroup, run: TaskFunction<unknown>, options: TaskOptions, link: TaskLink) {
    const { name = run.name, signal, timeout = Infinity, service = false } = options
    checkName(name)
    checkFlag('service', service)
    this.outer = group
    this.timeout = checkMilliseconds('timeout', timeout)
    this.service = service
    this.run = run
    this.givenName = name
    this.link =
      signal === undefined && timeout === Infinity
        ? link
        : {
            signal: signal === undefined ? link.signal : CancellationToken.any(link.signal, signal),
            name: timeout < Infinity ? this.name : undefined,
          }
  }

  get name(): string {
    return this.givenName || `task-${this.id}`
  }

  get label(): string {
    return this.name
  }

  get source(): CancellationTokenSource {
    return (this.ownSource ??= new CancellationTokenSource(this.link))
  }

  get token(): CancellationToken {
    return this.source.token
  }

  get values(): ReadonlyMap<object, unknown> {
    return (this.ownValues ??= valuesIn(this, this.frame))
  }

  get observer(): TaskGroup['observer'] {
    return this.outer.observer
  }

  get state(): TaskState {
    return this.status === 'running' && this.token.cancelled ? 'cancelling' : this.status
  }

  get info(): TaskInfo {
    const { id, name, state, since, outer } = this
    return { id, name, state, age: performance.now() - since, group: outer.name }
  }

  /** Cancelled by its own timeout, not from outside or by hand? */
  get timedOut(): boolean {
    return this.timeout < Infinity && !this.stopped && this.token.reason !== this.link.signal.reason
  }

  get promise(): Promise<unknown> {
    this.see()
    return this.ended()
  }

  // biome-ignore lint/suspicious/noThenProperty: a task can be awaited
  then<A = unknown, B = never>(
    onFulfilled?: ((value: unknown) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.promise.then(onFulfilled, onRejected)
  }

  catch<R>(onRejected: (error: unknown) => R | PromiseLike<R>): Promise<unknown> {
    return this.promise.catch(onRejected)
  }

  finally(onFinally: () => void): Promise<unknown> {
    return this.promise.finally(onFinally)
  }

  async outcome(): Promise<TaskOutcome<unknown>> {
    await this.promise.then(noop, noop)
    return this.ending()
  }

  cancel(reason?: unknown): Promise<void> {
    if (this.live && !this.token.cancelled) {
      this.stopped = true
      this.source.cancel(reason)
      if (!this.watch) this.outer.cancelling(this)
    }
    if (!this.live || inTask((task) => task === this)) return Promise.resolve()
    return this.ended().then(noop, noop)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.cancel()
  }

  /** How it ended. */
  ending(): TaskOutcome<unknown> {
    const { status, value, info: task } = this
    return status === 'fulfilled'
      ? { status, value: value, task }
      : { status: status as 'rejected', reason: value, task }
  }

  /** Somebody will hear of its failure. */
  see(): void {
    this.seen = true
    if (this.outer.forgetful) this.outer.forget(this)
  }

  /** It has really ended. The rejection of a cancelled one is no failure, unless its own timeout is behind it. */
  settle(how: Ending, what: unknown): void {
    let status = how
    let value = what
    if (status === 'rejected' && isEcho(this.token, value)) {
      if (this.timedOut) value = this.token.error
      else status = 'cancelled'
    }
    if (status === 'rejected') notePath(value, this)
    this.status = status
    this.value = value
    this.run = undefined
    this.watch?.dispose()
    this.patience?.close()
    this.ownSource?.close()
    if (status === 'fulfilled') this.resolve?.(value)
    else this.reject?.(value)
    this.resolve = undefined
    this.reject = undefined
  }

  get live(): boolean {
    return this.status === 'queued' || this.status === 'running'
  }

  /** Like `promise`, but nobody has seen its failure by that. */
  ended(): Promise<unknown> {
    if (!this.settled) {
      this.settled = new Promise((resolve, reject) => {
        if (this.live) {
          this.resolve = resolve
          this.reject = reject
        } else if (this.status === 'fulfilled') resolve(this.value)
        else reject(this.value)
      })
      this.settled.catch(noop)
    }
    return this.settled
  }
}

// Callbacks that need no closure a task.
export const cancelling = (_reason: unknown, task: TaskHandle): void => task.outer.cancelling(task)

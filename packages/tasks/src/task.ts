import {
  CancellationToken,
  type CancellationTokenSource,
  checkMilliseconds,
  currentFrame,
  type Frame,
  type Milliseconds,
  type Registration,
  type Values,
} from '@uno-async/core'
import { isEcho } from './errors.js'
import type { TaskGroup } from './group.js'
import { checkType, nameOf } from './internal/check.js'
import { type Turn, thisTurn } from './internal/clock.js'
import { derive, listened, sourceOf } from './internal/derive.js'
import { nextId } from './internal/id.js'
import { inTask, type Place, valuesIn } from './internal/place.js'
import { Sight } from './internal/sight.js'
import type { Task, TaskFunction, TaskInfo, TaskOptions, TaskOutcome, TaskState } from './types.js'

export const noop = (): void => {}

/** What tasks without options of their own have in common. */
export interface Terms {
  /** What can cancel a task besides itself. */
  readonly signal: CancellationToken
  /** The same. */
  readonly parents: readonly CancellationToken[]
  /** Milliseconds it may run. */
  readonly limit: Milliseconds
  readonly service: boolean
  /** Takes no slot. */
  readonly free: boolean
}

/** Of what hangs on this token. */
export const termsOf = (signal: CancellationToken, service: boolean): Terms => ({
  signal,
  parents: [signal],
  limit: Infinity,
  service,
  free: service,
})

export type Ending = 'fulfilled' | 'rejected' | 'cancelled'

/**
 * What its group knows of a task, and what its owner holds. A link of the group's list while it has not ended,
 * and the frame its function runs in.
 */
export class TaskHandle implements Task<unknown>, Place, Frame {
  readonly id: number = nextId()
  readonly outer: TaskGroup
  readonly run: TaskFunction<unknown>
  readonly givenName: string | undefined
  readonly terms: Terms
  readonly since: Turn = thisTurn()
  status: Exclude<TaskState, 'cancelling'> = 'queued'
  stopped = false // by cancel()
  seen = false // somebody will hear of its failure
  abandoned = false
  value: unknown = undefined // in the end; or its error
  groups: Set<TaskGroup> | undefined = undefined
  next: TaskHandle | undefined = undefined
  prev: TaskHandle | undefined = undefined
  watch: Registration | undefined = undefined
  /** Counts its grace, until that is over or it has ended. */
  patience: CancellationTokenSource | undefined = undefined
  // Made when somebody asks
  ownToken: CancellationToken | undefined = undefined
  context: Frame | Values | undefined = currentFrame() // where it was created; then its own values
  settled: Promise<unknown> | undefined = undefined
  tell: (() => void) | undefined = undefined // settles it

  constructor(group: TaskGroup, run: TaskFunction<unknown>, options: TaskOptions, terms: Terms) {
    const { name, signal, timeout = Infinity, service } = options
    checkType('name', name, 'string')
    checkType('service', service, 'boolean')
    checkMilliseconds('timeout', timeout)
    this.outer = group
    this.run = run
    this.givenName = name
    this.terms = terms
    if (signal === undefined && timeout === Infinity) return
    const both = CancellationToken.any(terms.signal, signal)
    this.terms = {
      ...terms,
      signal: both,
      parents: [both],
      limit: timeout,
    }
  }

  get name(): string {
    return (this.givenName ?? nameOf(this.run)) || `task-${this.id}`
  }

  get label(): string {
    return this.name
  }

  get source(): CancellationTokenSource {
    return sourceOf(this.token)
  }

  get token(): CancellationToken {
    if (this.ownToken) return this.ownToken
    const { parents, limit } = this.terms
    return (this.ownToken = derive(parents, limit < Infinity ? this.name : undefined))
  }

  get values(): Values {
    const context = this.context
    if (context && 'key' in context) return context
    return (this.context = valuesIn(this, context))
  }

  get observer(): TaskGroup['observer'] {
    return this.outer.observer
  }

  get state(): TaskState {
    return this.status === 'running' && this.token.cancelled ? 'cancelling' : this.status
  }

  get info(): TaskInfo {
    const { id, name, state, since, outer } = this
    return { id, name, state, age: performance.now() - since.at, group: outer.name }
  }

  /** Cancelled by its own timeout, not from outside or by hand? */
  get timedOut(): boolean {
    const { limit, signal } = this.terms
    return limit < Infinity && !this.stopped && !Object.is(this.token.reason, signal.reason)
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
    const after = this.ended().then(
      async (value) => {
        await onFinally()
        return value
      },
      async (error) => {
        await onFinally()
        promise.handle() // not if onFinally fails: of that the group does not know
        throw error
      },
    )
    const promise = new Sight((resolve) => resolve(after))
    promise.look = () => this.see()
    return promise
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

  /** What it failed with; if it was abandoned, and has not ended, what it was told to end with. */
  get reason(): unknown {
    return this.live ? this.token.error : this.value
  }

  /** How it ended, or was told to. */
  ending(): TaskOutcome<unknown> {
    const { info: task, live, reason, status, timedOut, value } = this
    if (status === 'fulfilled') return { status, value, task }
    const how = live ? (timedOut ? 'rejected' : 'cancelled') : status
    return { status: how as 'rejected', reason, task }
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
    this.status = status
    this.value = value
    this.watch?.dispose()
    this.patience?.close()
    const { ownToken, terms } = this
    if (ownToken && (listened(ownToken) || terms.limit < Infinity)) this.source.close()
    this.tell?.()
  }

  /** Abandoned, it keeps nobody waiting, who could not end either: they are told of its cancellation. */
  leave(): void {
    this.abandoned = true
    this.patience?.close()
    this.tell?.()
  }

  get live(): boolean {
    return this.status === 'queued' || this.status === 'running'
  }

  /** Like `promise`, but nobody has seen its failure by that. */
  ended(): Promise<unknown> {
    if (!this.settled) {
      this.settled = new Promise((resolve, reject) => {
        this.tell = () => {
          if (this.status === 'fulfilled') resolve(this.value)
          else reject(this.reason)
        }
      })
      this.settled.catch(noop)
      if (!this.live || this.abandoned) this.tell?.()
    }
    return this.settled
  }
}

/** A callback that needs no closure a task. */
export const cancelling = (_reason: unknown, task: TaskHandle): void => task.outer.cancelling(task)

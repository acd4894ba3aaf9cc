import {
  badValue,
  type Cancellation,
  CancellationToken,
  CancellationTokenSource,
  CancelledError,
  ClosedError,
  checkFunction,
  checkMilliseconds,
  currentFrame,
  type Frame,
  type Milliseconds,
  type Registration,
  runIn,
  UnoAsyncError,
  type Values,
} from '@uno-async/core'
import { isEcho, throwAll } from './errors.js'
import { checkGroupOptions, checkOptions, type Settings } from './internal/check.js'
import { inTurn, newTurn, type Turn } from './internal/clock.js'
import { Completed } from './internal/completed.js'
import { execute } from './internal/execute.js'
import { Failures } from './internal/failures.js'
import { beginGrace } from './internal/grace.js'
import { nextId } from './internal/id.js'
import { currentPlace, inTask, notePath, type Place, valuesIn } from './internal/place.js'
import { tell } from './internal/report.js'
import { Roster } from './internal/roster.js'
import { startTask } from './internal/start-task.js'
import { isThenable } from './internal/thenable.js'
import { treeOf } from './internal/tree.js'
import { type Ending, TaskHandle, type Terms, termsOf } from './task.js'
import type {
  Task,
  TaskFunction,
  TaskGroupOptions,
  TaskNode,
  TaskOptions,
  TaskOutcome,
} from './types.js'

/**
 * Owns tasks: does not end before they have ended, and the first failure stops the others.
 *
 * That failure cancels `token`, nothing queued starts any more, everybody is waited for, then `join` throws: one
 * failure as it is, several as a TaskGroupError. A task that rejects with its own cancellation has not failed.
 * Cancelled from outside the group rejects with that reason, unless something really failed. A failure nobody
 * awaits never becomes an unhandled rejection: it surfaces at `join`.
 *
 * @example
 * ```ts
 * import { delay } from '@uno-async/core'
 * import { TaskGroup } from '@uno-async/tasks'
 * const sum = await TaskGroup.run(async (group) => {
 *   const one = group.createTask((token) => delay(5, { signal: token }).then(() => 1))
 *   const two = group.createTask(() => 2)
 *   return (await one) + (await two)
 * })
 * sum // 3
 * ```
 */
export class TaskGroup implements AsyncDisposable {
  readonly name: string
  /** @internal */ readonly label: string | undefined
  /** @internal */ readonly outer: Place | undefined
  /** @internal */ groups: Set<TaskGroup> | undefined = undefined
  /** Told of tasks here and below. @internal */ readonly observer: Place['observer']
  /** Drops failures that somebody has seen, and does not keep all others. @internal */ forgetful = false

  readonly #settings: Settings
  readonly #since: Turn = newTurn()
  readonly #frame: Frame | undefined = currentFrame()
  readonly #source: CancellationTokenSource
  readonly #terms: Terms
  #watch: Registration | undefined
  #services: CancellationTokenSource | undefined // apart from ours: they are cancelled last
  readonly #tasks: Roster
  #body: boolean | undefined // the body of run() is running
  #joining: boolean | undefined
  #stopping: boolean | undefined // cancel() was called
  #ours: boolean | undefined // the token was cancelled by us, not from outside
  #closed: boolean | undefined
  #failures: Failures | undefined // made for the first
  #feeds: Set<Completed> | undefined
  // Invariants:
  //   I1  closed: no tasks, and nothing is linked to the parent token
  //   I2  cancelled: nothing is queued

  /**
   * Runs `body` with a group that is the current one there: joins when body returns, cancels and joins when it
   * throws, and gives body's value (undefined, if the group's own `cancel()` woke it).
   *
   * @throws what `join` throws; body's own failure is among it, once
   */
  static async run<R>(
    body: (group: TaskGroup) => R | PromiseLike<R>,
    options?: TaskGroupOptions,
  ): Promise<R> {
    checkFunction('body', body)
    const group = new TaskGroup(options)
    let value: R | undefined
    group.#body = true
    try {
      value = await inTurn(group.#since, () => runIn(group, body, group))
    } catch (error) {
      // woken by the cancellation of its group is no failure of its own
      if (!isEcho(group.token, error)) {
        ;(group.#failures ??= new Failures(false)).addBody(error)
        group.#cancelFor('The body', error)
      }
    }
    group.#body = false
    await group.#end()
    group.#throw()
    return value as R
  }

  /** @throws TypeError, RangeError */
  constructor(options?: TaskGroupOptions)
  /** @internal */
  constructor(options?: TaskGroupOptions, owner?: Place)
  constructor(options?: TaskGroupOptions, owner?: Place) {
    const settings = checkGroupOptions(options)
    const { name, signal, timeout } = settings
    const parent = signal ?? (owner ? undefined : CancellationToken.current)
    this.#settings = settings
    this.#tasks = new Roster(settings.concurrency)
    this.label = name
    this.name = name ?? `group-${nextId()}`
    this.#source = new CancellationTokenSource({
      signal: CancellationToken.from(parent),
      timeout,
      name: this.name,
      ref: true,
    })
    this.outer = owner ?? currentPlace()
    this.observer = this.outer?.observer
    this.#terms = termsOf(this.token, false)
    if (!this.outer) return
    ;(this.outer.groups ??= new Set()).add(this)
    this.#listen()
  }

  /** Cancelled when the group is to stop: pass it on to what the body waits for. */
  get token(): CancellationToken {
    return this.#source.token
  }

  /** @internal */ get values(): Values {
    return valuesIn(this, this.#frame)
  }

  /** `joining` once `join` or the end of `run` waits; `closed` when all has ended. */
  get state(): 'open' | 'joining' | 'cancelling' | 'closed' {
    if (this.#closed) return 'closed'
    if (this.token.cancelled) return 'cancelling'
    return this.#joining ? 'joining' : 'open'
  }

  /** Tasks that have not ended. */
  get size(): number {
    return this.#tasks.size
  }

  /** Real failures so far, in the order in which they happened, each once. */
  get errors(): readonly unknown[] {
    return this.#failures?.errors ?? []
  }

  /**
   * Calls `run` at once, synchronously, in the context of the caller; or queues it, if `concurrency` tasks
   * run already. In a cancelled group the task is born cancelled and `run` is not called.
   *
   * @throws ClosedError (`ERR_CLOSED`) when the group has ended; TypeError, RangeError
   */
  createTask<T>(run: TaskFunction<T>, options?: TaskOptions): Task<T> {
    const task = this.#add(checkFunction('run', run), checkOptions(options))
    if (!this.#tasks.full || task.terms.free || task.terms.signal.cancelled) this.start(task)
    else {
      this.#tasks.queued ??= task
      this.#listen()
    }
    return task as Task<unknown> as Task<T>
  }

  /**
   * Starts a task that says when it is ready: resolves with what it passed to `ready()`, and the task.
   * Rejects if it ends before; its failure is one of the group like any other, before as after.
   */
  startTask<T, R>(
    run: (token: CancellationToken, ready: (value: R) => void) => PromiseLike<T>,
    options?: TaskOptions,
  ): Promise<{ value: Awaited<R>; task: Task<T> }> {
    return startTask(this, run, options)
  }

  /** Awaits a promise that is under way together with the tasks. It takes no slot, and nothing can cancel it. */
  adopt<T>(promise: PromiseLike<T>, options?: { name?: string | undefined }): Task<T> {
    if (!isThenable(promise)) throw badValue('promise', 'a promise', promise, TypeError)
    const { name = '' } = checkOptions(options)
    const task = this.#add(() => promise, { name }, { ...this.#terms, free: true })
    execute(task)
    if (task.state === 'cancelling') this.cancelling(task) // of a token that was cancelled, nobody is told
    return task as Task<unknown> as Task<T>
  }

  /**
   * Waits until a task would start at once: back-pressure for whoever creates many. First come, first served.
   *
   * @throws the cancellation of `signal` or of the group; ClosedError (`ERR_CLOSED`)
   */
  whenSlotFree(options?: { signal?: Cancellation | undefined }): Promise<void> {
    return this.#tasks.whenFree(options, () => this.#checkOpen())
  }

  /** Gives how tasks end, as they end, from now on; until the group is not open and its last task has ended; while a body runs, the last that is no service. */
  completed(): AsyncIterableIterator<TaskOutcome<unknown>> {
    const feed = new Completed((this.#feeds ??= new Set()))
    this.#listen()
    this.#check()
    return feed
  }

  /**
   * Waits for all tasks, then ends the group. While a task still runs, new ones may be added.
   *
   * @param options - `timeout`: milliseconds until this wait, and nothing else, ends with a TimeoutError
   * @throws the only failure as it is, several as a TaskGroupError; else the cancellation, if it came from outside.
   *   A task that would wait for itself so gets an error (after its first `await` with async context enabled)
   */
  async join(options?: { timeout?: Milliseconds | undefined }): Promise<void> {
    const { timeout = Infinity } = checkOptions(options)
    checkMilliseconds('timeout', timeout)
    if (this.#isOwnTask()) {
      throw new UnoAsyncError(`A task of "${this.name}" cannot join it: it would wait for itself`)
    }
    await this.#end(timeout)
    this.#throw()
  }

  /**
   * Cancels all tasks and what is queued: an ordinary end, not an error; the first reason is kept. Resolves when all
   * tasks have ended (not the body); at once if one of the tasks calls it, which after its first `await` is known only
   * with async context enabled. Without it, do not await this in a task: it would wait for itself.
   */
  async cancel(reason?: unknown): Promise<void> {
    this.#stopping = true
    this.#cancel(reason)
    this.#check()
    while (this.#tasks.size && !this.#isOwnTask()) await this.#tasks.whenIdle()
  }

  /** What runs here, as plain data: groups made in the body first, then the tasks, each oldest first. */
  tree(): TaskNode {
    return treeOf(this, this.#since.at)
  }

  /** Cancels what still runs, waits, and throws only failures nobody has seen. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#cancel(undefined)
    await this.#end()
    throwAll(this.takeUnseen(), this.name)
  }

  /** @internal */ takeUnseen(): unknown[] {
    return this.#failures?.take() ?? []
  }

  /** @internal */ forget(task: TaskHandle): void {
    this.#failures?.delete(task)
  }

  /** The tasks that have not ended. @internal */ get handles(): Iterable<TaskHandle> {
    return this.#tasks
  }

  /** Goes on without them. @internal */ abandon(tasks: readonly TaskHandle[]): void {
    for (const task of tasks) {
      if (!task.live) continue
      if (task.timedOut) this.#fail(task) // whatever else it does comes too late
      this.#tasks.remove(task)
      task.leave()
    }
    this.#tasks.drain() // or those who never end would keep what is queued from starting, and the group from ending
    this.#check()
  }

  /** @internal */ start(task: TaskHandle): void {
    const { free, signal } = task.terms
    if (signal.cancelled) return this.finish(task, 'cancelled', signal.error)
    if (!free) this.#tasks.busy++
    execute(task)
  }

  /** A task of ours was cancelled. @internal */ cancelling(task: TaskHandle): void {
    if (task.status === 'queued') return this.finish(task, 'cancelled', task.token.error)
    this.observer?.('cancel', task.info)
    if (this.#settings.grace < Infinity) beginGrace(task, this.#settings)
  }

  #isOwnTask(): boolean {
    return inTask((task) => task.outer === this)
  }

  #checkOpen(): CancellationToken {
    if (this.#closed) throw new ClosedError(`TaskGroup "${this.name}" has ended`)
    return this.token
  }

  #add(run: TaskFunction<unknown>, options: TaskOptions, terms?: Terms): TaskHandle {
    this.#checkOpen()
    terms ??= options.service ? this.#serve() : this.#terms
    const task = new TaskHandle(this, run, options, terms)
    this.#tasks.add(task, !!(options.signal || this.observer || this.#settings.grace < Infinity))
    return task
  }

  /** What service tasks hang on. */
  #serve(): Terms {
    this.#services ??= new CancellationTokenSource({ name: this.name })
    this.#listen()
    return termsOf(this.#services.token, true)
  }

  /** From now on the cancellation of the token means work for the group itself. */
  #listen(): void {
    this.#watch ??= this.token.onCancelled(TaskGroup.#onCancelled, this)
  }

  /** @internal */ finish(task: TaskHandle, how: Ending, what: unknown): void {
    const tasks = this.#tasks
    if (!task.abandoned) tasks.remove(task)
    task.settle(how, what)
    if (this.#feeds) for (const feed of this.#feeds) feed.push(task) // a failure may end them
    if (task.status === 'rejected') this.#fail(task)
    this.observer?.('end', task.info)
    tasks.drain()
    this.#check()
  }

  /** A real failure of a task; one that is abandoned only the hook is told of. */
  #fail(task: TaskHandle): void {
    const { cancelOnError, onTaskError } = this.#settings
    const { abandoned, live, name, reason: error, seen, token } = task
    if (abandoned && error === token.error) return // that it was abandoned with
    notePath(error, task)
    if (!abandoned && (cancelOnError || !onTaskError) && !(this.forgetful && seen)) {
      ;(this.#failures ??= new Failures(this.forgetful)).add(live ? { value: error, seen } : task)
    }
    if (!abandoned && cancelOnError) this.#cancelFor(`Task "${name}"`, error)
    tell(onTaskError, error, task.info)
  }

  #cancelFor(what: string, error: unknown): void {
    this.#cancel(new CancelledError(`${what} of "${this.name}" failed`, { cause: error }))
  }

  #cancel(reason: unknown): void {
    if (this.#source.cancel(reason)) this.#ours = true
  }

  /** Has it come to an end? */
  #check(): void {
    const tasks = this.#tasks
    if (tasks.size > tasks.services) return
    const { cancelled } = this.token
    const ended = this.#joining || cancelled
    const told = this.#joining || this.#stopping || (cancelled && !this.#body)
    if (told) this.#services?.cancel(this.token.reason)
    // the reader may be the body, for which services wait
    if (ended && !(told && tasks.size)) for (const feed of this.#feeds ?? []) feed.end()
    if (tasks.size) return
    if (this.#joining) {
      this.#closed = true
      this.#source.close()
    }
    if (this.#closed || (ended && !this.#failures?.size)) this.outer?.groups?.delete(this)
    this.#tasks.idle()
  }

  #end(timeout?: Milliseconds): Promise<void> | undefined {
    this.#joining = true
    this.#check()
    if (!this.#tasks.size || this.#isOwnTask()) return
    return this.#tasks.whenIdle(timeout, `join of ${this.name}`)
  }

  #throw(): void {
    this.#failures?.throw(this.name)
    if (this.token.cancelled && !this.#ours) throw this.token.error
  }

  static #onCancelled(_reason: unknown, group: TaskGroup): void {
    for (let task = group.#tasks.queued; task; task = group.#tasks.queued) {
      group.finish(task, 'cancelled', task.token.error)
    }
    group.#check()
  }
}

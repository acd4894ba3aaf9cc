import {
  badValue,
  CancellationToken,
  CancellationTokenSource,
  checkFunction,
  checkMilliseconds,
  type Milliseconds,
  type Registration,
  runIn,
  UnoAsyncError,
} from '@uno-async/core'
import { type DumpOptions, dump } from './dump.js'
import { distinct, throwAll } from './errors.js'
import { TaskGroup } from './group.js'
import { checkOptions, checkType } from './internal/check.js'
import { patienceOf } from './internal/grace.js'
import { inTask, type Observer, type Place, slot } from './internal/place.js'
import { tell } from './internal/report.js'
import { treesOf } from './internal/tree.js'
import { noop, type TaskHandle } from './task.js'
import type {
  Task,
  TaskEvent,
  TaskFunction,
  TaskGroupOptions,
  TaskInfo,
  TaskNode,
  TaskOptions,
} from './types.js'

const ROOT = 'root'

/** What a shutdown did. */
export interface ShutdownReport {
  readonly duration: Milliseconds
  /** How many tasks ran, and were cancelled. */
  readonly cancelled: number
  /** Who ignored that for longer than `grace`. */
  readonly abandoned: readonly TaskInfo[]
  /** Failures nobody had seen; of each group that was made for a task, the last 1000. */
  readonly errors: readonly unknown[]
}

/**
 * Owns named groups for the lifetime of a program: tells what runs, and ends it all.
 *
 * A group stays until it was joined or has been cancelled and is empty. Groups made inside of tasks belong to
 * those tasks, and show up below them.
 *
 * @example
 * ```ts
 * import { delay } from '@uno-async/core'
 * import { TaskManager } from '@uno-async/tasks'
 *
 * await using manager = new TaskManager({ name: 'app' })
 * const mail = manager.createGroup('mail', { cancelOnError: false })
 * mail.createTask((token) => delay(10_000, { signal: token }), { name: 'newsletter' })
 * console.log(manager.dump())
 * const { cancelled } = await manager.shutdown({ grace: 1_000 }) // 1
 * ```
 */
export class TaskManager implements AsyncDisposable {
  readonly name: string
  readonly #source: CancellationTokenSource
  readonly #since: number = performance.now()
  readonly #place: Place & { readonly groups: Set<TaskGroup> }
  readonly #listeners = new Set<{ listener: (event: TaskEvent) => void }>()
  #root: TaskGroup | undefined
  #report: Promise<ShutdownReport> | undefined

  /** @param options - `name`: for trees, default `tasks` */
  constructor(options?: { name?: string | undefined }) {
    const { name = 'tasks' } = checkOptions(options)
    checkType('name', name, 'string')
    this.name = name
    this.#source = new CancellationTokenSource({ name })
    const observer: Observer = (type, task) => {
      const listeners = this.#listeners
      for (const it of [...listeners]) if (listeners.has(it)) tell(it.listener, { type, task })
    }
    this.#place = { label: undefined, outer: undefined, observer, groups: new Set() }
  }

  /** Cancelled when shutdown begins. */
  get token(): CancellationToken {
    return this.#source.token
  }

  /** Has `shutdown` begun? */
  get shuttingDown(): boolean {
    return this.token.cancelled
  }

  /** All tasks that have not ended, those in nested groups included. */
  get tasks(): readonly TaskInfo[] {
    return handlesIn(this.#place.groups).map(({ info }) => info)
  }

  /** Makes a group; a name is a label, reusing one is no error. Born cancelled during and after shutdown. */
  createGroup(name: string, options?: TaskGroupOptions): TaskGroup {
    const own = checkOptions(options).signal
    if (typeof name !== 'string') throw badValue('name', 'a string', name, TypeError)
    const signal = this.shuttingDown ? CancellationToken.any(own, this.token) : own
    return new TaskGroup({ ...options, name, signal }, this.#place)
  }

  /** The newest group of that name that is open. */
  getGroup(name: string): TaskGroup | undefined {
    let newest: TaskGroup | undefined
    for (const it of this.#place.groups) if (it.name === name && it.state === 'open') newest = it
    return newest
  }

  /**
   * Creates a task in the named group, which is made if there is none that is open (no task stops another there), else
   * in the root group. Born cancelled during and after shutdown: `run` is not called.
   */
  createTask<T>(
    run: TaskFunction<T>,
    options?: TaskOptions & { group?: string | undefined },
  ): Task<T> {
    const { group = ROOT } = checkOptions(options)
    checkFunction('run', run)
    let owner = group === ROOT ? this.#root : this.getGroup(group)
    if (this.shuttingDown || owner?.state !== 'open') owner = this.#supervisor(group)
    if (group === ROOT) this.#root = owner
    return owner.createTask(run, options)
  }

  /** What runs, as plain data. */
  tree(): TaskNode {
    const { name } = this
    const age = performance.now() - this.#since
    const state = this.shuttingDown ? 'shutting down' : 'running'
    return { name, kind: 'manager', state, age, children: treesOf(this.#place) }
  }

  /** What runs, to read (`text`), to process (`json`) or to draw (`mermaid`); `olderThan` leaves out younger tasks. */
  dump(options?: DumpOptions): string {
    return dump(this.tree(), options)
  }

  /** Listens to what happens to tasks, here and in nested groups. A listener that throws is reported. */
  on(listener: (event: TaskEvent) => void): Registration {
    const entry = { listener: checkFunction('listener', listener) }
    this.#listeners.add(entry)
    const dispose = (): void => void this.#listeners.delete(entry)
    return { dispose, [Symbol.dispose]: dispose }
  }

  /**
   * Cancels and awaits group after group, the newest first. Never rejects for a failure; the same report
   * for whoever asks again.
   *
   * @param options - `grace`: milliseconds a group may take once it is told, default `Infinity`; who runs on after
   *   that is abandoned, and named in the report; whoever awaits it is told of its cancellation. When that time is over
   *   for the first time, all that are left are told at once: so it takes twice as long at most, and once more for
   *   services that wait for who is late. `reason`: for the tasks
   * @throws TypeError, RangeError; an error if without `grace` a task of its own asks, which would wait for itself
   *   (after its first `await` that is known only with async context enabled): the shutdown goes on all the same
   */
  shutdown(options?: {
    reason?: unknown
    grace?: Milliseconds | undefined
  }): Promise<ShutdownReport> {
    try {
      const { reason, grace = Infinity } = checkOptions(options)
      checkMilliseconds('grace', grace)
      if (!this.#report) {
        let begin!: (report: Promise<ShutdownReport>) => void
        // First, since those who are told may ask for it.
        this.#report = new Promise((resolve) => {
          begin = resolve
        })
        // Outside of the task that may have called: it is awaited like all others.
        begin(runIn(undefined, () => this.#end(reason, grace)))
      }
      if (grace < Infinity || !inTask(({ observer }) => observer === this.#place.observer)) {
        return this.#report
      }
      const message = `A task of "${this.name}" cannot await its shutdown: it would wait for itself`
      const refused = Promise.reject(new UnoAsyncError(message))
      refused.catch(noop) // whoever does not await it means no harm
      return refused
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Shuts down; throws the failures nobody has seen, if no `shutdown()` reported them. */
  async [Symbol.asyncDispose](): Promise<void> {
    const reported = this.#report
    const { errors } = await this.shutdown()
    if (!reported) throwAll(errors, this.name)
  }

  #supervisor(name: string): TaskGroup {
    const group = this.createGroup(name, { cancelOnError: false })
    group.forgetful = true
    return group
  }

  async #end(reason: unknown, grace: Milliseconds): Promise<ShutdownReport> {
    const start = performance.now()
    const abandoned: TaskInfo[] = []
    const errors: unknown[] = []
    const { groups, observer } = this.#place
    const ends = new Map<TaskGroup, Promise<void>>() // of those that were told
    let left: TaskGroup[]
    let cancelled = 0
    this.#source.cancel(reason)
    const patience = patienceOf(grace)

    const end = async (group: TaskGroup): Promise<void> => {
      cancelled += handlesIn([group]).length
      let own: CancellationTokenSource | undefined
      const beginGrace = (): void => {
        own = patienceOf(grace)
        own.token.onCancelled(() => {
          const late = [...group.handles].filter(({ token }) => token.cancelled)
          for (const { info } of handlesIn(late)) {
            abandoned.push(info)
            observer?.('straggler', info)
          }
          group.abandon(late)
          if (group.size) beginGrace() // of its services, which were told only now
        })
      }
      beginGrace()
      do await group.cancel(reason)
      while (group.size) // somebody heard of the end of the last task first, and adopted more
      own?.close()
      for (const error of group.takeUnseen()) errors.push(error) // too many to be arguments
      await group[Symbol.asyncDispose]()
    }

    const rest = (): TaskGroup[] => [...groups].filter((it) => !ends.has(it)).reverse()
    // in this very tick: who waits there for somebody that is abandoned now has then not failed, but was cancelled as well
    patience.token.onCancelled(() => {
      for (const group of rest()) ends.set(group, end(group))
    })
    do {
      left = rest()
      for (const group of left) {
        if (!groups.has(group) || ends.has(group)) continue // it has ended meanwhile, or patience has
        const ended = end(group)
        ends.set(group, ended)
        await patience.token.race(ended).catch(noop)
      }
      await Promise.all(ends.values())
    } while (left.length)
    patience.close()
    const duration = performance.now() - start
    return { duration, cancelled, abandoned, errors: distinct(errors) }
  }
}

/**
 * The manager of this runtime, made on first use; copies of this package share it.
 *
 * @example
 * ```ts
 * import { getTaskManager, runTask } from '@uno-async/tasks'
 * void runTask(() => 'done')
 * console.log(getTaskManager().dump())
 * ```
 */
export function getTaskManager(): TaskManager {
  const shared = slot()
  return (shared.manager ??= new TaskManager()) as TaskManager
}

/** The tasks in these groups or among these tasks, and in groups that were made in them, however deep. */
function handlesIn(places: Iterable<TaskGroup | TaskHandle>): TaskHandle[] {
  const found: TaskHandle[] = []
  const line: (TaskGroup | TaskHandle)[] = [...places].reverse()
  for (let at = line.pop(); at; at = line.pop()) {
    if ('handles' in at) for (const task of [...at.handles].reverse()) line.push(task)
    else found.push(at)
    for (const group of [...(at.groups ?? [])].reverse()) line.push(group)
  }
  return found
}

import {
  CancellationToken,
  CancellationTokenSource,
  checkFunction,
  checkMilliseconds,
  delay,
  type Milliseconds,
  type Registration,
} from '@uno-async/core'
import { type DumpOptions, dump } from './dump.js'
import { throwAll } from './errors.js'
import { TaskGroup } from './group.js'
import { checkName, checkOptions } from './internal/check.js'
import { type Observer, type Place, slot } from './internal/place.js'
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
  #stopping = false
  #report: Promise<ShutdownReport> | undefined

  /** @param options - `name`: for trees, default `tasks` */
  constructor(options: { name?: string | undefined } = {}) {
    const { name = 'tasks' } = checkOptions(options)
    checkName(name)
    this.name = name
    this.#source = new CancellationTokenSource({ name })
    const observer: Observer = (type, task) => {
      for (const { listener } of this.#listeners) tell(listener, { type, task })
    }
    this.#place = { label: undefined, outer: undefined, observer, groups: new Set() }
  }

  /** Cancelled when shutdown begins. */
  get token(): CancellationToken {
    return this.#source.token
  }

  get shuttingDown(): boolean {
    return this.#stopping
  }

  /** All tasks that have not ended, those in nested groups included. */
  get tasks(): readonly TaskInfo[] {
    return [...handlesIn(this.#place)].map(({ info }) => info)
  }

  /** Makes a group; a name is a label, reusing one is no error. Born cancelled during and after shutdown. */
  createGroup(name: string, options: TaskGroupOptions = {}): TaskGroup {
    const own = checkOptions(options).signal
    const signal = this.shuttingDown ? CancellationToken.any(own, this.token) : own
    return new TaskGroup({ ...options, name, signal }, this.#place)
  }

  /** The newest group of that name that is open. */
  getGroup(name: string): TaskGroup | undefined {
    return [...this.#place.groups].reverse().find((it) => it.name === name && it.state === 'open')
  }

  /**
   * Creates a task in the named group, which is made if there is none that is open (no task stops another there), else
   * in the root group. Born cancelled during and after shutdown: `run` is not called.
   */
  createTask<T>(
    run: TaskFunction<T>,
    options: TaskOptions & { group?: string | undefined } = {},
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
   * @param options - `grace`: milliseconds for all of it, default `Infinity`; who runs on after that is abandoned,
   *   and named in the report. `reason`: for the tasks
   */
  shutdown(
    options: { reason?: unknown; grace?: Milliseconds | undefined } = {},
  ): Promise<ShutdownReport> {
    const { reason, grace = Infinity } = checkOptions(options)
    checkMilliseconds('grace', grace)
    return (this.#report ??= this.#end(reason, grace))
  }

  /** Shuts down; throws the failures nobody has seen, if no `shutdown()` reported them. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (await this.#report) await this.#report
    else throwAll((await this.shutdown()).errors, this.name)
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
    const ended = new CancellationTokenSource()
    const { groups, observer } = this.#place
    let cancelled = 0
    let late = false
    let giveUp = noop
    this.#stopping = true
    this.#source.cancel(reason)
    delay(grace, { signal: ended.token }).then(() => {
      late = true
      giveUp()
    }, noop)
    for (let group = last(groups); group; group = last(groups)) {
      const current = group
      cancelled += [...handlesOf(current)].length
      giveUp = () => {
        for (const { info } of handlesOf(current)) {
          abandoned.push(info)
          observer?.('straggler', info)
        }
        current.abandon(current.handles)
      }
      const done = current.cancel(reason)
      if (late) await delay(0).then(giveUp)
      await done
      errors.push(...current.takeUnseen())
      await current[Symbol.asyncDispose]()
    }
    ended.cancel(this.token.error)
    return { duration: performance.now() - start, cancelled, abandoned, errors }
  }
}

/** The manager of this runtime, made on first use; copies of this package share it. */
export function getTaskManager(): TaskManager {
  const shared = slot()
  return (shared.manager ??= new TaskManager()) as TaskManager
}

function last<T>(items: Iterable<T>): T | undefined {
  return [...items].at(-1)
}

/** The tasks in these groups, and in those that were made in them. */
function* handlesIn(place: Place): Iterable<TaskHandle> {
  for (const group of place.groups ?? []) yield* handlesOf(group)
}

function* handlesOf(group: TaskGroup): Iterable<TaskHandle> {
  yield* handlesIn(group)
  for (const task of group.handles) {
    yield task
    yield* handlesIn(task)
  }
}

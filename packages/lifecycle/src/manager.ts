import {
  badValue,
  type Cancellation,
  CancellationToken,
  checkFunction,
  checkMilliseconds,
  checkOptions,
  type Milliseconds,
  type Registration,
} from '@uno-async/core'
import type {
  HealthReport,
  HookOptions,
  LifecycleEvent,
  ManagedTaskOptions,
  ManagerOptions,
  ManagerSnapshot,
  ManagerState,
  ResourceHandle,
  ResourceOptions,
  ResourceSpec,
  ShutdownHookOptions,
  ShutdownReason,
  ShutdownReport,
  StartContext,
  StopContext,
} from './contracts.js'
import { LifecycleError, ShutdownError } from './errors.js'
import { answer, runChecks } from './health.js'
import { checkString, oneOf } from './internal/check.js'
import { untilCancelled } from './internal/flow.js'
import { checkGraph } from './internal/graph.js'
import { noop } from './internal/limited.js'
import { addHook, addTo, Registry } from './internal/registry.js'
import { resourceOf } from './internal/resource.js'
import { stops } from './internal/shutdown.js'
import { ManagedTask } from './task.js'

/**
 * Starts what an application is made of in order of dependency, and stops it in reverse, in bounded time: work
 * in flight is drained before anything is cancelled, and everything that did not end is named in a report.
 *
 * A stop goes through phases. **unready**: `ready` turns false. **drain**: nothing new is taken, what is in flight
 * ends. **cancel**: only now `token` is cancelled, and tasks end. **stop**: resources, dependents first.
 * **flush**: logs and telemetry. A step that overruns its budget is left behind and the next one runs; when
 * `shutdownTimeout` is spent the rest are still called once, with a cancelled token, and not waited for.
 *
 * It never exits the process: `runApplication` does.
 *
 * @example
 * ```ts
 * import { AsyncManager } from '@uno-async/lifecycle'
 * const log: string[] = []
 * const manager = new AsyncManager({ name: 'shop', shutdownTimeout: 5_000 })
 * const db = manager.registerResource({
 *   name: 'db',
 *   start: async () => ({ query: (sql: string) => log.push(sql) }),
 *   stop: () => log.push('closed'),
 * })
 * manager.registerResource({
 *   name: 'api',
 *   dependsOn: ['db'],
 *   start: () => db.value.query('SELECT 1'),
 * })
 * await manager.start()
 * const { code, entries } = await manager.shutdown('deploy') // code 0; log: SELECT 1, closed
 * ```
 */
export class AsyncManager implements AsyncDisposable {
  readonly name: string
  #shutdownTimeout!: Milliseconds
  readonly #registry: Registry
  readonly #registration: Registration
  #state: ManagerState = 'idle'
  #since: number | undefined // running since, on the performance.now() scale
  #count = 0 // of what was registered or made without a name
  #error: ShutdownError | undefined // set when a stop begins
  readonly #stopped: Promise<ShutdownReport>
  #tell!: (report: Promise<ShutdownReport>) => void // who waits for #stopped
  // Invariants:
  //   I1  what was started is stopped once, or has been unregistered
  //   I2  `token` is cancelled only after the drain

  /**
   * @param options - `shutdownTimeout`: default 10 000; `startupTimeout`: default `Infinity`; `unreadyDelay`: default 0; `signal`, `drainTimeout`, `name`, `onEvent`
   * @throws TypeError, RangeError
   */
  constructor(options: ManagerOptions = {}) {
    const { name = 'app', signal, shutdownTimeout = 10_000 } = checkOptions(options)
    checkString('name', name)
    this.name = name
    this.shutdownTimeout = shutdownTimeout
    this.#registry = new Registry(this, options)
    this.#stopped = new Promise((resolve) => {
      this.#tell = resolve
    })
    this.#registration = CancellationToken.from(signal).onCancelled((detail) => {
      void this.shutdown({ kind: 'signal', detail } satisfies ShutdownReason)
    })
  }

  /** Covers the whole stop, milliseconds; may be changed until one begins. */
  get shutdownTimeout(): Milliseconds {
    return this.#shutdownTimeout
  }

  set shutdownTimeout(timeout: Milliseconds) {
    this.#shutdownTimeout = checkMilliseconds('shutdownTimeout', timeout)
  }

  get state(): ManagerState {
    return this.#state
  }

  /** For the work of the application; cancelled by a stop, when the drain is over. */
  get token(): CancellationToken {
    return this.#registry.source.token
  }

  /** For load balancers: all is started, and no stop has begun. */
  get ready(): boolean {
    return this.#state === 'running'
  }

  /** For whoever would restart it: true until it is stopped, also while it stops. */
  get live(): boolean {
    return this.#state !== 'stopped' && this.#state !== 'failed'
  }

  /** A stop was asked for. */
  get shuttingDown(): boolean {
    return this.#error !== undefined
  }

  /** Milliseconds since all was started, 0 if it is not. */
  get uptime(): Milliseconds {
    return this.#since === undefined ? 0 : performance.now() - this.#since
  }

  /**
   * Registers something already open, to be closed by its dispose method or `close()`, or a description of how
   * to start and stop it. On a running manager it is started at once.
   *
   * @throws LifecycleError once a stop was asked for, for a name that is taken, and on a running manager for an unknown dependency: then it is still yours; TypeError, RangeError
   */
  registerResource<T>(resource: ResourceSpec<T>, options?: ResourceOptions): ResourceHandle<T>
  registerResource<T extends object>(
    // not a description: they would be taken for something open
    resource: T extends { readonly name: string; start(...args: never[]): unknown } ? never : T,
    options?: ResourceOptions,
  ): ResourceHandle<T>
  registerResource(given: unknown, options: ResourceOptions = {}): ResourceHandle<unknown> {
    const { resources } = this.#registry
    const resource = resourceOf(given, options, ++this.#count)
    const { name } = resource
    this.#assertOpen(`the resource "${name}"`)
    if (resources.has(name)) throw this.#misuse(`has a resource "${name}" already`)
    const late = this.#state !== 'idle'
    if (late) checkGraph(this.name, resources, resource)
    resources.set(name, resource)
    if (late) void this.#registry.start(resource)
    return resource.handle
  }

  /** Takes a resource out without stopping it: it is yours; one that waits to be started never is. False if it is not there, or a stop has begun. */
  unregisterResource(handle: ResourceHandle<unknown> | string): boolean {
    const { resources } = this.#registry
    const name = typeof handle === 'string' ? handle : handle.name
    const resource = resources.get(name)
    const its = resource && (handle === name || handle === resource.handle)
    if (!its || this.shuttingDown) return false
    this.#registry.failures.delete(resource)
    if (resource.state === 'registered')
      resource.reject(this.#misuse(`let go of "${name}" before its start`))
    return resources.delete(name)
  }

  /**
   * Runs background work, to be cancelled and waited for when the application stops. Once a stop was asked
   * for it is not run: the task is cancelled already.
   *
   * @throws TypeError, RangeError
   */
  createTask<R>(
    run: (token: CancellationToken) => R | PromiseLike<R>,
    options: ManagedTaskOptions = {},
  ): ManagedTask<R> {
    checkFunction('run', run)
    const name = checkOptions(options).name ?? (run.name || `task ${++this.#count}`)
    const { tasks } = this.#registry
    const host = {
      manager: this,
      changed: ({ state }: ManagedTask<R>, error?: unknown) =>
        this.#registry.emit({ type: 'task', name, state, error }),
      failed: (error: unknown) => this.#failed(name, error, options.onError),
      ended: (task: ManagedTask<R>) => {
        tasks.delete(task as never)
        if (!task.significant || task.state === 'parked') return
        for (const { significant } of tasks) if (significant) return
        void this.shutdown({ kind: 'tasks-ended', detail: name } satisfies ShutdownReason)
      },
    }
    const token = this.#error ? CancellationToken.cancelled(this.#error) : this.token
    const task = new ManagedTask<R>(host, name, token, run, options)
    if (task.active) tasks.add(task as never)
    return task
  }

  /** Makes the drain wait for work in flight, and gives it back: its failure is yours to see, nothing else tells of it. @throws TypeError */
  track<R>(work: PromiseLike<R>, name = 'work'): Promise<R> {
    if (typeof (work as Partial<PromiseLike<R>> | undefined)?.then !== 'function') {
      throw badValue('work', 'a promise', work, TypeError)
    }
    const all = this.#registry.work
    const promise = Promise.resolve(work)
    const ended = promise.then(noop, noop).then(() => void all.delete(ended))
    all.set(ended, { name, since: performance.now() })
    return promise
  }

  /**
   * Waits until no tracked work is in flight; what comes meanwhile is waited for as well. For runtimes that
   * end when the response is sent: `context.waitUntil(manager.drain())`.
   *
   * @throws what `signal` was cancelled with; TypeError
   */
  async drain(options: { signal?: Cancellation | undefined } = {}): Promise<void> {
    const { work } = this.#registry
    const token = CancellationToken.from(checkOptions(options).signal)
    while (work.size) await token.race(Promise.all(work.keys()))
  }

  /** Runs a hook when all resources are started, those registered first first; one that fails fails the start. @throws TypeError, RangeError; LifecycleError once it is started */
  addStartupHook(
    hook: (context: StartContext) => unknown,
    options: HookOptions = {},
  ): Registration {
    if (this.ready) throw this.#misuse('is started: it takes no more startup hooks')
    this.#assertOpen('a startup hook')
    return addHook(this.#registry.startupHooks, hook, options, 'stop')
  }

  /** Runs a hook when it stops, in its phase, those registered last first. @throws TypeError, RangeError; LifecycleError once a stop was asked for */
  addShutdownHook(
    hook: (context: StopContext) => unknown,
    options: ShutdownHookOptions = {},
  ): Registration {
    const { phase = 'stop' } = checkOptions(options)
    oneOf('phase', phase, ['unready', 'drain', 'stop', 'flush'])
    this.#assertOpen('a shutdown hook')
    return addHook(this.#registry.shutdownHooks, hook, options, phase)
  }

  /** Tells `listener` of everything that happens. @throws TypeError */
  subscribe(listener: (event: LifecycleEvent) => void): Registration {
    checkFunction('listener', listener)
    return addTo(this.#registry.listeners, (event) => listener(event))
  }

  /**
   * Starts all resources, each as soon as what it depends on is started, then runs the startup hooks. If one
   * fails or overruns, the others are cancelled and all is undone, in reverse.
   *
   * @throws LifecycleError if it was started or stopped before, for an unknown dependency and for a cycle, before anything is started; what failed, an AggregateError for two or more; TimeoutError; ShutdownError if it was told to stop
   */
  async start(): Promise<void> {
    this.#assertOpen('a start')
    if (this.#state !== 'idle') throw this.#misuse(`is ${this.#state}: it starts once`)
    const registry = this.#registry
    checkGraph(this.name, registry.resources)
    this.#set('starting')
    try {
      await registry.startAll()
      if (this.#error) throw this.#error
    } catch (error) {
      // A reason without an error would count as a clean one.
      const known = error ?? this.#misuse(`failed to start with ${error}`)
      await this.shutdown({ kind: 'start-failed', error: known } satisfies ShutdownReason)
      if (this.#error?.reason.kind !== 'start-failed') throw this.#error
      const errors = [...new Set(registry.failures.values())]
      if (errors.length < 2) throw error
      throw new AggregateError(
        errors,
        `${errors.length} resources of "${this.name}" failed to start`,
      )
    }
    this.#since = performance.now()
    this.#set('running')
  }

  /**
   * Stops everything, phase by phase, within `shutdownTimeout`; also what was only registered. While it starts,
   * the start is cancelled and undone. The same promise for every caller; never rejects.
   * But a task or a start, which the stop waits for, waits only until it is cancelled (after an `await`: with `enableAsyncContext()`).
   *
   * @param reason - kept in the report; a ShutdownReason is taken as it is
   */
  shutdown(reason?: unknown): Promise<ShutdownReport> {
    if (!this.shuttingDown) {
      const why: ShutdownReason =
        typeof (reason as ShutdownReason | undefined)?.kind === 'string'
          ? (reason as ShutdownReason)
          : { kind: 'requested', detail: reason }
      // First, since whoever is told of the stop may ask for one.
      this.#error = new ShutdownError(`"${this.name}" is shutting down (${why.kind})`, why)
      this.#tell(this.#stop(this.#error))
    }
    return this.waitForShutdown()
  }

  /** Settles with the report of a stop that somebody else asks for; within a task as `shutdown` does. */
  waitForShutdown(): Promise<ShutdownReport> {
    return untilCancelled(this, this.#stopped)
  }

  /**
   * Runs the checks of all that is started, at once.
   *
   * @param options - `timeout`: milliseconds for each, default 5 000; `signal`
   * @throws what `signal` was cancelled with; TypeError, RangeError
   */
  async health(
    options: { signal?: Cancellation | undefined; timeout?: Milliseconds | undefined } = {},
  ): Promise<HealthReport> {
    const checks = await runChecks(this.#registry.resources.values(), options)
    const { state, ready, live } = this
    const good = ready && checks.every(({ outcome }) => outcome === 'ok')
    return { status: good ? 'ok' : 'failing', state, ready, live, checks }
  }

  /** A handler of standard requests: `/live`, `/ready` and `/health`, at the end of whatever path; 200 or 503, with JSON. */
  healthHandler(): (request: Request) => Promise<Response> {
    return (request) => answer(request, this)
  }

  /** What is managed, and how it does: plain data, fresh each time. */
  inspect(): ManagerSnapshot {
    const { name, state, uptime } = this
    const entries = stops.get(this)?.report().entries ?? []
    return { name, state, uptime, ...this.#registry.snapshot(), entries }
  }

  /** Shuts down. @throws what went wrong meanwhile, an AggregateError for two or more; not again what `start` has thrown */
  async [Symbol.asyncDispose](): Promise<void> {
    const { reason, errors } = await this.shutdown()
    const { failures } = this.#registry
    const thrown = reason.kind === 'start-failed' ? [reason.error, ...failures.values()] : []
    const fresh = errors.filter((each) => !thrown.includes(each))
    if (fresh.length > 1) {
      throw new AggregateError(fresh, `${fresh.length} errors while "${this.name}" ran or stopped`)
    }
    if (fresh.length) throw fresh[0]
  }

  async #stop(error: ShutdownError): Promise<ShutdownReport> {
    const report = await this.#registry.stopAll(error, this.ready, (state) => this.#set(state))
    this.#registration.dispose()
    this.#since = undefined
    this.#set(error.reason.kind === 'start-failed' ? 'failed' : 'stopped')
    return report
  }

  #failed(name: string, error: unknown, onError: ManagedTaskOptions['onError']): void {
    if (onError === 'ignore') return
    if (typeof onError === 'function') {
      const worse = (thrown: unknown): void => this.#failed(name, thrown, 'shutdown')
      try {
        Promise.resolve(onError(error) as unknown).catch(worse) // it may be asynchronous
      } catch (thrown) {
        worse(thrown)
      }
      return
    }
    const what = error ?? new LifecycleError(`Task "${name}" failed with ${error}`)
    const stop = stops.get(this)
    if (stop) return void stop.errors.add(what)
    void this.shutdown({ kind: 'task-failed', detail: name, error: what } satisfies ShutdownReason)
  }

  #set(state: ManagerState): void {
    this.#state = state
    this.#registry.emit({ type: 'manager', name: this.name, state })
  }

  #assertOpen(what: string): void {
    if (this.shuttingDown) throw this.#misuse(`is ${this.#state}: it does not take ${what}`)
  }

  #misuse(what: string): LifecycleError {
    return new LifecycleError(`AsyncManager "${this.name}" ${what}`)
  }
}

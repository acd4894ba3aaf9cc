import {
  CancellationToken,
  CancellationTokenSource,
  checkFunction,
  checkMilliseconds,
  checkOptions,
  delay,
  type Milliseconds,
  type Registration,
  report,
  TimeoutError,
} from '@uno-async/core'
import type {
  HookOptions,
  LifecycleEvent,
  ManagerOptions,
  ManagerSnapshot,
  ResourceState,
  ShutdownReport,
  StartContext,
  StopContext,
  StopPhase,
} from '../contracts.js'
import type { ShutdownError } from '../errors.js'
import type { AsyncManager } from '../manager.js'
import type { ManagedTask } from '../task.js'
import { checkGiven, checkString } from './check.js'
import { runTask } from './flow.js'
import { unwind } from './graph.js'
import { ask, isObedience, keepAlive, limited, noop } from './limited.js'
import type { Resource } from './resource.js'
import { Shutdown, stops } from './shutdown.js'

/** Something to run at a point of the start or the stop. */
export interface Hook<C> {
  readonly name: string
  readonly timeout: Milliseconds | undefined
  readonly phase: StopPhase
  readonly run: (context: C) => unknown
}

/** All that is managed, and how to start and stop it. */
export class Registry {
  readonly manager: AsyncManager
  readonly options: ManagerOptions
  readonly resources: Map<string, Resource> = new Map()
  readonly tasks: Set<ManagedTask<unknown>> = new Set()
  readonly work: Map<Promise<unknown>, { name: string; since: number }> = new Map() // in flight
  readonly startupHooks: Set<Hook<StartContext>> = new Set()
  readonly shutdownHooks: Set<Hook<StopContext>> = new Set()
  readonly listeners: Set<(event: LifecycleEvent) => void> = new Set()
  readonly source: CancellationTokenSource = new CancellationTokenSource() // of the manager's token: cancelled in the cancel phase
  readonly failures: Map<object, unknown> = new Map() // of resources and hooks to start, cancellations apart
  #hook: { name: string; running: Promise<void> } | undefined // of the start, while it runs
  #begun = 0 // of starts
  readonly #starting = new CancellationTokenSource() // cancels starts
  readonly #giveUp = new CancellationTokenSource() // ends the wait for those that do not obey

  constructor(manager: AsyncManager, options: ManagerOptions) {
    const { onEvent } = options
    checkGiven(options, checkMilliseconds, 'startupTimeout', 'unreadyDelay', 'drainTimeout')
    if (onEvent !== undefined) this.listeners.add(checkFunction('onEvent', onEvent))
    this.manager = manager
    this.options = options
  }

  emit(event: Omit<LifecycleEvent, 'manager'>): void {
    const full = { ...event, manager: this.manager.name }
    for (const listener of this.listeners) {
      try {
        listener(full)
      } catch (error) {
        report(error)
      }
    }
  }

  /** Starts one, as soon as what it depends on is started; once. */
  start(resource: Resource): Promise<void> {
    if (resource.starting === undefined) {
      this.#begun++
      resource.starting = this.#start(resource)
      resource.starting.catch(noop)
    }
    return resource.starting
  }

  async #start(resource: Resource): Promise<void> {
    const { name, spec, dependsOn } = resource
    const { token } = this.#starting
    const gone = (): boolean => this.resources.get(name) !== resource // it is theirs now
    try {
      const dependencies = dependsOn.map((each) => this.resources.get(each))
      await Promise.all(dependencies.map((each) => each && this.start(each)))
      token.throwIfCancelled()
      if (gone()) return
      this.#set(resource, 'starting')
      const { manager } = this
      resource.value = await this.#limited(
        startOf(name),
        spec.startTimeout,
        (token) => spec.start({ manager, token }),
        (value) => void this.#undo(resource, value),
      )
      this.#set(resource, 'started')
      resource.resolve(resource.value)
    } catch (error) {
      this.#set(resource, 'failed', error)
      resource.reject(error)
      if (gone()) return
      if (!isObedience(error, token)) this.failures.set(resource, error)
      throw error
    }
  }

  /** Runs a part of the start: a stop cancels it, and gives up on it when it does not obey. */
  async #limited<R>(
    operation: string,
    timeout: Milliseconds = Infinity,
    fn: (token: CancellationToken) => R | PromiseLike<R>,
    late?: (value: R) => void,
  ): Promise<R> {
    const end = this.#giveUp.token
    try {
      return await limited(
        new CancellationTokenSource({ timeout, signal: end, name: operation }),
        // Who waits there for the stop, which waits for the start, is known by its flow.
        (token) => runTask(this.manager, CancellationToken.current, () => fn(token)),
        late,
        this.#starting.token,
      )
    } catch (error) {
      if (!end.owns(error)) throw error
      const { timeout } = end.error as TimeoutError
      throw new TimeoutError(undefined, { timeout, operation }) // says which one
    }
  }

  /** Stops what was started after nobody waited any more. */
  async #undo(resource: Resource, value: unknown): Promise<void> {
    const { spec, name } = resource
    const limit = new CancellationTokenSource({
      timeout: spec.stopTimeout ?? this.manager.shutdownTimeout,
      name: `stop of ${name}`,
    })
    const reason = { kind: 'start-failed', detail: name } as const
    resource.value = value // for its flush, if that is still to come
    try {
      await limited(limit, (token) => spec.stop?.(value, { manager: this.manager, reason, token }))
      this.#set(resource, 'stopped')
    } catch (error) {
      stops.get(this.manager)?.errors.add(error)
      this.#set(resource, 'failed', error)
    }
  }

  /** Starts all, and runs the startup hooks. */
  async startAll(): Promise<void> {
    const { manager, options, resources } = this
    const { startupTimeout = Infinity } = options
    const limit = new CancellationTokenSource({ timeout: startupTimeout })
    const done = keepAlive()
    try {
      await limited(limit, async () => {
        await this.#allStarted()
        for (const hook of this.startupHooks) {
          const running = this.#runHook(hook)
          this.#hook = { name: hook.name, running }
          await running
          await this.#allStarted()
        }
      })
    } catch (error) {
      if (!limit.token.owns(error)) throw error
      const waiting = [...resources.values()].filter(({ state }) => state === 'starting')
      const names = waiting.map(({ name }) => `"${name}"`).join(', ')
      const hook = `the hook "${this.#hook?.name}"`
      throw new TimeoutError(
        `"${manager.name}" did not start within ${startupTimeout} ms: waiting for ${names || hook}`,
        { timeout: startupTimeout, operation: startOf(manager.name) },
      )
    } finally {
      done()
    }
  }

  async #runHook(hook: Hook<StartContext>): Promise<void> {
    const { manager } = this
    const { name, timeout, run } = hook
    const { token: signal } = this.#starting
    signal.throwIfCancelled()
    try {
      await this.#limited(`startup hook ${name}`, timeout, (token) => run({ manager, token }))
    } catch (error) {
      if (!isObedience(error, signal)) this.failures.set(hook, error)
      throw error
    } finally {
      this.#hook = undefined
    }
  }

  /** Starts all; what is registered meanwhile belongs to the start. */
  async #allStarted(): Promise<void> {
    for (let seen = -1; seen !== this.#begun; ) {
      seen = this.#begun
      await Promise.all([...this.resources.values()].map((each) => this.start(each)))
    }
  }

  /** All phases of a stop. Never rejects. */
  async stopAll(
    error: ShutdownError,
    wasReady: boolean,
    onState: (state: 'draining' | 'stopping') => void,
  ): Promise<ShutdownReport> {
    const { manager, options, resources } = this
    const { reason } = error
    const shutdown = new Shutdown(manager.name, manager.shutdownTimeout, reason, (entry) =>
      this.emit({ type: 'step', ...entry, state: entry.outcome }),
    )
    stops.set(manager, shutdown)
    onState('draining')
    const context = (token: StopContext['token']): StopContext => ({ manager, reason, token })
    const hooks = async (phase: StopPhase): Promise<void> => {
      for (const hook of [...this.shutdownHooks].reverse()) {
        if (hook.phase !== phase || !this.shutdownHooks.has(hook)) continue
        await shutdown.step(phase, hook.name, hook.timeout, (token) => hook.run(context(token)))
      }
    }
    const each = async (phase: 'drain' | 'stop' | 'flush', state: ResourceState): Promise<void> => {
      const up = [...resources.values()].filter((resource) => resource.state === state)
      await unwind(up, async (resource) => {
        const { spec, name, value } = resource
        const timeout = phase === 'drain' ? spec.drainTimeout : spec.stopTimeout
        if (phase === 'stop') this.#set(resource, 'stopping')
        if (spec[phase]) {
          await shutdown.step(phase, name, timeout, (token) => spec[phase]?.(value, context(token)))
        }
        if (phase === 'stop') this.#set(resource, 'stopped')
      })
    }

    this.#starting.cancel(error)
    this.#giveUp.cancelAfter(shutdown.share)
    const starts = [...resources.values()].map(({ starting }) => starting)
    if (this.#hook) shutdown.watch(this.#hook.name, this.#hook.running)
    await Promise.allSettled([...starts, this.#hook?.running])
    this.#giveUp.close()
    for (const each of resources.values()) each.reject(error) // those that were never started
    // Those of a start that failed are what `start` throws.
    if (reason.kind !== 'start-failed') {
      for (const each of this.failures.values()) shutdown.errors.add(each)
    }

    await hooks('unready')
    const { unreadyDelay = 0, drainTimeout } = options
    if (unreadyDelay && wasReady) {
      await shutdown.step('unready', 'delay', Infinity, (signal) => delay(unreadyDelay, { signal }))
    }
    await hooks('drain')
    await each('drain', 'started')
    if (this.work.size) {
      await shutdown.step('drain', 'work in flight', drainTimeout, (signal) =>
        manager.drain({ signal }),
      )
    }
    onState('stopping')
    this.source.cancel(error)
    await Promise.all([
      ...[...this.tasks].map((task) =>
        shutdown.step('cancel', task.name, undefined, () => task.catch(noop)),
      ),
      ...[...this.work].map(([work, { name }]) =>
        shutdown.step('cancel', name, undefined, () => work),
      ),
    ])
    await hooks('stop')
    await each('stop', 'started')
    for (const resource of resources.values()) {
      const { name, state } = resource
      if (state === 'stopped') continue
      const error = this.failures.get(resource)
      shutdown.add(
        ask(() => (error as TimeoutError | undefined)?.operation === startOf(name), false)
          ? {
              name,
              phase: 'stop',
              duration: (error as TimeoutError).timeout,
              outcome: 'timeout',
              error,
            }
          : { name, phase: 'stop', duration: 0, outcome: 'skipped' },
      )
    }
    await hooks('flush')
    await each('flush', 'stopped')
    return shutdown.close()
  }

  snapshot(): Pick<ManagerSnapshot, 'resources' | 'tasks' | 'tracked'> {
    const now = performance.now()
    const { resources, tasks, work } = this
    return {
      resources: [...resources.values()].map(({ name, state, dependsOn, since }) => ({
        name,
        state,
        dependsOn,
        age: now - since,
      })),
      tasks: [...tasks].map(({ name, state, restarts, age }) => ({ name, state, restarts, age })),
      tracked: [...work.values()].map(({ name, since }) => ({ name, age: now - since })),
    }
  }

  #set(resource: Resource, state: ResourceState, error?: unknown): void {
    resource.state = state
    resource.since = performance.now()
    this.emit({ type: 'resource', name: resource.name, state, error })
  }
}

const startOf = (name: string): string => `start of ${name}`

/** @throws TypeError, RangeError */
export function addHook<C>(
  hooks: Set<Hook<C>>,
  run: (context: C) => unknown,
  options: HookOptions,
  phase: Hook<C>['phase'],
): Registration {
  checkFunction('hook', run)
  const { name = run.name || `hook ${hooks.size + 1}`, timeout } = checkOptions(options)
  checkString('name', name)
  if (timeout !== undefined) checkMilliseconds('timeout', timeout)
  return addTo(hooks, { name, timeout, phase, run })
}

/** Adds to a set; the registration takes it out. */
export function addTo<T>(set: Set<T>, item: T): Registration {
  const dispose = (): void => void set.delete(item)
  set.add(item)
  return { dispose, [Symbol.dispose]: dispose }
}

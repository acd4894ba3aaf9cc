import type { Cancellation, CancellationToken, Milliseconds } from '@uno-async/core'
import type { AsyncManager } from './manager.js'

/** Where an AsyncManager is in its life. `failed`: it was stopped because it could not start. */
export type ManagerState =
  | 'idle'
  | 'starting'
  | 'running'
  | 'draining'
  | 'stopping'
  | 'stopped'
  | 'failed'

/** Where something managed is in its life. */
export type ResourceState =
  | 'registered'
  | 'starting'
  | 'started'
  | 'stopping'
  | 'stopped'
  | 'failed'

/** The phases of a stop, in order. */
export type StopPhase = 'unready' | 'drain' | 'cancel' | 'stop' | 'flush'

/** Why it stops. With an `error` the exit code is 1. */
export interface ShutdownReason {
  /**
   * `requested` by a call of `shutdown`, `signal` of the system or of the `signal` option, `start-failed`, `task-failed`, `tasks-ended` the last
   * significant one, `main-failed`, `main-ended`, `uncaughtException`, `unhandledRejection`, `pagehide` in
   * browsers, `replaced` by a newer run of the same application.
   */
  readonly kind:
    | 'requested'
    | 'signal'
    | 'start-failed'
    | 'task-failed'
    | 'tasks-ended'
    | 'main-failed'
    | 'main-ended'
    | 'uncaughtException'
    | 'unhandledRejection'
    | 'pagehide'
    | 'replaced'
  /** What `shutdown` was given, the name of the signal, or the name of the task. */
  readonly detail?: unknown
  readonly error?: unknown
}

/** What a start is given. */
export interface StartContext {
  readonly manager: AsyncManager
  /** Cancelled when the start takes too long, when another one fails, and when it is told to stop. */
  readonly token: CancellationToken
}

/** What a step of the stop is given. */
export interface StopContext {
  readonly manager: AsyncManager
  readonly reason: ShutdownReason
  /** Cancelled when the budget of this step is spent; outer cancellation does not reach it. */
  readonly token: CancellationToken
}

/** How to start and stop something. */
export interface ResourceSpec<T> {
  name: string
  /** What is started before this and stopped after it. */
  dependsOn?: readonly string[] | undefined
  start(context: StartContext): T | PromiseLike<T>
  /** Takes no new work and waits for what is in flight. Before anything is cancelled or stopped. */
  drain?: ((value: T, context: StopContext) => unknown) | undefined
  stop?: ((value: T, context: StopContext) => unknown) | undefined
  /** Last of all, when everything is stopped: logs and telemetry. */
  flush?: ((value: T, context: StopContext) => unknown) | undefined
  /** For `health()`: fails by throwing, or by giving false. */
  check?: ((value: T, token: CancellationToken) => unknown) | undefined
  /** Default `Infinity`, within the manager's `startupTimeout`. */
  startTimeout?: Milliseconds | undefined
  /** Default half of the time that is left for the whole stop. */
  drainTimeout?: Milliseconds | undefined
  /** Covers stop, and flush; default half of the time that is left for the whole stop. */
  stopTimeout?: Milliseconds | undefined
}

/** What was registered. */
export interface ResourceHandle<T> {
  readonly name: string
  readonly state: ResourceState
  /** What its start gave. @throws LifecycleError before it is started */
  readonly value: T
  /** Settles with the start. A rejection that nobody waits for is handled. */
  readonly ready: Promise<T>
}

/** How to register a resource. */
export interface ResourceOptions {
  /** For `dependsOn`, messages and reports; default: that of a description, else `resource <n>`. */
  name?: string | undefined
  /** What is started before this and stopped after it. */
  dependsOn?: readonly string[] | undefined
}

/** How to run a hook. */
export interface HookOptions {
  /** For messages and reports. */
  name?: string | undefined
  /** Its budget: default half of the time that is left for the whole stop, or `Infinity` for a startup hook. */
  timeout?: Milliseconds | undefined
}

/** How to run a shutdown hook. */
export interface ShutdownHookOptions extends HookOptions {
  /** Default `stop`: before the resources are stopped, when all tasks have ended. */
  phase?: 'unready' | 'drain' | 'stop' | 'flush' | undefined
}

/** When to start a task again. */
export interface RestartOptions {
  when: 'always' | 'on-error'
  /** How often within `within`, default 5; one more and `whenExhausted` decides. */
  maxRestarts?: number | undefined
  /** Default 60 000. */
  within?: Milliseconds | undefined
  /** Before the first restart; doubles with each, and is drawn between half and all of it. Default 100. */
  baseDelay?: Milliseconds | undefined
  /** Default 30 000. */
  maxDelay?: Milliseconds | undefined
  /** A run of so long forgets the restarts before it; default as `within`. */
  healthyAfter?: Milliseconds | undefined
  /** Default `shutdown`, that is what `onError` says; `park` leaves the task failed and the application running. */
  whenExhausted?: 'shutdown' | 'park' | undefined
}

/** How to manage a task. */
export interface ManagedTaskOptions {
  name?: string | undefined
  /** Default `shutdown`. What a function of yours throws shuts down. Cancellations are no errors. */
  onError?: 'shutdown' | 'ignore' | ((error: unknown) => void) | undefined
  /** When the last significant task has ended, the application shuts down. */
  significant?: boolean | undefined
  restart?: RestartOptions | undefined
}

/** One step of a stop. */
export interface ShutdownEntry {
  readonly name: string
  readonly phase: StopPhase
  readonly duration: Milliseconds
  /** `timeout`: overran its own budget. `abandoned`: not waited for, since the total was spent. `skipped`: never got that far. */
  readonly outcome: 'ok' | 'error' | 'timeout' | 'abandoned' | 'skipped'
  readonly error?: unknown
}

/** How a stop went. */
export interface ShutdownReport {
  readonly reason: ShutdownReason
  /** 0 after a clean stop, 1 after a failed start, task or step, a crash or an overrun; 128+n when a second signal forced it. */
  readonly code: number
  readonly duration: Milliseconds
  /** What still holds the event loop, if anything; runApplication fills it in. */
  readonly activeResources?: readonly string[]
  readonly errors: readonly unknown[]
  readonly entries: readonly ShutdownEntry[]
}

/** Something happened. */
export interface LifecycleEvent {
  readonly type: 'manager' | 'resource' | 'task' | 'step'
  /** The manager's name. */
  readonly manager: string
  /** Of what: the manager, the resource, the task, or the step. */
  readonly name: string
  /** Its new state; for a step its outcome. */
  readonly state: string
  readonly phase?: StopPhase
  readonly error?: unknown
}

/** How the checks went. */
export interface HealthReport {
  /** `ok` if it is ready and every check passed. */
  readonly status: 'ok' | 'failing'
  readonly state: ManagerState
  readonly ready: boolean
  readonly live: boolean
  readonly checks: readonly {
    readonly name: string
    readonly outcome: 'ok' | 'error' | 'timeout'
    readonly duration: Milliseconds
    readonly error?: unknown
  }[]
}

/** What is managed, and how it does. Plain data, a fresh object each time. */
export interface ManagerSnapshot {
  readonly name: string
  readonly state: ManagerState
  readonly uptime: Milliseconds
  readonly resources: readonly {
    readonly name: string
    readonly state: ResourceState
    readonly dependsOn: readonly string[]
    /** Milliseconds in this state. */
    readonly age: Milliseconds
  }[]
  readonly tasks: readonly {
    readonly name: string
    readonly state: TaskState
    readonly restarts: number
    readonly age: Milliseconds
  }[]
  /** Work in flight. */
  readonly tracked: readonly { readonly name: string; readonly age: Milliseconds }[]
  /** The steps of the stop so far; those it waits for right now are `abandoned`, as they would be if it ended here. */
  readonly entries: readonly ShutdownEntry[]
}

/** Where a task is in its life. `waiting` to be started again; `parked`: failed too often, and left alone. */
export type TaskState = 'running' | 'waiting' | 'done' | 'failed' | 'cancelled' | 'parked'

/** How to make an AsyncManager. */
export interface ManagerOptions {
  /** For messages and reports, default `app`. */
  name?: string | undefined
  /** Shuts down when it is cancelled. */
  signal?: Cancellation | undefined
  /** Covers the whole start, default `Infinity`. */
  startupTimeout?: Milliseconds | undefined
  /** Covers the whole stop, default 10 000. */
  shutdownTimeout?: Milliseconds | undefined
  /** Between readiness going false and the drain, for load balancers to notice; default 0. */
  unreadyDelay?: Milliseconds | undefined
  /** Covers the wait for tracked work, default half of the time that is left. */
  drainTimeout?: Milliseconds | undefined
  /** Told of everything that happens. What it throws is an uncaught exception, and keeps no step from running. */
  onEvent?: ((event: LifecycleEvent) => void) | undefined
}

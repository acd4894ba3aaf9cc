import type { Cancellation, CancellationToken, Milliseconds } from '@uno-async/core'

/** What a task runs: receives the token that says when to stop. */
export type TaskFunction<T> = (token: CancellationToken) => T | PromiseLike<T>

/** Where a task is in its life; the last three are the end of it. */
export type TaskState = 'queued' | 'running' | 'cancelling' | 'fulfilled' | 'rejected' | 'cancelled'

/** A task as plain data. */
export interface TaskInfo {
  readonly id: number
  readonly name: string
  readonly state: TaskState
  /** Milliseconds since it was created. */
  readonly age: Milliseconds
  /** The name of its group. */
  readonly group: string
}

/** How a task ended. */
export type TaskOutcome<T> =
  | { readonly status: 'fulfilled'; readonly value: T; readonly task: TaskInfo }
  | { readonly status: 'rejected'; readonly reason: unknown; readonly task: TaskInfo }
  | { readonly status: 'cancelled'; readonly reason: unknown; readonly task: TaskInfo }

/** A running piece of work. Awaitable; not a Promise subclass. */
export interface Task<T> extends PromiseLike<T>, AsyncDisposable {
  readonly id: number
  readonly name: string
  readonly state: TaskState
  /** What its function received. */
  readonly token: CancellationToken
  /** Native, and the same each time; its rejection is handled already. */
  readonly promise: Promise<T>
  /**
   * Asks this task alone to stop; one that is queued never starts. Resolves when the task has really ended, or its group
   * has abandoned it; never rejects.
   * Called by the task itself it resolves at once; after its first `await` that is known only with async context
   * enabled. Without it, a task does not await this: it would wait for itself.
   */
  cancel(reason?: unknown): Promise<void>
  /** How it ended, once it has; never rejects. */
  outcome(): Promise<TaskOutcome<T>>
  catch<R>(onRejected: (error: unknown) => R | PromiseLike<R>): Promise<T | R>
  finally(onFinally: () => void): Promise<T>
}

/** How to run a task. */
export interface TaskOptions {
  /** Default: the function's name, else `task-<id>`. */
  name?: string | undefined
  /** Cancels this task only; it is then `cancelled`, which is no failure. */
  signal?: Cancellation | undefined
  /**
   * Milliseconds it may run; then its token is cancelled with a TimeoutError, which is its failure. It is still awaited: one that
   * gives a value all the same has not failed, unless its group has abandoned it by then.
   */
  timeout?: Milliseconds | undefined
  /** Does not keep the group open, takes no slot, and is cancelled last, after body and ordinary tasks. */
  service?: boolean | undefined
}

/** How a group treats its tasks. */
export interface TaskGroupOptions {
  /** For messages, paths and trees; default `group-<id>`. */
  name?: string | undefined
  /** Cancels the group from outside; default `CancellationToken.current`. */
  signal?: Cancellation | undefined
  /** Milliseconds until the group is cancelled with a TimeoutError, with which it then rejects. */
  timeout?: Milliseconds | undefined
  /** Tasks running at once, default `Infinity`; the rest are `queued`, in order. */
  concurrency?: number | undefined
  /** Default true; false makes a supervisor: siblings go on, failures surface at join. */
  cancelOnError?: boolean | undefined
  /** Told of each real failure. In a supervisor it takes them over: they are then neither kept nor thrown. */
  onTaskError?: ((error: unknown, task: TaskInfo) => void) | undefined
  /** Milliseconds a cancelled task may take to end before it counts as a straggler; default: never. */
  grace?: Milliseconds | undefined
  /**
   * Told who ignores its cancellation. `'abandon'` lets the group go on and end without them, as if they took no slot any more;
   * default `'wait'`. Whoever awaits such a task is told of its cancellation, as if it had ended by that; of a failure that
   * comes later only `onTaskError` is.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: a hook may return nothing
  onStraggler?: ((stragglers: readonly TaskInfo[]) => 'wait' | 'abandon' | void) | undefined
}

/** What runs below something, as plain data. */
export interface TaskNode {
  readonly name: string
  readonly kind: 'manager' | 'group' | 'task'
  readonly state: string
  readonly age: Milliseconds
  readonly children: readonly TaskNode[]
}

/** What happens to a task of a manager. */
export interface TaskEvent {
  readonly type: 'start' | 'end' | 'cancel' | 'straggler'
  readonly task: TaskInfo
}

/** What to do with each item. */
export type Work<I, R> = (item: I, token: CancellationToken, index: number) => R | PromiseLike<R>

/** How far a call of many tasks is. */
export interface TaskProgress {
  /** Tasks that have ended. */
  readonly done: number
  /** Those of them that failed. */
  readonly failed: number
  readonly running: number
  /** Undefined where the number of items is not known. */
  readonly total: number | undefined
}

/** How to run many tasks. */
export interface RunTasksOptions {
  /** For messages and paths. */
  name?: string | undefined
  /** Cancels them all; default `CancellationToken.current`. */
  signal?: Cancellation | undefined
  /** Tasks running at once, default `Infinity`. */
  concurrency?: number | undefined
  /** Milliseconds for all of it; then it is cancelled with a TimeoutError. */
  timeout?: Milliseconds | undefined
  /** Milliseconds for each task; like `timeout` of TaskOptions. */
  taskTimeout?: Milliseconds | undefined
  /** Told whenever a task has ended. */
  onProgress?: ((progress: TaskProgress) => void) | undefined
}

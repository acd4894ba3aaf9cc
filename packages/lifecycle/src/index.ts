/**
 * Starts and stops what an application is made of, in order, within a budget.
 *
 * @packageDocumentation
 */

export type { AsTaskDecorator } from './as-task.js'
export { asTask } from './as-task.js'
export type { ClosableServer } from './close-server.js'
export { closeServer } from './close-server.js'
export type {
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
  ResourceState,
  RestartOptions,
  ShutdownEntry,
  ShutdownHookOptions,
  ShutdownReason,
  ShutdownReport,
  StartContext,
  StopContext,
  StopPhase,
  TaskState,
} from './contracts.js'
export { LifecycleError, ShutdownError } from './errors.js'
export { formatReport } from './format-report.js'
export { AsyncManager } from './manager.js'
export type { RunContext, RunOptions } from './run-application.js'
export { runApplication } from './run-application.js'
export { getAsyncManager, resetAsyncManager, setAsyncManager } from './shared.js'
export { ManagedTask } from './task.js'

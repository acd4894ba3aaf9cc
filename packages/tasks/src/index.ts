/**
 * Structured concurrency for plain async/await: tasks that have an owner. A group does not end before its
 * tasks have ended, the first failure stops the others, nothing is lost and nothing is orphaned.
 *
 * @packageDocumentation
 */

export { cancelOnExit } from './cancel-on-exit.js'
export { currentGroup, currentTask, taskContext } from './context.js'
export type { DumpOptions } from './dump.js'
export { TaskGroupError, taskPathOf } from './errors.js'
export { TaskGroup } from './group.js'
export type { IterateTasksOptions } from './iterate-tasks.js'
export { iterateTasks } from './iterate-tasks.js'
export type { ShutdownReport } from './manager.js'
export { getTaskManager, TaskManager } from './manager.js'
export { runTask } from './run-task.js'
export { runTasks } from './run-tasks.js'
export { anyTask, raceTasks, settleTasks } from './settle.js'
export type {
  RunTasksOptions,
  Task,
  TaskEvent,
  TaskFunction,
  TaskGroupOptions,
  TaskInfo,
  TaskNode,
  TaskOptions,
  TaskOutcome,
  TaskProgress,
  TaskState,
  Work,
} from './types.js'

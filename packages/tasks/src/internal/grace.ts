import { CancellationTokenSource, delay, type Milliseconds } from '@uno-async/core'
import { noop, type TaskHandle } from '../task.js'

/** From now on `task` has `grace` to end; calls back with all whose grace is over by then, each once. */
export function beginGrace(
  task: TaskHandle,
  grace: Milliseconds,
  all: Iterable<TaskHandle>,
  onLate: (late: TaskHandle[]) => void,
): void {
  task.patience = new CancellationTokenSource()
  task.due = performance.now() + grace
  delay(grace, { signal: task.patience.token }).then(() => {
    const now = performance.now()
    if (task.due === Infinity) return // was named with an earlier one
    const late = [...all].filter((it) => it === task || it.due <= now)
    for (const each of late) each.due = Infinity
    onLate(late)
  }, noop)
}

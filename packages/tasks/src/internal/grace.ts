import { CancellationTokenSource, type Milliseconds } from '@uno-async/core'
import type { TaskHandle } from '../task.js'

/** From now on `task` has `grace` to end; calls back with all whose grace is over by then, each once. */
export function beginGrace(
  task: TaskHandle,
  grace: Milliseconds,
  all: Iterable<TaskHandle>,
  onLate: (late: TaskHandle[]) => void,
): void {
  task.due = performance.now() + grace
  // at least a turn, or it would be over before anybody has heard of the cancellation
  task.patience = new CancellationTokenSource({ timeout: Math.max(grace, 1), ref: true })
  task.patience.token.onCancelled(() => {
    const now = performance.now()
    if (task.due === Infinity) return // was named with an earlier one
    const late = [...all].filter((it) => it === task || it.due <= now)
    for (const each of late) each.due = Infinity
    onLate(late)
  })
}

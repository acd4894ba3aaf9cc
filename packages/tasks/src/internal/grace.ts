import { CancellationTokenSource, type Milliseconds } from '@uno-async/core'
import type { TaskHandle } from '../task.js'

/** From now on `task` has `grace` to end; calls back with all whose grace is over by then, each once. */
export function beginGrace(
  task: TaskHandle,
  grace: Milliseconds,
  all: Iterable<TaskHandle>,
  onLate: (late: TaskHandle[]) => void,
): void {
  // at least a turn, or it would be over before anybody has heard of the cancellation
  const source = new CancellationTokenSource({ timeout: Math.max(grace, 1), ref: true })
  task.patience = source
  source.token.onCancelled(() => {
    const late = [...all].filter(({ patience }) => patience?.token.cancelled)
    for (const each of late) each.patience = undefined
    if (late.length) onLate(late)
  })
}

import { CancellationTokenSource, type Milliseconds } from '@uno-async/core'
import type { TaskHandle } from '../task.js'
import type { Settings } from './check.js'
import { tell } from './report.js'

/** Is cancelled when patience is at an end: after a turn at least, or nobody would have heard of it by then. */
export const patienceOf = (grace: Milliseconds): CancellationTokenSource =>
  new CancellationTokenSource({ timeout: Math.max(grace, 1), ref: true })

/** From now on `task` has its grace to end; then it is named, with all whose grace is over by then, each once. */
export function beginGrace(task: TaskHandle, { grace, onStraggler }: Settings): void {
  const { outer: group } = task
  const source = patienceOf(grace)
  task.patience = source
  source.token.onCancelled(() => {
    if (task.patience !== source) return // named with others: many are late at once, and each would look at all
    const late = [...group.handles].filter(({ patience }) => patience?.token.cancelled)
    for (const each of late) each.patience = undefined
    const infos = late.map(({ info }) => info)
    for (const info of infos) group.observer?.('straggler', info)
    if (tell(onStraggler, infos) === 'abandon') group.abandon(late)
  })
}

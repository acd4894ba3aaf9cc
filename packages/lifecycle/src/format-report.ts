import type { ShutdownReport } from './contracts.js'
import { ask } from './internal/limited.js'

/**
 * Writes a report for people: why it stopped, what did not end well, how long each step took, what still holds
 * the event loop.
 *
 * @example
 * ```ts
 * import { AsyncManager, formatReport } from '@uno-async/lifecycle'
 * const report = await new AsyncManager().shutdown('deploy')
 * formatReport(report) // 'Stopped in 0 ms: requested (deploy), code 0'
 * ```
 */
export function formatReport(report: ShutdownReport): string {
  const { reason, code, duration, entries, errors, activeResources = [] } = report
  const detail = reason.detail === undefined ? '' : ` (${short(reason.detail)})`
  const lines = [`Stopped in ${ms(duration)}: ${reason.kind}${detail}, code ${code}`]
  const width = entries.reduce((most, { name }) => Math.max(most, name.length), 0)
  for (const { name, phase, outcome, duration, error } of entries) {
    const mark = outcome === 'ok' ? '✓' : outcome === 'skipped' ? '-' : '✗'
    const running = error === undefined && outcome !== 'error'
    const text = mark === '✗' ? `: ${running ? 'still running' : short(error)}` : ''
    lines.push(
      `  ${mark} ${phase.padEnd(7)} ${name.padEnd(width)} ${ms(duration).padStart(9)}  ${outcome}${text}`,
    )
  }
  const known = new Set(entries.map(({ error }) => error))
  for (const error of errors) lines.push(...whole(error, known))
  if (activeResources.length) {
    lines.push(`  still holding the event loop: ${activeResources.join(', ')}`)
  }
  return lines.join('\n')
}

/** An error with its stack, then the errors it stands for and what caused it; nothing of those that are known. @internal */
export function whole(error: unknown, known: Set<unknown> = new Set()): string[] {
  const lines: string[] = []
  const left = [{ error, before: '  ' }]
  for (let next = left.pop(); next; next = left.pop()) {
    const { error, before } = next
    if (known.has(error)) continue
    known.add(error)
    lines.push(before + (read(error, 'stack') ?? short(error)))
    const errors = read(error, 'errors')
    const cause = read(error, 'cause')
    if (cause !== undefined) left.push({ error: cause, before: '  caused by: ' })
    if (Array.isArray(errors)) {
      for (const error of [...errors].reverse()) left.push({ error, before: '  one of them: ' })
    }
  }
  return lines
}

/** What a thrown value says of itself; a stranger may throw when it is asked. */
function read(error: unknown, key: 'stack' | 'errors' | 'cause' | 'message'): unknown {
  return (
    ask(() => (error as Record<string, unknown> | null | undefined)?.[key], undefined) ?? undefined
  )
}

const ms = (duration: number): string => `${Math.round(duration)} ms`

function short(value: unknown): string {
  return ask(() => String(read(value, 'message') ?? value), '[object Object]')
}

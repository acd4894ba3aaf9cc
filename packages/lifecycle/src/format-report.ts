import type { ShutdownReport } from './contracts.js'

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
  const width = Math.max(...entries.map(({ name }) => name.length))
  for (const { name, phase, outcome, duration, error } of entries) {
    const mark = outcome === 'ok' ? '✓' : outcome === 'skipped' ? '-' : '✗'
    const text = outcome === 'ok' || outcome === 'skipped' ? '' : `: ${short(error)}`
    lines.push(
      `  ${mark} ${phase.padEnd(7)} ${name.padEnd(width)} ${ms(duration).padStart(9)}  ${outcome}${text}`,
    )
  }
  const known = new Set(entries.map(({ error }) => error))
  for (const error of errors) {
    if (!known.has(error)) lines.push(`  ${(error as Error | undefined)?.stack ?? short(error)}`)
  }
  if (activeResources.length) {
    lines.push(`  still holding the event loop: ${activeResources.join(', ')}`)
  }
  return lines.join('\n')
}

const ms = (duration: number): string => `${Math.round(duration)} ms`

function short(value: unknown): string {
  try {
    return value === undefined ? 'still running' : String((value as Error | null)?.message ?? value)
  } catch {
    return Object.prototype.toString.call(value)
  }
}

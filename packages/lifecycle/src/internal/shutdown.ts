import { type CancellationToken, CancellationTokenSource, type Milliseconds } from '@uno-async/core'
import type { ShutdownEntry, ShutdownReason, ShutdownReport, StopPhase } from '../contracts.js'
import { keepAlive, limited, noop, timed } from './limited.js'

/** The stops of managers, once they begin. */
export const stops: WeakMap<object, Shutdown> = /*#__PURE__*/ new WeakMap()

/** One stop: its budget, and what became of each step. */
export class Shutdown {
  readonly reason: ShutdownReason
  readonly entries: ShutdownEntry[] = []
  readonly errors: Set<unknown> = new Set()
  readonly #began = performance.now()
  readonly #total: CancellationTokenSource
  readonly #done = keepAlive()
  readonly #running = new Set<() => ShutdownEntry>() // what it waits for right now
  readonly #onStep: (entry: ShutdownEntry) => void

  constructor(
    name: string,
    timeout: Milliseconds,
    reason: ShutdownReason,
    onStep: (entry: ShutdownEntry) => void,
  ) {
    this.reason = reason
    this.#onStep = onStep
    if (reason.error !== undefined) this.errors.add(reason.error)
    this.#total = new CancellationTokenSource({ timeout, name: `shutdown of ${name}` })
  }

  /** Cancelled when the total is spent. */
  get token(): CancellationToken {
    return this.#total.token
  }

  /** What one gets that has no budget of its own. */
  get share(): Milliseconds {
    return Math.ceil(this.token.remaining / 2)
  }

  /** Runs one step within its budget. When the total is spent it is called all the same, but not waited for. Never rejects. */
  async step(
    phase: StopPhase,
    name: string,
    timeout: Milliseconds | undefined,
    fn: (token: CancellationToken) => unknown,
  ): Promise<void> {
    const end = this.token
    const limit = new CancellationTokenSource({
      timeout: timeout ?? this.share,
      signal: end,
      name: `${phase} of ${name}`,
    })
    const entry = timed({ name, phase })
    const abandoned = (): ShutdownEntry => entry('abandoned', end.error)
    this.#running.add(abandoned)
    let result: ShutdownEntry
    try {
      if (end.cancelled) {
        const running = end.run(() => fn(end)) as PromiseLike<unknown> | undefined
        Promise.resolve(running).catch(noop)
        result = abandoned()
      } else {
        await limited(limit, fn)
        result = entry('ok')
      }
    } catch (error) {
      const outcome = limit.token.owns(error) ? 'timeout' : 'error'
      result = end.owns(error) ? abandoned() : entry(outcome, error)
    }
    this.#running.delete(abandoned)
    this.add(result)
  }

  /** Names in the report what is not a step, while it runs. */
  watch(name: string, running: Promise<unknown>): void {
    const entry = timed({ name, phase: 'stop' as const })
    const pending = (): ShutdownEntry => entry('abandoned')
    const ended = (): void => void this.#running.delete(pending)
    this.#running.add(pending)
    running.then(ended, ended)
  }

  add(entry: ShutdownEntry): void {
    this.entries.push(entry)
    if (entry.outcome !== 'ok' && entry.outcome !== 'skipped') this.errors.add(entry.error)
    this.#onStep(entry)
  }

  /** How it went so far. */
  report(): ShutdownReport {
    const { reason, errors, entries } = this
    return {
      reason,
      code: errors.size ? 1 : 0,
      duration: performance.now() - this.#began,
      errors: [...errors],
      entries: [...entries, ...[...this.#running].map((pending) => pending())],
    }
  }

  close(): ShutdownReport {
    this.#done()
    const report = this.report()
    this.#total.close()
    return report
  }
}

import { createHistogram } from 'node:perf_hooks'

/** Counts what happens to requests, and how long they take. */
export class Metrics {
  readonly requests = { total: 0, inFlight: 0, cancelled: 0, retried: 0, refused: 0, failed: 0 }
  readonly #durations = createHistogram()
  #recent: number[] = []

  begin(): (status: number) => void {
    const began = performance.now()
    this.requests.total++
    this.requests.inFlight++
    return (status) => {
      const duration = performance.now() - began
      this.requests.inFlight--
      if (status === 499) this.requests.cancelled++
      else if (status === 429 || status === 503) this.requests.refused++
      else if (status >= 500) this.requests.failed++
      this.#durations.record(Math.max(1, Math.round(duration * 1_000)))
      // Nobody may be looking.
      if (this.#recent.push(duration) > 1_000) this.#recent.shift()
    }
  }

  /** Milliseconds; `recent` is what came since it was last asked for. */
  latency() {
    const [p50 = 0, p95 = 0, p99 = 0] = [50, 95, 99].map(
      (percent) => this.#durations.percentile(percent) / 1_000,
    )
    const recent = this.#recent
    this.#recent = []
    return { p50, p95, p99, recent }
  }
}

import type { Snapshot } from '../src/snapshot.js'
import { svg } from './dom.js'

const span = 60_000
const height = 190
const left = 44
const bottom = height - 20
/** Of the requests between two snapshots, at most so many are drawn. */
const most = 40

/** Each request a dot: when it ended, and how long it took, on a logarithmic scale. */
export class LatencyPlot {
  readonly #element: SVGElement
  #last = 0 // when the last snapshot was taken
  #seen: Dot[] = []

  constructor(element: SVGElement) {
    this.#element = element
  }

  show({ at, latency: { recent, p50, p95 } }: Snapshot): void {
    // They ended one after the other since the last snapshot.
    const since = Math.min(at - this.#last, 1_000)
    const dots = recent.map((ms, i) => ({ at: at - since * (1 - (i + 1) / recent.length), ms }))
    this.#seen = [...this.#seen.filter((dot) => dot.at > at - span && dot.at <= at), ...thin(dots)]
    this.#last = at

    const width = this.#element.clientWidth
    const decades = Math.ceil(Math.log10(Math.max(100, ...this.#seen.map(({ ms }) => ms))))
    const x = (time: number) => left + ((time - at + span) / span) * (width - left - 4)
    const y = (ms: number) => bottom - (Math.log10(Math.max(ms, 1)) / decades) * (bottom - 10)

    const path = this.#seen.map((dot) => `M${x(dot.at).toFixed(1)} ${y(dot.ms).toFixed(1)}h0`)
    const marks = [svg('path', { class: 'dots', d: path.join('') })]
    for (let decade = 0; decade <= decades; decade++) {
      const height = y(10 ** decade)
      marks.push(
        svg('line', { class: 'grid', x1: left, x2: width, y1: height, y2: height }),
        svg('text', { class: 'scale', x: left - 8, y: height + 4 }, `${10 ** decade}`),
      )
    }
    for (const [name, ms] of Object.entries({ p50, p95 }))
      marks.push(
        svg('line', { class: `quantile ${name}`, x1: left, x2: width, y1: y(ms), y2: y(ms) }),
        svg('text', { class: `quantile ${name}`, x: left + 6, y: y(ms) - 5 }, name),
      )
    for (const seconds of [60, 40, 20])
      marks.push(svg('text', { x: x(at - seconds * 1_000), y: height - 4 }, `−${seconds} s`))
    this.#element.style.height = `${height}px`
    this.#element.replaceChildren(...marks)
  }
}

interface Dot {
  readonly at: number
  readonly ms: number
}

/** Some of them, evenly, and the slowest. */
function thin(dots: readonly Dot[]): readonly Dot[] {
  const step = Math.ceil(dots.length / most)
  const slowest = Math.max(...dots.map(({ ms }) => ms))
  return dots.filter(({ ms }, i) => i % step === 0 || ms === slowest)
}

import type { Life, Timeline } from './timeline.js'

const rows = 8
const rowHeight = 34
const top = 30

/** Draws the last requests of `timeline`, each a bar from its beginning to its end, below the keys typed. */
export function draw(svg: SVGSVGElement, timeline: Timeline): void {
  const { keys, isRunning } = timeline
  const lives = timeline.lives.slice(-rows)
  const now = performance.now()
  const from = Math.min(
    lives[0]?.from ?? now,
    lives.length < timeline.lives.length ? now : (keys[0]?.at ?? now),
  )
  const ends = [...lives.map(({ to }) => to ?? now), keys.at(-1)?.at ?? 0]
  const to = isRunning ? now : Math.max(...ends)
  const span = Math.max(to - from, 1_500) * 1.02
  const width = svg.clientWidth
  const height = top + Math.max(lives.length, 3) * rowHeight
  const x = (at: number) => ((at - from) / span) * width
  const step = [250, 500, 1_000, 2_000, 5_000, 10_000, 30_000].find((it) => span / it < 7) ?? 60_000

  const marks: SVGElement[] = []
  for (let at = 0; x(from + at) < width - 30; at += step) {
    marks.push(
      make('line', { class: 'grid', x1: x(from + at), x2: x(from + at), y1: 16, y2: height }),
      make('text', { class: 'axis', x: x(from + at) + 3, y: 26 }, `${at / 1_000} s`),
    )
  }
  for (const { at, key } of keys)
    if (at >= from) marks.push(make('text', { class: 'key', x: x(at), y: 11 }, key))
  lives.forEach((life, i) => {
    marks.push(row(life, top + i * rowHeight, width, x, now))
  })
  svg.style.height = `${height}px`
  svg.replaceChildren(...marks)
}

function row(
  life: Life,
  y: number,
  width: number,
  x: (at: number) => number,
  now: number,
): SVGElement {
  const { from, to = now, outcome, label, note, pauses } = life
  const bar = (kind: string, from: number, to: number) =>
    make('rect', {
      class: kind,
      x: x(from),
      y: y + 20,
      width: Math.max(x(to) - x(from), 2),
      height: 7,
      rx: 3.5,
    })
  const g = make('g', { class: 'life', 'data-outcome': outcome })
  g.append(
    make('text', { class: 'label', x: 0, y: y + 14 }, shorten(label, width / 13)),
    make('text', { class: 'note', x: width, y: y + 14 }, shorten(note, width / 14)),
    bar('bar', from, to),
    ...pauses.map((pause) => bar('pause', pause.from, pause.to ?? to)),
  )
  if (outcome === 'cancelled')
    g.append(
      make('path', {
        class: 'cross',
        d: `M${x(to) - 4} ${y + 19.5}l8 8m0 -8l-8 8`,
      }),
    )
  return g
}

const shorten = (text: string, length: number) =>
  text.length > length ? `${text.slice(0, length - 1)}…` : text

function make(name: string, attributes: Record<string, string | number>, text = ''): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, `${value}`)
  element.textContent = text
  return element
}

import type { Snapshot, TaskNode } from '../src/snapshot.js'
import { $, html, update } from './dom.js'
import { LatencyPlot } from './plot.js'
import { watch } from './stream.js'

const plot = new LatencyPlot($<SVGElement>('#latency'))
const connection = $('#connection')
let seen = 0
/** The last five seconds, to tell how much happens in one. */
let counts: { readonly at: number; readonly total: number }[] = []

watch('/dashboard/events', show, () => {
  connection.dataset['state'] = 'lost'
  sayLost()
})
setInterval(sayLost, 1_000)

function sayLost(): void {
  if (connection.dataset['state'] !== 'lost') return
  const ago = seen ? `, seen ${Math.round((performance.now() - seen) / 1_000)} s ago` : ''
  connection.textContent = `connection lost${ago}, trying again…`
}

function show(snapshot: Snapshot): void {
  const { instance, state, pool, limiters, cache, events, tasks, lastShutdown } = snapshot
  seen = performance.now()
  connection.dataset['state'] = 'live'
  connection.textContent = 'live'
  $('#instance').textContent = instance
  $('#state').textContent = state
  $('#state').dataset['state'] = state

  showRequests(snapshot)
  plot.show(snapshot)

  const unopened = Math.max(pool.max - pool.size, 0)
  $('#pool-max').textContent = `${pool.size} of at most ${pool.max} connections`
  showBar($('#pool'), { borrowed: pool.borrowed, idle: pool.idle, unopened })
  showFigures('#pool-figures', {
    borrowed: pool.borrowed,
    idle: pool.idle,
    waiting: [pool.waiting, pool.waiting > 0 ? 'warn' : ''],
  })
  showFigures('#events', {
    pending: events.pending,
    delivered: events.delivered,
    dead: [events.dead, events.dead > 0 ? 'bad' : ''],
  })
  update(
    $('#limiters'),
    limiters.map(({ name, kind, active, waiting, limit }) => {
      const text = `${figure(active)} of ${figure(limit)}${waiting ? `, ${figure(waiting)} waiting` : ''}`
      return meter(name, kind, text, { active, free: Math.max(limit - active, 0) })
    }),
  )
  update(
    $('#caches'),
    cache.map(({ name, hits, stale, misses, size }) => {
      const asked = hits + stale + misses
      const percent = (part: number) => `${Math.round((part / asked) * 100)} %`
      const ratio = `${percent(hits)} hits${stale ? `, ${percent(stale)} stale` : ''}`
      return meter(name, `${figure(size)} entries`, asked ? ratio : 'not asked yet', {
        hits,
        stale,
        misses,
      })
    }),
  )
  const rows = [...flatten(tasks, 0)]
  $('#task-count').textContent = `${figure(rows.length - 1)} alive`
  update($('#tasks'), rows.slice(0, 200))
  if (lastShutdown) showShutdown(lastShutdown)
}

function showRequests({ at, requests, latency }: Snapshot): void {
  const { total, inFlight, cancelled, retried, refused, failed } = requests
  // A server that began anew counts from zero.
  if (total < (counts.at(-1)?.total ?? 0)) counts = []
  counts = [...counts.filter((it) => it.at > at - 5_000 && it.at < at), { at, total }]
  const [first = { at, total }] = counts
  const rate = at > first.at ? ((total - first.total) / (at - first.at)) * 1_000 : 0
  showFigures('#requests', {
    'a second': rate.toFixed(rate < 10 ? 1 : 0),
    'in flight': inFlight,
    'p50 ms': duration(latency.p50),
    'p95 ms': duration(latency.p95),
    'p99 ms': duration(latency.p99),
    total,
    cancelled,
    retried,
    refused: [refused, refused > 0 ? 'warn' : ''],
    failed: [failed, failed > 0 ? 'bad' : ''],
  })
}

type Figure = number | string

function showFigures(
  selector: string,
  figures: Record<string, Figure | readonly [value: Figure, kind: string]>,
): void {
  const pairs = Object.entries(figures).map(([name, value]) => {
    const [text, kind] = Array.isArray(value) ? value : [value, '']
    const shown = typeof text === 'number' ? figure(text) : text
    return html('div', { class: kind }, html('dt', {}, name), html('dd', {}, shown))
  })
  update($(selector), pairs)
}

/** A bar of parts, as wide as they are large. */
function showBar(bar: Element, parts: Record<string, number>): Element {
  update(
    bar,
    Object.entries(parts)
      .filter(([, value]) => value > 0)
      .map(([name, value]) =>
        html('i', { class: name, style: `flex-grow: ${value}`, title: `${name}: ${value}` }),
      ),
  )
  return bar
}

function meter(name: string, detail: string, text: string, parts: Record<string, number>): Element {
  return html(
    'li',
    {},
    html('span', { class: 'name' }, name, ' ', html('small', {}, detail)),
    html('span', {}, text),
    showBar(html('div', { class: 'bar' }), parts),
  )
}

function* flatten({ name, state, age, children }: TaskNode, depth: number): Iterable<Element> {
  yield html(
    'li',
    { style: `--depth: ${depth}`, 'data-state': state, title: state },
    html('span', { class: 'name' }, name),
    html('span', { class: 'state' }, state),
    html('span', { class: 'age' }, since(age)),
  )
  for (const child of children) yield* flatten(child, depth + 1)
}

function showShutdown({ at, ok, lines }: NonNullable<Snapshot['lastShutdown']>): void {
  $('#shutdown-at').textContent = `${new Date(at).toLocaleString()}, ${ok ? 'clean' : 'not clean'}`
  $('#shutdown').dataset['ok'] = `${ok}`
  const text = lines.join('\n')
  if ($('#shutdown').textContent !== text) $('#shutdown').textContent = text
}

const figure = (value: number) => value.toLocaleString('en')
const duration = (ms: number) => (ms < 10 ? ms.toFixed(1) : figure(Math.round(ms)))
const since = (ms: number) => {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  const seconds = ms / 1_000
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 120) return `${Math.round(seconds)} s`
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`
}

import type { GetOptions } from '@uno-async/cache'
import { CancellationTokenSource, CancelledError, delay } from '@uno-async/core'
import { Api } from './api.js'
import { draw } from './draw.js'
import { fold } from './fold.js'
import { Timeline } from './timeline.js'
import { conditions } from './types.js'
import {
  $,
  showAge,
  showAnswer,
  showNothing,
  showOffline,
  showProblem,
  showWaiting,
} from './view.js'

const input = $<HTMLInputElement>('#query')
const svg = $<SVGSVGElement>('#timeline')

let isDrawn = true
const timeline = new Timeline(redraw)
const api = new Api(timeline, (isReachable) => showOffline(!isReachable))

/** The query that counts. */
let latest: CancellationTokenSource | undefined
let asked = ''

/** Asks for what is typed. What was asked before is cancelled, down to its requests. */
async function ask(options: GetOptions = {}): Promise<void> {
  const query = fold(input.value.trim())
  if (query === asked && !options.forceRefresh) return
  asked = query
  latest?.cancel(new CancelledError('another query came'))
  using source = (latest = new CancellationTokenSource({ name: query }))
  const { token } = source
  if (!query) return showNothing()
  showWaiting()
  try {
    // Who types on at once wants no answer yet; one that is at hand costs nothing.
    if (!api.knows(query)) await delay(100, { signal: token })
    const rows = showAnswer(await api.search(query, { ...options, signal: token }), query)
    // Each row asks for itself, the batcher makes one request of it.
    await Promise.all(rows.map(async (row) => row.fill(await api.city(row.id, { signal: token }))))
  } catch (error) {
    // Being overtaken is no failure.
    if (!token.owns(error)) showProblem(error, query)
  }
}

/** Draws at most once a frame, and on as long as a request lives. */
function redraw(): void {
  if (!isDrawn) return
  isDrawn = false
  requestAnimationFrame(() => {
    isDrawn = true
    draw(svg, timeline)
    if (timeline.isRunning) redraw()
  })
}

input.addEventListener('input', (event) => {
  const { inputType, data } = event as InputEvent
  timeline.key(inputType?.startsWith('insert') ? (data ?? '…') : '⌫')
  void ask()
})
for (const button of document.querySelectorAll('[data-again]'))
  button.addEventListener('click', () => void ask({ forceRefresh: true }))

addEventListener('offline', () => showOffline(true))
addEventListener('online', () => {
  showOffline(false)
  void ask({ forceRefresh: true })
})
addEventListener('resize', redraw)
setInterval(showAge, 1_000)

const choices = $('#conditions')
for (const value of conditions) {
  const label = document.createElement('label')
  const radio = Object.assign(document.createElement('input'), {
    type: 'radio',
    name: 'conditions',
    value,
    checked: value === api.conditions,
  })
  radio.addEventListener('change', () => (api.conditions = value))
  label.append(radio, value)
  choices.append(label)
}

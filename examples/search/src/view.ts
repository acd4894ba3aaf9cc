import type { CacheEntry } from '@uno-async/cache'
import { UnreachableError } from './api.js'
import { findWord, fold } from './fold.js'
import type { Answer, City } from './types.js'

export const $ = <E extends Element = HTMLElement>(
  selector: string,
  root: ParentNode = document,
): E => root.querySelector(selector) as E

const list = $('#hits')
const problem = $('#problem')
const status = $('#status')

/** What is shown, and when the server said so. */
let shown: { query: string; total: number; at: number; isStale: boolean } | undefined

/** Shows an answer, with its age; and if it is there for want of a newer one, why. */
export function showAnswer(entry: CacheEntry<Answer>, query: string): Row[] {
  const { value, age, state, error } = entry
  const rows = value.hits.map(({ id, name }) => new Row(id, name, query))
  shown = { query, total: value.total, at: performance.now() - age, isStale: state !== 'fresh' }
  replace(rows)
  if (error) showProblem(error, query)
  return rows
}

/** Says what is wrong. An answer to the same query, if there is one, stays. */
export function showProblem(error: unknown, query: string): void {
  if (shown?.query !== query) showNothing()
  list.ariaBusy = 'false'
  const isOffline = error instanceof UnreachableError
  // Of being offline the banner tells.
  problem.hidden = isOffline && shown !== undefined
  $('span', problem).textContent = isOffline
    ? `Nothing is known about “${query}” yet`
    : error instanceof Error
      ? error.message
      : `${error}`
}

export function showNothing(): void {
  shown = undefined
  replace([])
}

/** What is shown is of an older query. */
export function showWaiting(): void {
  list.ariaBusy = 'true'
}

export function showOffline(isOffline: boolean): void {
  $('#banner').hidden = !isOffline
}

/** Says how old the answer is; to be called now and then. */
export function showAge(): void {
  status.classList.toggle('stale', shown?.isStale ?? false)
  if (!shown) return void (status.textContent = '')
  const { total, at } = shown
  const seconds = Math.floor((performance.now() - at) / 1_000)
  const age = seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`
  status.textContent = `${total === 1 ? '1 city' : `${total} cities`}, as of ${seconds ? `${age} ago` : 'now'}`
}

function replace(rows: readonly Row[]): void {
  list.replaceChildren(...rows.map(({ element }) => element))
  list.ariaBusy = 'false'
  problem.hidden = true
  showAge()
}

const regions = new Intl.DisplayNames('en', { type: 'region' })
const degrees = (value: number, positive: string, negative: string) =>
  `${Math.abs(value).toFixed(2)}° ${value < 0 ? negative : positive}`

/** A city found: its name at once, the rest when it is known. */
export class Row {
  readonly id: number
  readonly element: Element

  constructor(id: number, name: string, query: string) {
    this.id = id
    this.element = $<HTMLTemplateElement>('#hit').content.firstElementChild?.cloneNode(
      true,
    ) as Element
    const from = findWord(fold(name), query)
    const to = from + query.length
    const match = document.createElement('mark')
    match.textContent = name.slice(from, to)
    $('.name', this.element).append(name.slice(0, from), match, name.slice(to))
  }

  fill(city: City): void {
    const { country, population, latitude, longitude } = city
    $('.country', this.element).textContent = regions.of(country) ?? country
    $('.population', this.element).textContent = population.toLocaleString('en')
    $('.place', this.element).textContent =
      `${degrees(latitude, 'N', 'S')} ${degrees(longitude, 'E', 'W')}`
  }
}

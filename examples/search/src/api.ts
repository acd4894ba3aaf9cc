import { AsyncBatcher, AsyncCache, type CacheEntry, type GetOptions } from '@uno-async/cache'
import { type CancellationToken, delay, isTimeout, RateLimitError } from '@uno-async/core'
import { timeout } from '@uno-async/sync'
import type { Timeline } from './timeline.js'
import type { Answer, City, Conditions } from './types.js'

/** The line is down: nobody answered at all. */
export class UnreachableError extends Error {}

/** What the page asks the server. */
export class Api {
  conditions: Conditions = 'fine'
  readonly #timeline: Timeline
  readonly #onReach: (reachable: boolean) => void

  /** Fresh for five seconds, and for a day better than nothing. */
  readonly #answers = new AsyncCache<string, Answer>({
    name: 'answers',
    load: (query, { token }) =>
      this.#request(`search?q=${encodeURIComponent(query)}`, `“${query}”`, token),
    ttl: 5_000,
    staleIfError: 86_400_000,
    maxSize: 500,
  })

  /** Each row asks for its own city; those who ask in the same turn share a request. */
  readonly #batch = new AsyncBatcher<number, City>(
    async (ids, token) => {
      const label = `${ids.length} cities`
      const cities = await this.#request<(City | null)[]>(`cities?ids=${ids}`, label, token)
      return cities.map((city, i) => city ?? new Error(`There is no city ${ids[i]}`))
    },
    { maxBatchSize: 50 },
  )

  readonly #cities = new AsyncCache<number, City>({
    name: 'cities',
    load: (id, { token }) => this.#batch.add(id, { signal: token }),
    maxSize: 5_000,
  })

  constructor(timeline: Timeline, onReach: (reachable: boolean) => void) {
    this.#timeline = timeline
    this.#onReach = onReach
  }

  search(query: string, options: GetOptions): Promise<CacheEntry<Answer>> {
    return this.#answers.getEntry(query, options)
  }

  /** Whether there is an answer at hand, however old. */
  knows(query: string): boolean {
    return this.#answers.has(query)
  }

  city(id: number, options: GetOptions): Promise<City> {
    return this.#cities.get(id, options)
  }

  /** Three seconds for each request, with the waiting that a 429 asks for. */
  async #request<T>(path: string, label: string, token: CancellationToken): Promise<T> {
    const life = this.#timeline.begin(label)
    try {
      const body = await timeout(
        3_000,
        'No answer within 3 s',
        async (token) => {
          for (;;) {
            const response = await this.#fetch(path, token)
            if (response.ok) return (await response.json()) as T
            if (response.status !== 429) throw new Error(`The server answered ${response.status}`)
            const retryAfter = Number(response.headers.get('retry-after')) * 1_000 || 1_000
            if (retryAfter > token.remaining)
              throw new RateLimitError('Too many requests', { retryAfter })
            life.pause()
            await delay(retryAfter, { signal: token })
            life.resume()
          }
        },
        { signal: token },
      )
      life.end('done')
      return body
    } catch (error) {
      const isLate = isTimeout(error)
      life.end(token.cancelled ? 'cancelled' : isLate ? 'timeout' : 'failed', error)
      throw error
    }
  }

  async #fetch(path: string, token: CancellationToken): Promise<Response> {
    const headers = { 'x-conditions': this.conditions }
    try {
      const response = await fetch(`/api/${path}`, { headers, signal: token.signal })
      this.#onReach(true)
      return response
    } catch (cause) {
      token.throwIfCancelled()
      this.#onReach(false)
      throw new UnreachableError('The server cannot be reached', { cause })
    }
  }
}

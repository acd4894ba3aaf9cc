import { AsyncCache, type SecondTier } from '@uno-async/cache'
import { type Cancellation, CancellationToken } from '@uno-async/core'
import { concurrentLimited, retry, timeoutHandler } from '@uno-async/decorators'
import { Limiter } from '@uno-async/sync'
import { Refused } from '../errors.js'

const limiter = new Limiter(8, { name: 'prices' })

/** Prices from a server that is not ours: slow at times, or down. Those who ask hardly notice. */
export class Prices {
  readonly limiter = limiter
  readonly cache: AsyncCache<string, number>
  readonly #url: string

  constructor(url: string, store?: SecondTier) {
    this.#url = url
    this.cache = new AsyncCache<string, number>({
      name: 'prices',
      store,
      load: (sku) => this.fetch(sku),
      ttl: 1_000,
      staleWhileRevalidate: 5_000,
      staleIfError: 3_600_000,
      softTimeout: 200, // an old price now rather than a new one too late
      loadTimeout: 3_000,
    })
  }

  async of(sku: string, signal: Cancellation): Promise<number> {
    return this.cache.get(sku, { signal })
  }

  @retry({ maxAttempts: 3, baseDelay: 50, shouldRetry: ({ error }) => !(error instanceof Refused) })
  @concurrentLimited(limiter)
  @timeoutHandler(800)
  async fetch(sku: string): Promise<number> {
    const { signal } = CancellationToken.current
    const response = await fetch(`${this.#url}/prices/${encodeURIComponent(sku)}`, { signal })
    if (response.status === 404) throw new Refused(404, `There is no price for ${sku}`)
    if (!response.ok) throw new UpstreamError(response)
    return ((await response.json()) as { price: number }).price
  }
}

/** The server answered, but not what was asked for; `retryAfter` of @uno-async/decorators reads its headers. */
export class UpstreamError extends Error {
  readonly headers: Headers

  constructor({ status, headers, url }: Response) {
    super(`${new URL(url).pathname} answered ${status}`)
    this.headers = headers
  }
}

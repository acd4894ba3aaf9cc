import { type CancellationToken, CancellationTokenSource, delay, isTimeout } from '@uno-async/core'

/** How to treat the servers that are asked. */
export interface WebOptions {
  /** Milliseconds for one request, its body included. */
  timeout: number
  /** How often a request that failed for a passing reason is made again. */
  retries: number
  /** Requests a second to one host. */
  rate: number
}

export interface Answer {
  readonly status: number
  /** Set if it is HTML and was asked for. */
  readonly html?: string
}

const MAX_RETRY_AFTER = 30_000
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504])

/** The turn of each request to one host. By hand until RateLimiter of @uno-async/sync takes over. */
class Host {
  #next = 0
  readonly #interval: number

  constructor(rate: number) {
    this.#interval = 1000 / rate
  }

  async turn(token: CancellationToken): Promise<void> {
    const now = performance.now()
    const at = Math.max(now, this.#next)
    this.#next = at + this.#interval
    await delay(at - now, { signal: token })
  }

  pauseFor(duration: number): void {
    this.#next = Math.max(this.#next, performance.now() + duration)
  }
}

/** Asks servers politely: a rate per host, retries that heed Retry-After, a timeout per request. */
export class Web {
  readonly #options: WebOptions
  readonly #hosts = new Map<string, Host>()

  constructor(options: WebOptions) {
    this.#options = options
  }

  /** Rejects with the last failure. By hand until `retry` of @uno-async/decorators takes over. */
  async get(url: URL, wantsHtml: boolean, token: CancellationToken): Promise<Answer> {
    const { retries } = this.#options
    const host = this.#host(url.host)
    for (let attempt = 0; ; attempt++) {
      await host.turn(token)
      let wait = 200 * 2 ** attempt
      try {
        const { retryAfter, ...answer } = await this.#ask(url, wantsHtml, token)
        if (!PASSING.has(answer.status) || attempt >= retries) return answer
        wait = retryAfter ?? wait
        if (wait > MAX_RETRY_AFTER) return answer
      } catch (error) {
        if (token.cancelled || attempt >= retries) throw error
      }
      host.pauseFor(wait)
    }
  }

  async #ask(
    url: URL,
    wantsHtml: boolean,
    token: CancellationToken,
  ): Promise<Answer & { retryAfter?: number | undefined }> {
    const { timeout } = this.#options
    using source = new CancellationTokenSource({ signal: token, timeout })
    const response = await fetch(url, {
      signal: source.token.signal,
      headers: { 'user-agent': 'link-check' },
    })
    const { status, headers } = response
    const html = wantsHtml && response.ok && headers.get('content-type')?.includes('html')
    if (html) return { status, html: await response.text() }
    await response.body?.cancel()
    return { status, retryAfter: parseRetryAfter(headers.get('retry-after')) }
  }

  #host(name: string): Host {
    let host = this.#hosts.get(name)
    if (!host) {
      host = new Host(this.#options.rate)
      this.#hosts.set(name, host)
    }
    return host
  }
}

/** Seconds, or a date. By hand until `retryAfter` of @uno-async/decorators takes over. */
function parseRetryAfter(value: string | null): number | undefined {
  if (!value) return undefined
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now()
  return Number.isNaN(wait) ? undefined : Math.max(0, wait)
}

/** What went wrong with a request, in a few words. */
export function describe(error: unknown): string {
  if (isTimeout(error)) return (error as Error).message.toLowerCase()
  const cause = (error as { cause?: { code?: string } }).cause
  return cause?.code ?? (error instanceof Error ? error.message : String(error))
}

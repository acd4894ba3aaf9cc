import { CancellationToken, isTimeout } from '@uno-async/core'
import { retry, retryAfter, timeoutHandler } from '@uno-async/decorators'
import { Limiter, RateLimiter } from '@uno-async/sync'

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
  /** Where it was found, after redirects. */
  readonly url: URL
  readonly status: number
  readonly headers: Headers
  /** Set if it is HTML. */
  readonly html?: string
}

const CONNECTIONS = 4 // to one host
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504])

/** What one host can bear. */
interface Host {
  readonly turns: RateLimiter
  readonly connections: Limiter
}

/** Asks servers politely: so often a second, so many at once, and again if it may help, when the server says so. */
export class Web {
  readonly #hosts = new Map<string, Host>()
  readonly #rate: number
  readonly #ask: (url: URL) => Promise<Answer>

  constructor({ timeout, retries, rate }: WebOptions) {
    this.#rate = rate
    const once = timeoutHandler({ timeout, name: 'request' })(ask)
    this.#ask = retry({
      maxAttempts: retries + 1,
      maxDelay: 30_000, // a server that asks for more is not waited for
      shouldRetryResult: (answer) => PASSING.has((answer as Answer).status),
      onRetry: ({ result, args }) => this.#heed(args[0] as URL, result),
    })(async (url: URL) => {
      const { turns, connections } = this.#host(url.host)
      const signal = CancellationToken.current
      return connections.run(() => turns.run(() => once(url), { signal }), { signal })
    })
  }

  /** Rejects with the last failure, or when cancelled. */
  get(url: URL, token: CancellationToken): Promise<Answer> {
    return token.run(() => this.#ask(url))
  }

  /** When one page asks for patience, all of its host wait. */
  #heed(url: URL, answer: unknown): void {
    const wait = retryAfter(answer)
    if (wait !== undefined) this.#host(url.host).turns.pauseFor(wait)
  }

  #host(name: string): Host {
    let host = this.#hosts.get(name)
    if (!host) {
      host = {
        turns: new RateLimiter({ limit: this.#rate, burst: 1, name }),
        connections: new Limiter(CONNECTIONS, { name }),
      }
      this.#hosts.set(name, host)
    }
    return host
  }
}

async function ask(url: URL): Promise<Answer> {
  const { signal } = CancellationToken.current
  const response = await fetch(url, { signal, headers: { 'user-agent': 'link-check' } })
  const { ok, status, headers } = response
  const at = new URL(response.url)
  if (ok && headers.get('content-type')?.includes('html')) {
    return { url: at, status, headers, html: await response.text() }
  }
  await response.body?.cancel()
  return { url: at, status, headers }
}

/** What went wrong with a request, in a few words. */
export function describe(error: unknown): string {
  if (isTimeout(error)) return (error as Error).message
  const cause = (error as { cause?: { code?: string; message?: string } }).cause
  return cause?.code ?? cause?.message ?? (error instanceof Error ? error.message : String(error))
}

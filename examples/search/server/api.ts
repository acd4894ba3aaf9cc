import type { IncomingMessage, ServerResponse } from 'node:http'
import { type CancellationToken, CancellationTokenSource, delay } from '@uno-async/core'
import { RateLimiter } from '@uno-async/sync'
import type { Conditions } from '../src/types.js'
import { find, search } from './cities.js'

/**
 * Answers `/search?q=ber` and `/cities?ids=1,2`, as well as the header `x-conditions`, or the parameter
 * `conditions`, lets it. A client that leaves cancels what is being done for it.
 */
export function createApi(log: (line: string) => void = () => {}) {
  const rate = new RateLimiter({ limit: 3, interval: 2_000, algorithm: 'sliding-window' })

  async function answer(url: URL, conditions: Conditions, token: CancellationToken) {
    switch (conditions) {
      case 'slow':
        await delay(1_200, { signal: token })
        break
      case 'hanging':
        await delay(Infinity, { signal: token })
        break
      case 'failing':
        return { status: 503 }
      case 'limited': {
        const { allowed, retryAfter } = rate.tryAcquire()
        if (!allowed) return { status: 429, retryAfter: Math.ceil(retryAfter / 1_000) }
      }
    }
    await delay(60, { signal: token })
    const parameter = (name: string) => url.searchParams.get(name) ?? ''
    if (url.pathname === '/search') return { status: 200, body: search(parameter('q')) }
    if (url.pathname === '/cities')
      return { status: 200, body: find(parameter('ids').split(',').map(Number)) }
    return { status: 404 }
  }

  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const started = performance.now()
    // Not as relative to it: `//` would be the beginning of another host.
    const url = new URL(`http://localhost${request.url}`)
    const conditions = request.headers['x-conditions'] ?? url.searchParams.get('conditions')
    if (conditions === 'cut') return void response.destroy()
    const client = new CancellationTokenSource()
    response.on('close', () => client.cancel())
    const told = (outcome: string | number) =>
      log(`${url.pathname}${url.search}  ${outcome}  ${Math.round(performance.now() - started)} ms`)
    try {
      const { status, retryAfter, body }: { status: number; retryAfter?: number; body?: unknown } =
        await answer(url, conditions as Conditions, client.token)
      if (retryAfter) response.setHeader('retry-after', retryAfter)
      response.writeHead(status, {
        'content-type': 'application/json',
        'cache-control': 'no-store',
      })
      response.end(JSON.stringify(body ?? { status }))
      told(status)
    } catch (error) {
      if (!client.token.owns(error)) throw error
      told('the client left')
    }
  }
}

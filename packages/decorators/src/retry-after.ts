import type { Milliseconds } from '@uno-async/core'

interface Headed {
  readonly headers?: unknown
  readonly response?: Headed | null
  readonly retryAfter?: unknown
}

/**
 * Reads how long a server asked to wait: from a Response, from an error with `response` or `headers` (`Retry-After`
 * in seconds or as a date; a `Headers`, a `Map` or a plain object, in any case), or from a `retryAfter` in milliseconds, such as that of a
 * RateLimitError. Undefined where there is none, or none that can be understood; 0 for a date that has passed.
 *
 * @example
 * ```ts
 * import { retryAfter } from '@uno-async/decorators'
 * retryAfter(new Response(null, { status: 429, headers: { 'Retry-After': '2' } })) // 2000
 * ```
 */
export function retryAfter(errorOrResponse: unknown): Milliseconds | undefined {
  let text: string
  try {
    const { headers, response, retryAfter: own } = Object(errorOrResponse) as Headed
    if (typeof own === 'number' && own >= 0) return own
    text = String(headerOf(headers) ?? headerOf(response?.headers) ?? '').trim()
  } catch {
    return undefined // it throws when it is looked at
  }
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000
  // Dates of HTTP are in GMT; the oldest of its formats does not say so.
  const date = /^[a-z]{3}/i.test(text) ? Date.parse(text.replace(/[ :]\d+$/, '$& GMT')) : NaN
  return date >= 0 ? Math.max(0, date - Date.now()) : undefined
}

function headerOf(headers: unknown): unknown {
  const found = Object(headers) as Partial<Map<string, unknown>>
  const value = typeof found.get === 'function' ? found.get('retry-after') : undefined
  const entries = typeof found.entries === 'function' ? found.entries() : Object.entries(found)
  return value ?? [...entries].find(([name]) => /^retry-after$/i.test(name))?.[1]
}

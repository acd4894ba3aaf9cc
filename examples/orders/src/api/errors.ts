import {
  ClosedError,
  isCancelled,
  isTimeout,
  QueueFullError,
  RateLimitError,
} from '@uno-async/core'
import { ShutdownError } from '@uno-async/lifecycle'
import { AcquireTimeoutError } from '@uno-async/pool'
import type { Context } from 'hono'
import type { Logger } from 'pino'
import { ZodError } from 'zod'
import { isConflict, isLost } from '../database/session.js'
import { Refused } from '../errors.js'
import { UpstreamError } from '../orders/prices.js'

/** What a failure means to the client. Only what is our fault is logged as an error. */
export function answer(error: Error, c: Context, log: Logger): Response {
  const say = (status: 404 | 409 | 422 | 429 | 500 | 502 | 503 | 504, text = error.message) =>
    c.json({ error: text }, status)
  const later = (milliseconds: number): void =>
    c.header('Retry-After', `${Math.max(1, Math.ceil(milliseconds / 1_000))}`)

  if (error instanceof Refused) return say(error.status)
  if (error instanceof ZodError) return c.json({ error: error.issues }, 422)
  if (error instanceof SyntaxError) return say(422)
  if (error instanceof RateLimitError) {
    later(error.retryAfter)
    return say(429)
  }
  if (isOverload(error)) {
    log.debug({ error: error.message }, 'refused')
    later(1_000)
    return say(503)
  }
  if (isTimeout(error)) return say(504)
  // Nobody is there to be answered any more, and nothing went wrong.
  if (isCancelled(error)) return c.body(null, 499 as 500)
  if (error instanceof UpstreamError) return say(502)
  log.error({ error }, `${c.req.method} ${c.req.path}`)
  return say(500, 'Something went wrong')
}

function isOverload(error: unknown): boolean {
  const kinds = [QueueFullError, AcquireTimeoutError, ClosedError, ShutdownError]
  return kinds.some((kind) => error instanceof kind) || isLost(error) || isConflict(error)
}

import { fileURLToPath } from 'node:url'
import { z } from 'zod'

const count = z.coerce.number().int().positive()

/** Every setting is a variable of the environment; without any it runs on a database of its own. */
const schema = z.object({
  INSTANCE: z.string().default('orders'),
  HOST: z.string().default('127.0.0.1'),
  PORT: z.coerce.number().int().default(3000),
  /** A PostgreSQL that several instances share; left out: an embedded one. */
  DATABASE_URL: z.string().optional(),
  /** Shares the rate limit, the cache of prices and the events' way between instances. */
  REDIS_URL: z.string().optional(),
  /** Where prices come from and mails go to; left out: a simulated, flaky one. */
  UPSTREAM_URL: z.string().optional(),
  SESSIONS: count.default(10),
  REQUESTS_AT_ONCE: count.default(48),
  REQUESTS_PER_SECOND: count.default(400),
  /** Milliseconds a request may take. */
  DEADLINE: count.default(5_000),
  /** Milliseconds until an event is sent again of which nothing was heard. */
  REDELIVER: count.default(10_000),
  SHUTDOWN_TIMEOUT: count.default(8_000),
  LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  DATA: z.string().default(inProject('.data')),
})

export type Config = z.infer<typeof schema>

export function readConfig(env: Record<string, string | undefined> = process.env): Config {
  return schema.parse(env)
}

/** A path in the folder of this example, from `src` and from `dist`. */
export function inProject(path: string): string {
  return fileURLToPath(new URL(`../${path}`, import.meta.url))
}

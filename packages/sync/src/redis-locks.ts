import {
  badValue,
  CancellationTokenSource,
  checkInteger,
  checkOptions,
  delay,
  type Milliseconds,
} from '@uno-async/core'
import { poll, RemoteHold } from './internal/remote-hold.js'
import { ignore } from './internal/run.js'
import type { LockBackend } from './lock-backend.js'
import { checkString } from './options.js'

/** What is needed of a client: `call` is ioredis's, `sendCommand` that of node-redis. */
export type RedisClient =
  | { call(command: string, ...args: string[]): Promise<unknown> }
  | { sendCommand(args: string[]): Promise<unknown> }

/** How to keep locks in Redis. */
export interface RedisLocksOptions {
  /** Milliseconds after which the lock of a process that died is free, default 10 000; renewed three times in this. */
  ttl?: Milliseconds | undefined
  /** Before each key, default `lock:`. */
  prefix?: string | undefined
}

// The fencing token is the server's time in microseconds, and more than the one before: it grows even if the
// server was restarted and has forgotten everything.
const TAKE = `if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return false end
local time = redis.call('TIME')
local token = math.max(time[1] * 1000000 + time[2], (tonumber(redis.call('GET', KEYS[2])) or 0) + 1)
token = string.format('%.0f', token)
redis.call('SET', KEYS[2], token)
return token`
const RENEW = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`
const FREE = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`

/**
 * Keeps the locks of a KeyedLock in Redis or Valkey: SET NX PX, renewed while held, given back by a script that
 * compares first.
 *
 * A lease is lost, and its `signal` aborted, when somebody else has the key, or when no renewal came through
 * in time. One server only: what a failover forgets is lost without notice, which is what the fencing token is
 * for. The tokens of a key are kept for good, one small value each.
 *
 * @throws TypeError, RangeError
 * @example
 * ```ts no-run
 * import { KeyedLock } from '@uno-async/sync'
 * import { redisLocks } from '@uno-async/sync/remote'
 * import { Redis } from 'ioredis'
 * const jobs = new KeyedLock({ backend: redisLocks(new Redis()) })
 * await jobs.run('nightly', ({ signal }) => fetch('https://example.com', { signal }))
 * ```
 */
export function redisLocks(client: RedisClient, options?: RedisLocksOptions): LockBackend {
  const { ttl = 10_000, prefix = 'lock:' } = checkOptions(options)
  checkInteger('ttl', ttl, 3)
  checkString('prefix', prefix)
  const { call, sendCommand } = (client ?? {}) as {
    call?: (...args: string[]) => Promise<unknown>
    sendCommand?: (args: string[]) => Promise<unknown>
  }
  if (typeof call !== 'function' && typeof sendCommand !== 'function') {
    throw badValue('client', 'a Redis client', client, TypeError)
  }
  const script = async (text: string, key: string, ...args: string[]): Promise<unknown> => {
    const name = `${prefix}{${key}}`
    const command = ['EVAL', text, '2', name, `${name}:token`, ...args]
    return call ? call.apply(client, command) : sendCommand?.call(client, command)
  }

  const attempt = async (key: string): Promise<RemoteHold | undefined> => {
    const owner = crypto.randomUUID()
    const asked = performance.now()
    const free = (): Promise<unknown> => script(FREE, key, owner)
    let token: unknown
    try {
      token = await script(TAKE, key, owner, String(ttl))
    } catch (error) {
      free().catch(ignore) // it may have got through
      throw error
    }
    if (token === null) return undefined
    const hold = new RemoteHold(BigInt(String(token)), free)
    void keep(hold, key, owner, asked)
    return hold
  }

  /** Renews until it is given back or lost. */
  const keep = async (
    hold: RemoteHold,
    key: string,
    owner: string,
    asked: number,
  ): Promise<void> => {
    const lose = (): void => hold.lose(`The lock "${key}" was lost`)
    // The key cannot expire before a ttl after the last command that set it was sent.
    const expiry = new CancellationTokenSource({ deadline: asked + ttl })
    expiry.token.onCancelled(lose)
    try {
      for (;;) {
        await delay(ttl / 3, { signal: hold.over, unref: true })
        const sent = performance.now()
        // Where it fails, the next one may still get through in time.
        const renewed = await hold.over.race(
          script(RENEW, key, owner, String(ttl)).catch(() => undefined),
        )
        if (renewed === 0) lose()
        else if (renewed === 1) expiry.cancelAfter(Math.max(0, sent + ttl - performance.now()))
      }
    } catch {
      // it is over
    } finally {
      expiry.close()
    }
  }

  return {
    acquire: async (key, wait) =>
      poll(`The lock "${checkString('key', key)}"`, () => attempt(key), wait),
  }
}

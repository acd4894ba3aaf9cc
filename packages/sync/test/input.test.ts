import {
  AsyncEvent,
  AsyncLock,
  AsyncSemaphore,
  KeyedLock,
  Limiter,
  RateLimiter,
  timeout,
  timeoutScope,
} from '@uno-async/sync'
import { watchPrimitives } from '@uno-async/sync/debug'
import { postgresLocks, redisLocks } from '@uno-async/sync/remote'
import { describe, expect, it } from 'vitest'

const BAD = [undefined, null, '5', {}, [], true, Number.NaN, -1, 0, 1.5, Infinity, 2 ** 53]
const OPTIONS = [undefined, BAD[3], BAD[4]]
/** Which of BAD are fine, for what. */
const options: Record<string, [fine: unknown[], use: (value: never) => unknown]> = {
  permits: [[0, Infinity], (v) => new AsyncSemaphore(v)],
  limit: [[0, Infinity], (v) => new Limiter(v)],
  'capacity =': [[0, Infinity], (v) => (new AsyncSemaphore(1).capacity = v)],
  'limit =': [[0, Infinity], (v) => (new Limiter(1).limit = v)],
  maxWaiting: [[undefined, 0, Infinity], (v) => new AsyncLock({ maxWaiting: v })],
  name: [[undefined, '5'], (v) => new AsyncLock({ name: v })],
  'name of an event': [[undefined, '5'], (v) => new AsyncEvent({ name: v })],
  set: [[undefined, true], (v) => new AsyncEvent({ set: v })],
  reentrant: [[undefined, true], (v) => new AsyncLock({ reentrant: v })],
  weight: [[undefined], (v) => new AsyncSemaphore(5).tryAcquire({ weight: v })?.release()],
  label: [[undefined, '5'], (v) => new AsyncSemaphore(5).tryAcquire({ label: v })?.release()],
  fn: [[], (v) => new Limiter(1).wrap(v)],
  ttl: [[undefined], (v) => redisLocks({ call: async () => 1 }, { ttl: v })],
  prefix: [[undefined, '5'], (v) => redisLocks({ call: async () => 1 }, { prefix: v })],
  'options of a lock': [OPTIONS, (v) => new AsyncLock(v)],
  'options of a semaphore': [OPTIONS, (v) => new AsyncSemaphore(1, v)],
  'options of a limiter': [OPTIONS, (v) => new Limiter(1, v)],
  'options of an event': [OPTIONS, (v) => new AsyncEvent(v)],
  'options of a keyed lock': [OPTIONS, (v) => new KeyedLock(v)],
  'options of tryAcquire': [OPTIONS, (v) => new AsyncLock().tryAcquire(v)],
  'options of a rate limiter': [[], (v) => new RateLimiter(v)],
  'options of update': [OPTIONS, (v) => new RateLimiter({ limit: 1 }).update(v)],
  'options of a scope': [OPTIONS, (v) => timeoutScope(5, undefined, v).close()],
  'key of tryAcquire': [
    BAD.filter((value) => !Array.isArray(value)),
    (v) => new KeyedLock<unknown>().tryAcquire(v),
  ],
  'client of redisLocks': [[], (v) => redisLocks(v)],
  'options of redisLocks': [OPTIONS, (v) => redisLocks({ call: async () => 1 }, v)],
  'options of watchPrimitives': [[], (v) => watchPrimitives(v)],
  'client of postgresLocks': [[], (v) => postgresLocks(v)],
}

const promises: Record<string, [fine: unknown[], use: (value: never) => Promise<unknown>]> = {
  weight: [[undefined], (v) => new AsyncSemaphore(5).acquire({ weight: v })],
  'weight of run': [[undefined], (v) => new AsyncSemaphore(5).run(() => {}, { weight: v })],
  runTimeout: [
    [undefined, 0, 1.5, Infinity, 2 ** 53],
    (v) => new Limiter(1).run(() => {}, { runTimeout: v }),
  ],
  'options of acquire': [OPTIONS, (v) => new AsyncLock().acquire(v)],
  'options of a keyed acquire': [OPTIONS, (v) => new KeyedLock().acquire('a', v)],
  'options of run': [OPTIONS, (v) => new Limiter(1).run(() => {}, v)],
  'options of wait': [OPTIONS, (v) => new AsyncEvent({ set: true }).wait(v)],
  'options of whenIdle': [OPTIONS, (v) => new AsyncSemaphore(1).whenIdle(v)],
  'options of whenIdle, not yet': [
    OPTIONS,
    (v) => {
      const semaphore = new AsyncSemaphore(1)
      const lease = semaphore.tryAcquire()
      const idle = semaphore.whenIdle(v)
      lease?.release()
      return idle
    },
  ],
  'options of a rate acquire': [OPTIONS, (v) => new RateLimiter({ limit: 1 }).acquire(v)],
  'options of check': [OPTIONS, (v) => new RateLimiter({ limit: 1 }).check(v)],
  'options of timeout': [OPTIONS, (v) => timeout(5, () => {}, v)],
  held: [[undefined], (v) => new AsyncLock().acquire({ held: v })],
  task: [[], (v) => new Limiter(1).run(v)],
  body: [[], (v) => new AsyncLock().run(v)],
  'timeout of wait': [
    [undefined, 0, 1.5, Infinity, 2 ** 53],
    (v) => new AsyncEvent({ set: true }).wait({ timeout: v }),
  ],
  'signal of wait': [[undefined, null], (v) => new AsyncEvent({ set: true }).wait({ signal: v })],
  'timeout of whenIdle': [
    [undefined, 0, 1.5, Infinity, 2 ** 53],
    (v) => new AsyncSemaphore(1).whenIdle({ timeout: v }),
  ],
}

describe('bad input', () => {
  it.each(Object.keys(options))('%s throws', (name) => {
    const [fine, use] = options[name] as (typeof options)[string]
    for (const value of BAD) {
      const call = () => use(value as never)
      if (fine.includes(value)) expect(call, String(value)).not.toThrow()
      else expect(call, String(value)).toThrow(/^Expected `\w+` to be .+, got `.*` \(\w+\)$/)
    }
  })

  it.each(Object.keys(promises))('%s rejects', async (name) => {
    const [fine, use] = promises[name] as (typeof promises)[string]
    for (const value of BAD) {
      const error = await use(value as never).then(
        () => undefined,
        (e: Error) => e,
      )
      if (fine.includes(value)) expect(error, String(value)).toBeUndefined()
      else expect(error?.message, String(value)).toMatch(/^Expected `\w+` to be .+, got `.*`/)
    }
  })
})

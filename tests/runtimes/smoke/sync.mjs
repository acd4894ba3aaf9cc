import {
  CancelledError,
  delay,
  enableAsyncContext,
  QueueFullError,
  TimeoutError,
} from '@uno-async/core'
import * as sync from '@uno-async/sync'
import * as debug from '@uno-async/sync/debug'
import * as remote from '@uno-async/sync/remote'
import { equal, fails } from './assert.mjs'

const checks = {
  async AsyncLock({ AsyncLock }) {
    const lock = new AsyncLock({ name: 'db', maxWaiting: 1 })
    const lease = await lock.acquire({ label: 'me' })
    const order = []
    const second = lock.run(() => order.push('second'))
    await fails(lock.acquire(), QueueFullError)
    equal(
      [lock.locked, lock.waiting, lock.owner.label, lock.tryAcquire()],
      [true, 1, 'me', undefined],
    )
    order.push('first')
    equal([lease.release(), lease.release()], [true, false])
    await second
    equal([order, lock.locked], [['first', 'second'], false])
    await lock[Symbol.asyncDispose]()
  },
  async AsyncSemaphore({ AsyncSemaphore }) {
    const semaphore = new AsyncSemaphore(2)
    const lease = await semaphore.acquire({ weight: 2 })
    await fails(semaphore.acquire({ timeout: 5 }), TimeoutError)
    lease.release()
    await semaphore.whenIdle()
    equal(semaphore.available, 2)
  },
  async AsyncEvent({ AsyncEvent }) {
    const event = new AsyncEvent()
    const waiting = event.wait()
    equal([event.waiting, event.set(), event.isSet], [1, true, true])
    await waiting
    equal([event.clear(), event.pulse()], [true, 0])
  },
  async DeadlockError({ AsyncLock, DeadlockError }) {
    const lock = new AsyncLock({ name: 'db' })
    const error = new DeadlockError('stuck', { cycle: ['a', 'b'] })
    equal([error.code, error.cycle], ['ERR_DEADLOCK', ['a', 'b']])
    await lock.run(() => fails(lock.acquire(), DeadlockError))
    // found after an await only where there is async context
    await lock.run(async () => {
      await delay(1)
      await fails(
        lock.acquire({ timeout: 20 }),
        enableAsyncContext() ? DeadlockError : TimeoutError,
      )
    })
  },
  async KeyedLock({ KeyedLock }) {
    const locks = new KeyedLock()
    const both = await locks.acquire(['a', 'b'])
    equal([locks.size, locks.tryAcquire('a'), locks.inspect('b').available], [2, undefined, 0])
    both.release()
    equal([await locks.run('a', () => 'ran'), locks.size], ['ran', 0])
  },
  async Limiter({ Limiter }) {
    const limiter = new Limiter(2)
    let most = 0
    const work = limiter.wrap(async (n) => {
      most = Math.max(most, limiter.active)
      await delay(1)
      return n * 2
    })
    equal(await Promise.all([1, 2, 3, 4].map(work)), [2, 4, 6, 8])
    equal(most, 2)
  },
  async RateLimiter({ RateLimiter }) {
    const rate = new RateLimiter({ limit: 1, interval: 60_000 })
    equal([rate.tryAcquire().allowed, rate.tryAcquire().allowed], [true, false])
    rate.update({ interval: 5 })
    equal(await rate.run(() => 'later'), 'later')
    equal(new RateLimiter({ limit: 1, algorithm: 'sliding-window' }).tryAcquire().remaining, 0)
  },
  async timeout({ timeout }) {
    equal(await timeout(60_000, () => delay(1).then(() => 'in time')), 'in time')
    const error = await fails(
      timeout(5, 'loading', ({ signal }) => delay(60_000, { signal })),
      TimeoutError,
    )
    equal(error.timeout, 5)
  },
  async timeoutScope({ timeoutScope }) {
    const scope = timeoutScope(60_000)
    equal([await scope.race(delay(1)), scope.expired], [undefined, false])
    scope.reschedule(1)
    await fails(scope.race(new Promise(() => {})), TimeoutError)
    equal([scope.expired, scope.signal.aborted], [true, true])
    scope[Symbol.dispose]()
  },
}

const debugChecks = {
  async watchPrimitives({ watchPrimitives }) {
    let watched
    const warned = new Promise((onWarning) => {
      watched = watchPrimitives({ slowHold: 5, stacks: true, onWarning })
    })
    const lock = new sync.AsyncLock({ name: 'slow' })
    const lease = await lock.acquire()
    const { kind, snapshot } = await warned
    equal([watched.snapshots().length, kind, snapshot.name], [1, 'slow-hold', 'slow'])
    lease.release()
    watched[Symbol.dispose]()
  },
}

/** Redis as far as one lock needs it: takes it once, loses it when told. */
class Redis {
  lost = false

  async call(_eval, script) {
    if (script.includes("'NX'")) return '7'
    return this.lost ? 0 : 1
  }
}

class Postgres {
  async query(text) {
    return { rows: text.includes('try_advisory') ? [{ token: '7' }] : [] }
  }
  on() {}
  removeListener() {}
}

const remoteChecks = {
  async LeaseLostError({ LeaseLostError, redisLocks }) {
    const redis = new Redis()
    const lease = await redisLocks(redis, { ttl: 30 }).acquire('key')
    redis.lost = true
    await fails(delay(60_000, { signal: lease.signal }), LeaseLostError)
    equal([lease.held, lease.signal.aborted], [false, true])
  },
  async redisLocks({ redisLocks }) {
    const locks = new sync.KeyedLock({ backend: redisLocks(new Redis()) })
    equal(await locks.run('job', (lease) => lease.token), 7n)
  },
  async postgresLocks({ postgresLocks }) {
    const lease = await postgresLocks(new Postgres()).acquire('job')
    equal([lease.token, lease.held, lease.release(), lease.held], [7n, true, true, false])
    await lease.released
    await fails(() => postgresLocks({}), TypeError)
    await fails(
      postgresLocks(new Postgres()).acquire('job', {
        signal: AbortSignal.abort(new CancelledError()),
      }),
      CancelledError,
    )
  },
}

export default [
  { specifier: '@uno-async/sync', exports: sync, checks },
  { specifier: '@uno-async/sync/debug', exports: debug, checks: debugChecks },
  { specifier: '@uno-async/sync/remote', exports: remote, checks: remoteChecks },
]

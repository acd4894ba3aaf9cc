// A million operations of each primitive, all through one long-lived token: the heap may not grow by a mebibyte
import { AsyncBatcher, AsyncCache, cached } from '@uno-async/cache'
import {
  AsyncContextGroup,
  AsyncExitStack,
  asyncContextManager,
  withContext,
} from '@uno-async/context'
import {
  AsyncVariable,
  CancellationToken,
  CancellationTokenSource,
  delay,
  shield,
  WaitQueue,
} from '@uno-async/core'
import {
  cancellable,
  concurrentLimited,
  rateLimited,
  retry,
  timeoutHandler,
} from '@uno-async/decorators'
import { AsyncManager } from '@uno-async/lifecycle'
import { AsyncResourcePool } from '@uno-async/pool'
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
import { runTask, runTasks, TaskGroup } from '@uno-async/tasks'

const { gc } = globalThis
const { COUNT = '1000000' } = process.env
const app = new CancellationTokenSource()
const signal = app.token
const nothing = () => {}

const variable = new AsyncVariable()
const queue = new WaitQueue()
const lock = new AsyncLock()
const semaphore = new AsyncSemaphore(2)
const event = new AsyncEvent({ set: true })
const keyed = new KeyedLock()
const limiter = new Limiter(2)
const rate = new RateLimiter({ limit: 1e9, interval: 1 })
const group = new TaskGroup({ signal })
const manager = { enter: nothing, exit: nothing }
const generated = asyncContextManager(async function* () {
  yield 1
})
const cache = new AsyncCache({ maxSize: 1_000, ttl: 60_000 })
const twice = cached(async (n) => n * 2, { maxSize: 1_000 })
const batcher = new AsyncBatcher((items) => items)
const pool = new AsyncResourcePool({ max: 2, create: nothing })
const lifecycle = new AsyncManager({ signal })
await lifecycle.start()
const ok = async () => 1
const decorated = {
  cancellable: cancellable({ signal })(ok),
  concurrentLimited: concurrentLimited(2)(ok),
  rateLimited: rateLimited({ limit: 1e9, interval: 1 })(ok),
  retry: retry({ signal })(ok),
  timeoutHandler: timeoutHandler({ timeout: 60_000, signal })(ok),
}

/** @type {Record<string, (i: number) => unknown>} */
const operations = {
  'child token': () => {
    const child = new CancellationTokenSource({ signal, timeout: 60_000 })
    child.token.onCancelled(nothing)
    child.close()
  },
  'child token, not closed': () => new CancellationTokenSource({ signal }).token.cancelled,
  onCancelled: () => signal.onCancelled(nothing).dispose(),
  'CancellationToken.any': () => CancellationToken.any(signal, CancellationToken.timeout(60_000)),
  race: () => signal.race(ok()),
  'delay, cancelled': () => {
    const child = new CancellationTokenSource({ signal })
    const waiting = delay(60_000, { signal: child.token }).catch(nothing)
    child.cancel()
    return waiting
  },
  shield: () => shield(nothing),
  AsyncVariable: (i) => variable.run(i, nothing),
  WaitQueue: () => {
    const waiting = queue.wait({ signal, timeout: 60_000 })
    queue.wake()
    return waiting
  },
  AsyncLock: () => lock.run(nothing, { signal }),
  'AsyncLock, two at once': () =>
    Promise.all([lock.run(nothing, { signal }), lock.run(nothing, { signal })]),
  AsyncSemaphore: () => semaphore.run(nothing, { signal, weight: 2 }),
  AsyncEvent: () => event.wait({ signal }),
  KeyedLock: (i) => keyed.run(`${i}`, nothing, { signal }),
  Limiter: () => limiter.run(nothing, { signal }),
  RateLimiter: () => rate.run(nothing, { signal }),
  timeout: () => timeout(60_000, ok, { signal }),
  timeoutScope: () => timeoutScope(60_000, 'late', { signal }).close(),
  'TaskGroup task': () => group.createTask(ok),
  TaskGroup: () => TaskGroup.run((it) => it.createTask(ok), { signal }),
  runTask: () => runTask(ok, { signal }),
  runTasks: () => runTasks([ok, ok], { signal }),
  withContext: () => withContext(manager, nothing, { signal }),
  asyncContextManager: () => withContext(generated(), nothing, { signal }),
  AsyncExitStack: () => AsyncExitStack.run((stack) => stack.defer(nothing), { signal }),
  AsyncContextGroup: () => new AsyncContextGroup([manager], { signal }).run(nothing),
  ...decorated,
  AsyncCache: (i) => cache.get(i, ok, { signal }),
  cached: (i) => twice(i),
  AsyncBatcher: (i) => batcher.add(i, { signal }),
  AsyncResourcePool: () => pool.run(nothing, { signal }),
  'AsyncManager.track': () => lifecycle.track(ok()),
  ManagedTask: () => lifecycle.createTask(ok),
}

const heap = () => {
  gc()
  gc()
  return process.memoryUsage().heapUsed
}
const repeat = async (operation, from, to) => {
  for (let i = from; i < to; i++) await operation(i)
  await new Promise((resolve) => setImmediate(resolve))
}

for (const [name, operation] of Object.entries(operations)) {
  await repeat(operation, 0, 20_000) // what is made on first use, and compiled
  const before = heap()
  const start = performance.now()
  await repeat(operation, 20_000, 20_000 + Number(COUNT))
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  const grown = (heap() - before) / 2 ** 20
  const good = grown < 1
  if (!good) process.exitCode = 1
  console.log(`${good ? '✓' : '✗'} ${name}: ${grown.toFixed(2)} MiB more, ${seconds} s`)
}
await Promise.all([lifecycle.shutdown(), pool.close(), cache.close(), group.cancel()])

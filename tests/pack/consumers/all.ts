// What a strict consumer writes, with what it has: an option may be undefined everywhere, callbacks need no annotations.
import { AsyncBatcher, AsyncCache, cached } from '@uno-async/cache'
import { AsyncExitStack, asyncContextManager, withContext } from '@uno-async/context'
import {
  type Cancellation,
  CancellationToken,
  CancellationTokenSource,
  CancelledError,
  delay,
  type Lease,
  TimeoutError,
} from '@uno-async/core'
import { compose, retry, timeoutHandler } from '@uno-async/decorators'
import { AsyncManager, runApplication } from '@uno-async/lifecycle'
import { AsyncResource, AsyncResourcePool } from '@uno-async/pool'
import { AsyncLock, KeyedLock, Limiter, RateLimiter, timeout } from '@uno-async/sync'
import { watchPrimitives } from '@uno-async/sync/debug'
import { redisLocks } from '@uno-async/sync/remote'
import { runTasks, settleTasks, TaskGroup } from '@uno-async/tasks'

export async function everything(
  signal: AbortSignal | undefined,
  name: string | undefined,
  maybe: number | undefined,
): Promise<void> {
  const source = new CancellationTokenSource({ signal, timeout: maybe, name })
  const any: Cancellation = CancellationToken.any(source.token, signal, undefined)
  await delay(1, { signal: any, unref: undefined })

  const lock = new AsyncLock({ name, maxWaiting: maybe })
  const lease: Lease = await lock.acquire({ signal, timeout: maybe, label: name, priority: maybe })
  lease.release()
  const ran: string = await lock.run(async (held, token) => `${held.held} ${token.cancelled}`)
  const keyed = new KeyedLock({
    backend: redisLocks({ call: async () => ran }, { ttl: maybe, prefix: name }),
  })
  keyed.tryAcquire('a', { label: name })?.release()
  const limited: number = await new Limiter(2, { name }).run(() => 1, { runTimeout: maybe })
  const rate = new RateLimiter({ limit: limited, burst: maybe, algorithm: undefined })
  const late: number = await timeout(5, 'late', () => rate.available, { signal, mode: undefined })
  watchPrimitives({ onWarning: ({ kind }) => kind, slowHold: maybe }).dispose()

  const [one, two] = await runTasks([() => late, async () => 'two'], { signal, concurrency: maybe })
  const sum: string = one.toFixed() + two.toUpperCase()
  for (const outcome of await settleTasks([1], (n) => n * 2, { name })) {
    if (outcome.status === 'fulfilled') outcome.value.toFixed()
  }
  const grouped: string = await TaskGroup.run(
    (group) => group.createTask(async () => sum, { timeout: maybe, name }),
    { signal, grace: maybe },
  )

  const manager = asyncContextManager(async function* (text: string) {
    yield text.length
  })
  const length: number | undefined = await withContext(manager(grouped), (n) => n, { signal })
  await AsyncExitStack.run((stack) => stack.adopt(length, () => {}), { exitTimeout: maybe })

  const load = compose(retry({ maxAttempts: maybe }), timeoutHandler(5))(async (id: number) => id)
  const loaded: number = await load(1)
  const cache = new AsyncCache({ ttl: maybe, load: async (key: string) => [key, name] as const })
  const [key] = await cache.get('a', { signal, ttl: maybe })
  const batcher = new AsyncBatcher(async (items: readonly number[]) => [...items], { name })
  const batched: number = await batcher.add(loaded)
  const twice = cached(async (n: number) => n * 2, { ttl: maybe })
  await twice(batched)

  class Connection extends AsyncResource {
    protected async initialize() {}
    protected async cleanup() {}
  }
  const pool = AsyncResourcePool.of(() => new Connection(), { max: 1, min: maybe, name })
  await pool.run((connection) => connection.state, { signal, destroyOn: undefined })

  const app = new AsyncManager({ signal, shutdownTimeout: maybe })
  const handle = app.registerResource({
    name: 'db',
    start: async () => new Map([[key, 1]]),
    stop: (map) => map.clear(),
  })
  const size: number = handle.value.size
  await runApplication({ startup: () => size, main: (n) => n.toFixed(), exit: 'never' })

  try {
    source.token.throwIfCancelled()
  } catch (error) {
    if (error instanceof TimeoutError) error.timeout.toFixed()
    if (error instanceof CancelledError) error.message.trim()
  }
}

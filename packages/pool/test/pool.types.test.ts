import type { CancellationToken } from '@uno-async/core'
import {
  type AcquireTimeoutError,
  AsyncResource,
  AsyncResourcePool,
  type PoolEvent,
  type PoolLease,
  type PoolStats,
} from '@uno-async/pool'
import { expectTypeOf } from 'vitest'

interface Client {
  query(sql: string): Promise<number>
}
declare const connect: (options: { signal: AbortSignal }) => Promise<Client>

const pool = new AsyncResourcePool({ create: connect, max: 10 })
expectTypeOf(pool).toEqualTypeOf<AsyncResourcePool<Client>>()
expectTypeOf(pool.acquire()).resolves.toEqualTypeOf<PoolLease<Client>>()
expectTypeOf(pool.tryAcquire()).toEqualTypeOf<PoolLease<Client> | undefined>()
expectTypeOf(pool.run((client) => client.query('select 1'))).resolves.toEqualTypeOf<number>()
expectTypeOf(pool.run(() => 'x')).resolves.toEqualTypeOf<string>()
expectTypeOf(pool.stats()).toEqualTypeOf<PoolStats>()
await pool.run((client, token) => {
  expectTypeOf(client).toEqualTypeOf<Client>()
  expectTypeOf(token).toEqualTypeOf<CancellationToken>()
})
{
  await using lease = await pool.acquire({ label: 'l', priority: 1, timeout: 5 })
  expectTypeOf(lease.resource).toEqualTypeOf<Client>()
  // @ts-expect-error
  lease.resource = await connect({ signal: AbortSignal.abort() })
}
new AsyncResourcePool({
  create: connect,
  max: 1,
  destroy: (client) => expectTypeOf(client).toEqualTypeOf<Client>(),
  retryCreate: false,
  onEvent: (event) => {
    expectTypeOf(event).toEqualTypeOf<PoolEvent>()
    if (event.type === 'create-failed') expectTypeOf(event.retryIn).toEqualTypeOf<number | false>()
    if (event.type === 'destroyed') expectTypeOf(event.reason).toExtend<string>()
  },
})
// @ts-expect-error
new AsyncResourcePool({ create: connect })
// @ts-expect-error
new AsyncResourcePool({ create: connect, max: 1, retryCreate: true })
// @ts-expect-error
new AsyncResourcePool({ create: connect, max: 1, maxsize: 1 })

class Session extends AsyncResource {
  protected override initialize(token: CancellationToken): void {
    token.throwIfCancelled()
  }
  protected override cleanup(): void {}
}
expectTypeOf(new Session().open()).resolves.toEqualTypeOf<Session>()
// @ts-expect-error
new Session().initialize()
// @ts-expect-error
new AsyncResource()
// @ts-expect-error
new Session().state = 'open'
const sessions = AsyncResourcePool.of(() => new Session(), { max: 1 })
expectTypeOf(sessions).toEqualTypeOf<AsyncResourcePool<Session>>()
// @ts-expect-error
AsyncResourcePool.of(() => new Session(), { max: 1, destroy: () => {} })

expectTypeOf<AcquireTimeoutError['code']>().toEqualTypeOf<'ETIMEDOUT'>()

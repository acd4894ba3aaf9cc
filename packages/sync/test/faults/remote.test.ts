import { type ChildProcess, fork } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { CancellationTokenSource, type Lease, TimeoutError } from '@uno-async/core'
import { KeyedLock, type RemoteLease } from '@uno-async/sync'
import { LeaseLostError, postgresLocks, redisLocks } from '@uno-async/sync/remote'
import { Redis } from 'ioredis'
import pg from 'pg'
import { createClient } from 'redis'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { runnable, type Server, startPostgres, startRedis } from '../../../../tests/servers.js'

const TTL = 600

describe.runIf(runnable).each(['pg', 'ioredis', 'redis'] as const)('locks over %s', (kind) => {
  let server: Server
  const ends: (() => unknown)[] = []
  beforeAll(async () => {
    server = await (kind === 'pg' ? startPostgres() : startRedis())
  })
  afterAll(() => server?.remove())
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })

  const backend = () => {
    if (kind === 'redis') {
      const client = createClient({ socket: { host: '127.0.0.1', port: server.port } })
      client.on('error', () => {})
      client.connect().catch(() => {})
      ends.push(() => client.destroy())
      return redisLocks(client, { ttl: TTL })
    }
    if (kind === 'ioredis') {
      const client = new Redis(server.port, { maxRetriesPerRequest: 0 })
      client.on('error', () => {})
      ends.push(() => client.disconnect())
      return redisLocks(client, { ttl: TTL })
    }
    const pool = new pg.Pool({ host: '127.0.0.1', port: server.port, user: 'postgres', max: 2 })
    pool.on('error', () => {})
    ends.push(() => pool.end())
    return postgresLocks(pool)
  }
  const make = () => new KeyedLock({ backend: backend(), name: 'remote' })

  /** Takes writes; refuses those with a token smaller than one it has seen. */
  class Resource {
    greatest = 0n
    accepted = 0
    refused = 0
    write(token: bigint) {
      if (token < this.greatest) this.refused++
      else {
        this.greatest = token
        this.accepted++
      }
    }
  }

  const worker = (resource: Resource, holdFor: number) => {
    const file = fileURLToPath(new URL('./worker.mjs', import.meta.url))
    const child = fork(file, [kind, `${server.port}`, `${TTL}`, `${holdFor}`])
    const events: Record<string, string>[] = []
    child.on('message', (event: Record<string, string>) => {
      const { write } = event
      if (write) resource.write(BigInt(write))
      else events.push(event)
    })
    ends.push(() => child.kill('SIGKILL'))
    return Object.assign(child as ChildProcess, {
      seen: (what: string) => events.filter((event) => event[what]),
    })
  }
  const until = async (done: () => boolean, within = 30_000) => {
    const end = performance.now() + within
    while (!done()) {
      if (performance.now() > end) throw new Error(`not within ${within} ms: ${done}`)
      await sleep(10)
    }
  }

  it('excludes, over two clients, and its tokens grow', async () => {
    const [a, b] = [make(), make()]
    let inside = 0
    let last = 0n
    const job = (lock: KeyedLock) =>
      lock.run('key', async (lease) => {
        expect(++inside).toBe(1)
        const { token } = lease as RemoteLease
        expect(token).toBeGreaterThan(last)
        last = token
        await sleep(2)
        inside--
      })
    await Promise.all(Array.from({ length: 40 }, (_, i) => job(i % 2 ? a : b)))
    await until(() => a.size + b.size === 0)
    await Promise.all([
      a.run(['x', 'y', 'z'], () => sleep(2)),
      b.run(['z', 'y', 'x'], () => sleep(2)),
    ])
  })

  it('times out, can be cancelled, tries once', async () => {
    const [a, b] = [make(), make()]
    const lease = await a.acquire('key')
    await expect(b.acquire('key', { timeout: 0 })).rejects.toBeInstanceOf(TimeoutError)
    await expect(b.acquire('key', { timeout: 50 })).rejects.toThrow(
      /^KeyedLock "remote" timed out after 50 ms: held by another process$/,
    )
    const source = new CancellationTokenSource()
    const waiting = b.acquire('key', { signal: source.token })
    waiting.catch(() => {})
    await sleep(30)
    source.cancel()
    await expect(waiting).rejects.toBe(source.token.error)
    const closed = b.acquire('key')
    closed.catch(() => {})
    await sleep(30)
    b.close()
    await expect(closed).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    expect(() => a.tryAcquire('key')).toThrow(TypeError)
    await expect(make().acquire(5 as never)).rejects.toThrow(/`key`/)
    expect([lease.release(), lease.release()]).toEqual([true, false])
    await (lease as RemoteLease).released
    const next = await make().acquire('key', { timeout: 0 })
    next.release()
    expect((lease as RemoteLease).signal.aborted).toBe(false)
  })

  it('leaves nothing behind of those who left while it was asked', async () => {
    const [a, b] = [make(), make()]
    for (let i = 0; i < 50; i++) {
      const source = new CancellationTokenSource()
      const waiting = a.acquire('key', { signal: source.token })
      await sleep(i % 5)
      source.cancel()
      await waiting.then(
        (lease) => lease.release(),
        () => {},
      )
    }
    for (const lock of [b, a]) {
      const lease = (await lock.acquire('key', { timeout: 5_000 })) as RemoteLease
      lease.release()
      await lease.released
    }
  })

  it('excludes two locks over one backend', async () => {
    const shared = backend()
    const [a, b] = [new KeyedLock({ backend: shared }), new KeyedLock({ backend: shared })]
    const lease = await a.acquire('key')
    await expect(b.acquire('key', { timeout: 0 })).rejects.toBeInstanceOf(TimeoutError)
    const waiting = b.acquire('key', { timeout: 5_000 })
    lease.release()
    ;(await waiting).release()
  })

  it('keeps what is held longer than its time to live', async () => {
    const [a, b] = [make(), make()]
    const lease = (await a.acquire('long')) as RemoteLease
    await sleep(TTL * 2)
    expect([lease.held, lease.signal.aborted]).toEqual([true, false])
    await expect(b.acquire('long', { timeout: 0 })).rejects.toBeInstanceOf(TimeoutError)
    lease.release()
  })

  it('two processes contend, one is killed with -9 while it holds: the other goes on', async () => {
    const resource = new Resource()
    const [first, second] = [worker(resource, 30), worker(resource, 30)]
    await until(() => first.seen('gave').length > 2 && second.seen('gave').length > 2)
    const holds = first.seen('took').length
    await until(() => first.seen('took').length > Math.max(holds, first.seen('gave').length))
    first.kill('SIGKILL')
    const before = second.seen('took').length
    await until(() => second.seen('took').length > before + 3)
    expect(resource.refused).toBe(0)
    expect(resource.accepted).toBeGreaterThan(10)
  })

  it('the server is stopped and started: leases are lost and say so, then all goes on', async () => {
    const lock = make()
    const lease = (await lock.acquire('kept')) as RemoteLease
    let token: unknown
    const body = lock.run('body', async (_, given) => {
      token = given
      await given.race(new Promise(() => {}))
    })
    body.catch(() => {})
    await until(() => token !== undefined)
    await server.stop()
    await until(() => lease.signal.aborted, 10_000)
    expect(lease.signal.reason).toBeInstanceOf(LeaseLostError)
    await expect(body).rejects.toBeInstanceOf(LeaseLostError)
    await lock.acquire('down', { timeout: 300 }).then(
      () => expect.unreachable(),
      (error) => expect(error).toBeInstanceOf(Error),
    )
    await server.start()
    const old = lease.token
    lease.release()
    let again: RemoteLease | undefined
    for (let i = 0; i < 100 && !again; i++) {
      again = (await lock.acquire('kept', { timeout: 500 }).catch(() => sleep(20))) as typeof again
    }
    expect(again?.token).toBeGreaterThan(old)
    again?.release()
    await until(() => lock.size === 0)
  })

  it('a resource that checks tokens accepts nothing of a holder that stood still', async () => {
    const resource = new Resource()
    const first = worker(resource, 60_000)
    await until(() => first.seen('took').length === 1)
    first.kill('SIGSTOP')
    if (kind === 'pg') {
      const admin = new pg.Client({ host: '127.0.0.1', port: server.port, user: 'postgres' })
      await admin.connect()
      const others =
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE $1 AND pid <> pg_backend_pid()'
      await admin.query(others, ['%pg_try_advisory_lock%'])
      await admin.end()
    }
    const lease: Lease = await make().acquire('resource', { timeout: 20_000 })
    const { token } = lease as RemoteLease
    resource.write(token)
    const { accepted } = resource
    first.kill('SIGCONT')
    await until(() => first.seen('lost').length === 1)
    expect(first.seen('lost')[0]).toMatchObject({ reason: 'LeaseLostError' })
    await sleep(50)
    expect([resource.accepted, resource.greatest]).toEqual([accepted, token])
    expect(resource.refused).toBeGreaterThan(0)
    lease.release()
  })
})

import { getEventListeners } from 'node:events'
import { CancellationTokenSource, type Lease, QueueFullError, TimeoutError } from '@uno-async/core'
import { DeadlockError, KeyedLock } from '@uno-async/sync'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { flush } from './contract.js'

describe('KeyedLock', () => {
  it('keeps keys apart, whatever they are, and forgets them after the last use', async () => {
    const lock = new KeyedLock<unknown>()
    const object = {}
    const keys = ['__proto__', '', Symbol('s'), object, 0, 'constructor', undefined, Number.NaN]
    const leases = keys.map((key) => lock.tryAcquire(key) as Lease)
    expect(lock.size).toBe(keys.length)
    for (const key of keys) expect(lock.tryAcquire(key)).toBeUndefined()
    expect(lock.inspect(object)?.holders).toHaveLength(1)
    expect(lock.inspect({})).toBeUndefined()
    for (const lease of leases) lease.release()
    expect(lock.size).toBe(0)
    expect(lock.tryAcquire('', { label: 'x' })?.release()).toBe(true)
    expect(lock.size).toBe(0)
  })

  it('forgets keys on every way out', async () => {
    const lock = new KeyedLock()
    const source = new CancellationTokenSource()
    const lease = await lock.acquire('a')
    const waiting = lock.acquire(['b', 'a'], { signal: source.token })
    await flush()
    expect(lock.size).toBe(2)
    source.cancel()
    await expect(waiting).rejects.toBe(source.token.error)
    expect(lock.size).toBe(1)
    await expect(lock.acquire('z', { signal: source.token })).rejects.toBe(source.token.error)
    await expect(lock.acquire('z', { timeout: -1 })).rejects.toThrow(RangeError)
    expect(() => lock.tryAcquire('z', { label: 5 as never })).toThrow(TypeError)
    await expect(lock.acquire(['a', 'c'], { timeout: 0 })).rejects.toBeInstanceOf(TimeoutError)
    lease.release()
    expect(lock.size).toBe(0)
    expect((await lock.acquire([])).release()).toBe(true)
  })

  it('takes several keys in one order, so that opposite lists never wait for each other', async () => {
    const lock = new KeyedLock()
    let inside = 0
    await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        lock.run(i % 2 ? ['a', 'b', 'c'] : ['c', 'b', 'a', 'c'], async () => {
          expect(++inside).toBe(1)
          await undefined
          inside--
        }),
      ),
    )
    expect(lock.size).toBe(0)
  })

  it('takes all or nothing, and gives all back', async () => {
    const lock = new KeyedLock({ name: 'accounts' })
    const b = lock.tryAcquire('b', { label: 'holder' }) as Lease
    await expect(lock.acquire(['a', 'b'], { timeout: 0 })).rejects.toThrow(
      /^KeyedLock "accounts" of "b" timed out after 0 ms: held for \d+ ms by "holder", 0 waiting$/,
    )
    expect(lock.tryAcquire('a')?.release()).toBe(true)
    b.release()
    const both = await lock.acquire(['a', 'b'])
    expect([lock.tryAcquire('a'), lock.tryAcquire('b')]).toEqual([undefined, undefined])
    expect([both.release(), both.release(), both.held]).toEqual([true, false, false])
    expect(lock.size).toBe(0)
  })

  it('takes all of several keys by the options as they were at the call', async () => {
    const lock = new KeyedLock()
    const first = await lock.acquire('a')
    const second = await lock.acquire('b')
    const options = { label: 'mine', priority: 1 }
    const both = lock.acquire(['a', 'b'], options)
    Object.assign(options, { label: 'other', priority: 0 })
    first.release()
    await flush()
    expect(lock.inspect('b')?.waiters).toMatchObject([{ label: 'mine', priority: 1 }])
    second.release()
    ;(await both).release()
  })

  it('counts who may wait by key', async () => {
    const lock = new KeyedLock({ maxWaiting: 1 })
    const leases = [lock.tryAcquire('a'), lock.tryAcquire('b')]
    const waiting = [lock.acquire('a'), lock.acquire('b')]
    await expect(lock.acquire('a')).rejects.toBeInstanceOf(QueueFullError)
    for (const lease of leases) lease?.release()
    for (const lease of await Promise.all(waiting)) lease.release()
  })

  it('refuses what this flow holds, one key or several', async () => {
    const lock = new KeyedLock({ name: 'k' })
    const errors: unknown[] = []
    const keep = (error: unknown) => void errors.push(error)
    await lock.run(['a', 'b'], () => lock.acquire('a').then(undefined, keep))
    await lock.run(['a', 'b'], () => lock.acquire(['c', 'b']).then(undefined, keep))
    await lock.run('a', () => lock.acquire('b').then((lease) => lease.release()))
    expect(errors).toHaveLength(2)
    for (const error of errors) expect(error).toBeInstanceOf(DeadlockError)
    expect(errors[1]).toMatchObject({ cycle: ['KeyedLock "k" of "b"', 'KeyedLock "k" of "b"'] })
    expect(lock.size).toBe(0)
  })

  it.each([[{ backend: {} }], [{ backend: null }], [{ name: 5 }], [{ maxWaiting: -1 }]])(
    'refuses bad options: %j',
    (options) => {
      expect(() => new KeyedLock(options as never)).toThrow(/Expected `/)
    },
  )
})

it('takes very many keys', async () => {
  const lock = new KeyedLock<number>()
  const keys = Array.from({ length: 20_000 }, (_, i) => i)
  expect(await lock.run(keys, () => lock.size)).toBe(keys.length)
  expect(lock.size).toBe(0)
})

it('leaves a backend that does not listen, and gives back what comes late', async () => {
  let grant = (): void => {}
  const release = vi.fn(() => true)
  const backend = {
    acquire: () =>
      new Promise<never>((resolve) => {
        grant = () => resolve({ token: 1n, released: Promise.resolve(), release } as never)
      }),
  }
  const lock = new KeyedLock({ backend })
  const source = new CancellationTokenSource()
  const left = lock.acquire('a', { signal: source.token })
  await flush()
  source.cancel()
  await expect(left).rejects.toBe(source.token.error)
  grant()
  await flush()
  expect(release).toHaveBeenCalledOnce()
  expect(lock.size).toBe(0)
})

it('is held no more once it was lost, and kept from those here until the release', async () => {
  const controllers = [new AbortController(), new AbortController()]
  let n = 0
  const acquire = async () => {
    const { signal } = controllers[n++] ?? new AbortController()
    return { token: 1n, signal, released: Promise.resolve(), release: () => true } as never
  }
  const lock = new KeyedLock({ backend: { acquire } })
  const lease = await lock.acquire(['a', 'b'])
  expect(lease.held).toBe(true)
  controllers[1]?.abort()
  expect(lease.held).toBe(false)
  const next = lock.acquire('a')
  await flush()
  expect(lock.inspect('a')?.waiters).toHaveLength(1)
  expect([lease.release(), lease.release()]).toEqual([true, false])
  expect((await next).held).toBe(true)
})

it('runs nothing under a lock that was lost while it waited for another', async () => {
  const [first, second] = [new AbortController(), new AbortController()]
  let grant = (): void => {}
  const lease = { token: 1n, released: Promise.resolve(), release: vi.fn(() => true) }
  const acquire = async (key: string) => {
    if (key === 'b') await new Promise<void>((resolve) => (grant = resolve))
    return { ...lease, signal: (key === 'a' ? first : second).signal } as never
  }
  const lock = new KeyedLock({ backend: { acquire } })
  const body = vi.fn()
  const running = lock.run(['a', 'b'], body)
  await flush()
  const lost = new Error('lost')
  first.abort(lost)
  grant()
  await expect(running).rejects.toBe(lost)
  expect(body).not.toHaveBeenCalled()
  await flush()
  expect(lease.release).toHaveBeenCalledTimes(2)
  expect(lock.size).toBe(0)
})

it('leaves no listener on the signal of who runs under a backend, whose body reads its own', async () => {
  const acquire = async () => {
    const { signal } = new AbortController()
    return { token: 1n, signal, released: Promise.resolve(), release: () => true } as never
  }
  const lock = new KeyedLock({ backend: { acquire } })
  const { signal } = new AbortController()
  await lock.run('a', async (_lease, token) => token.signal.throwIfAborted(), { signal })
  await lock.run('a', (_lease, token) => token.signal.throwIfAborted(), { signal })
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
})

describe('a backend that fails', () => {
  const granted = { token: 1n, signal: new AbortController().signal, released: Promise.resolve() }
  const reportError = vi.fn()
  beforeEach(() => vi.stubGlobal('reportError', reportError.mockReset()))
  afterEach(() => vi.unstubAllGlobals())

  it.each([undefined, null, 5, {}])('keeps no key locked that gives %j', async (lease) => {
    const lock = new KeyedLock({ backend: { acquire: async () => lease as never } })
    await expect(lock.run('key', () => {})).rejects.toThrow(
      /^Expected `backend` to be one whose acquire\(\) gives a lease, got/,
    )
    await flush()
    expect(lock.size).toBe(0)
  })

  const rejecting = {
    ...granted,
    release: () => true,
    get released() {
      return Promise.reject(new Error('down'))
    },
  }
  it.each([
    ['throws in release', { ...granted, release: () => throws() }],
    ['rejects released', rejecting],
  ])('keeps no key locked that %s, and that is reported', async (_, lease) => {
    const lock = new KeyedLock({ backend: { acquire: async () => lease as never } })
    expect(await lock.run(['a', 'b'], () => 'done')).toBe('done')
    await flush()
    expect(lock.size).toBe(0)
    expect(reportError.mock.calls).toMatchObject([[{ message: 'down' }], [{ message: 'down' }]])
  })

  it('is heard when it cannot give back what comes late', async () => {
    let grant = (_: unknown): void => {}
    const acquire = () => new Promise<never>((resolve) => (grant = resolve as typeof grant))
    const lock = new KeyedLock({ backend: { acquire } })
    const source = new CancellationTokenSource()
    const left = lock.acquire('a', { signal: source.token })
    await flush()
    source.cancel()
    await expect(left).rejects.toBe(source.token.error)
    grant({ ...granted, release: () => throws() })
    await flush()
    expect(reportError.mock.calls).toMatchObject([[{ message: 'down' }]])
  })

  function throws(): never {
    throw new Error('down')
  }
})

// The locks of a server that is a Map: what a real one does is in faults/.
import { CancellationTokenSource, TimeoutError } from '@uno-async/core'
import { KeyedLock } from '@uno-async/sync'
import { LeaseLostError, type RedisLocksOptions, redisLocks } from '@uno-async/sync/remote'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

class Server {
  readonly locks = new Map<string, { owner: string; until: number }>()
  readonly commands: string[] = []
  token = 0
  down = false
  answer: Promise<unknown> | undefined

  /** As ioredis has it. */
  async call(command: string, ...args: string[]): Promise<unknown> {
    const [text = '', count, key = '', token, owner = '', ttl] = args
    const what = text.includes('NX') ? 'take' : text.includes('PEXPIRE') ? 'renew' : 'free'
    this.commands.push(what)
    expect([command, count, token]).toEqual(['EVAL', '2', `${key}:token`])
    if (this.down) throw new Error('no connection')
    await this.answer
    const until = performance.now() + Number(ttl)
    const lock = this.locks.get(key)
    const held = lock && lock.until > performance.now() ? lock : undefined
    if (what === 'take' && held) return null
    if (what !== 'take' && held?.owner !== owner) return 0
    if (what === 'free') return Number(this.locks.delete(key))
    this.locks.set(key, { owner, until })
    return what === 'take' ? String(++this.token) : 1
  }
}

let server: Server
const locks = (options?: RedisLocksOptions) => redisLocks(server, { ttl: 300, ...options })

beforeEach(() => {
  vi.useFakeTimers()
  server = new Server()
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

it('takes a free key with a token that grows, and gives it back once', async () => {
  const backend = locks()
  const lease = await backend.acquire('a')
  expect([lease.held, lease.token, lease.signal.aborted]).toEqual([true, 1n, false])
  expect([...server.locks.keys()]).toEqual(['lock:{a}'])
  expect([lease.release(), lease.release(), lease.held]).toEqual([true, false, false])
  await lease.released
  expect([server.locks.size, lease.signal.aborted]).toEqual([0, false])
  {
    using next = await backend.acquire('a', { timeout: 0 })
    expect(next.token).toBe(2n)
  }
  await vi.runAllTimersAsync()
  expect([server.locks.size, server.commands.join(' ')]).toEqual([0, 'take free take free'])
})

it('asks a node-redis client the same', async () => {
  const sendCommand = vi.fn(function (this: unknown, args: string[]) {
    expect(this).toBe(client)
    return server.call(...(args as [string]))
  })
  const client = { sendCommand }
  const lease = await redisLocks(client, { prefix: 'jobs:' }).acquire('a')
  expect([...server.locks.keys()]).toEqual(['jobs:{a}'])
  lease.release()
  await lease.released
})

it('keeps a key for 10 s by default, and renews it three times in its time', async () => {
  const lease = await redisLocks(server).acquire('a')
  expect(server.locks.get('lock:{a}')?.until).toBe(performance.now() + 10_000)
  lease.release()
  const short = await locks().acquire('b')
  await vi.advanceTimersByTimeAsync(1_000)
  expect(server.commands.filter((it) => it === 'renew')).toHaveLength(10)
  expect([short.held, server.locks.get('lock:{b}')?.until]).toEqual([true, performance.now() + 300])
  short.release()
  await vi.runAllTimersAsync()
  expect(server.commands.at(-1)).toBe('free')
})

it('waits for a key that somebody has, asking a little less often each time', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
  const held = await locks().acquire('a')
  const waiting = locks().acquire('a')
  const asked: number[] = []
  const start = performance.now()
  for (let seen = 2; performance.now() - start < 1_000; ) {
    await vi.advanceTimersByTimeAsync(5)
    const takes = server.commands.filter((it) => it === 'take').length
    if (takes > seen) asked.push(performance.now() - start)
    seen = takes
  }
  expect(asked).toEqual([5, 15, 35, 75, 155, 315, 515, 715, 915])
  held.release()
  await vi.advanceTimersByTimeAsync(200)
  const lease = await waiting
  expect(lease.held).toBe(true)
  lease.release()
  vi.mocked(Math.random).mockRestore()
})

it('tries once with timeout: 0, and gives up after a timeout or at a cancel', async () => {
  const held = await locks().acquire('a')
  await expect(locks().acquire('a', { timeout: 0 })).rejects.toMatchObject({
    name: 'TimeoutError',
    timeout: 0,
    operation: 'The lock "a"',
    message: 'The lock "a" timed out after 0 ms: held by another process',
  })
  const late = locks().acquire('a', { timeout: 50 })
  const source = new CancellationTokenSource()
  const reason = new Error('no longer needed')
  const cancelled = locks().acquire('a', { signal: source.token })
  const outcomes = Promise.allSettled([late, cancelled])
  await vi.advanceTimersByTimeAsync(20)
  source.cancel(reason)
  await vi.advanceTimersByTimeAsync(30)
  const [first, second] = await outcomes
  expect(first).toMatchObject({
    reason: {
      name: 'TimeoutError',
      message: 'The lock "a" timed out after 50 ms: held by another process',
    },
  })
  expect(first.status === 'rejected' && first.reason).toBeInstanceOf(TimeoutError)
  expect(second).toEqual({ status: 'rejected', reason })
  held.release()
})

it('gives back what comes after nobody waits any more', async () => {
  const source = new CancellationTokenSource()
  let answer!: () => void
  server.answer = new Promise<void>((resolve) => {
    answer = resolve
  })
  const waiting = locks().acquire('a', { signal: source.token })
  const outcome = expect(waiting).rejects.toThrow('too slow')
  source.cancel(new Error('too slow'))
  await outcome
  answer()
  await vi.runAllTimersAsync()
  expect([server.locks.size, server.commands]).toEqual([0, ['take', 'free']])
})

it('asks to free what an attempt that failed may have taken', async () => {
  server.down = true
  await expect(locks().acquire('a')).rejects.toThrow('no connection')
  expect(server.commands).toEqual(['take', 'free'])
})

describe('a lease', () => {
  it('is lost as soon as somebody else has the key, and its body is told', async () => {
    const lock = new KeyedLock({ backend: locks() })
    const told = vi.fn()
    const run = lock.run('a', (_, token) => {
      token.onCancelled(told)
      return token.race(new Promise(() => {}))
    })
    const lost = expect(run).rejects.toMatchObject({
      name: 'LeaseLostError',
      code: 'ERR_LEASE_LOST',
      message: 'The lock "a" was lost',
    })
    await vi.advanceTimersByTimeAsync(0)
    server.locks.set('lock:{a}', { owner: 'another', until: Infinity })
    await vi.advanceTimersByTimeAsync(99)
    expect(told).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    await lost
    expect(told).toHaveBeenCalledTimes(1)
    expect(server.locks.get('lock:{a}')?.owner).toBe('another')
  })

  it('is lost when no renewal came through in its time, by whatever that failed', async () => {
    const lease = await locks().acquire('a')
    await vi.advanceTimersByTimeAsync(150)
    server.down = true
    await vi.advanceTimersByTimeAsync(249)
    expect(lease.held).toBe(true) // renewed at 100, so until 400
    await vi.advanceTimersByTimeAsync(1)
    expect([lease.held, lease.release()]).toEqual([false, false])
    expect(lease.signal.reason).toBeInstanceOf(LeaseLostError)
    await lease.released
    expect(server.commands).not.toContain('free')
  })

  it('is kept when a later renewal comes through in time', async () => {
    const lease = await locks().acquire('a')
    server.down = true
    await vi.advanceTimersByTimeAsync(150)
    server.down = false
    await vi.advanceTimersByTimeAsync(1_000)
    expect([lease.held, lease.signal.aborted]).toEqual([true, false])
    lease.release()
  })

  it('of several keys has the greatest token, and is lost with any of them', async () => {
    server.token = 4
    const lock = new KeyedLock({ backend: locks() })
    const lease = await lock.acquire(['a', 'b', 'c'])
    expect(lease).toMatchObject({ held: true, token: 7n })
    server.locks.delete('lock:{b}')
    await vi.advanceTimersByTimeAsync(100)
    expect((lease as unknown as { signal: AbortSignal }).signal.reason).toMatchObject({
      message: 'The lock "b" was lost',
    })
    lease.release()
    await vi.runAllTimersAsync()
    expect(server.locks.size).toBe(0)
  })
})

import { EventEmitter } from 'node:events'
import { CancellationTokenSource } from '@uno-async/core'
import { KeyedLock } from '@uno-async/sync'
import { postgresLocks } from '@uno-async/sync/remote'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

/** Grants everything, and counts how many questions are open at once. */
class Connection extends EventEmitter {
  asked = 0
  open = 0
  most = 0

  async query(): Promise<{ rows: { token: string }[] }> {
    this.most = Math.max(this.most, ++this.open)
    const token = String(++this.asked)
    await new Promise((resolve) => setImmediate(resolve))
    this.open--
    return { rows: [{ token }] }
  }
}

it('asks a connection one thing at a time', async () => {
  const connection = new Connection()
  const lock = new KeyedLock({ backend: postgresLocks(connection) })
  const keys = ['a', 'b', 'c', 'd']
  expect(await Promise.all(keys.map((key) => lock.run(key, async () => key)))).toEqual(keys)
  await vi.waitFor(() => expect(connection.asked).toBe(8)) // given back, too
  expect(connection.most).toBe(1)
})

it('goes on after a question that failed', async () => {
  const connection = new Connection()
  const { query } = connection
  connection.query = () => {
    connection.query = query
    return Promise.reject(new Error('refused'))
  }
  const lock = new KeyedLock({ backend: postgresLocks(connection) })
  const both = await Promise.allSettled(['a', 'b'].map((key) => lock.run(key, () => key)))
  expect(both).toMatchObject([{ reason: { message: 'refused' } }, { value: 'b' }])
})

/** Keeps locks as a server does: until they are given back, or the connection ends. Answers when told to. */
class Server {
  readonly totalCount = 0
  readonly locks = new Map<unknown, unknown>()
  readonly ends: string[] = []
  answer: (asked: () => void) => void = setImmediate
  fails = false

  async connect() {
    const connection = new EventEmitter()
    const ask = (text: string, key: unknown) => {
      if (text.includes('unlock')) this.locks.delete(key)
      if (!text.includes('try')) return {}
      const taken = this.locks.get(key) ?? connection
      this.locks.set(key, taken)
      if (this.fails) throw new Error('the server only reads')
      return taken === connection ? { token: '1' } : {}
    }
    return Object.assign(connection, {
      query: (text: string, [key]: unknown[]) =>
        new Promise<{ rows: { token?: string }[] }>((resolve, reject) => {
          this.answer(() => {
            try {
              resolve({ rows: [ask(text, key)] })
            } catch (error) {
              reject(error)
            }
          })
        }),
      release: (destroy = false) => {
        this.ends.push(destroy ? 'destroyed' : 'given back')
        if (!destroy) return
        for (const [key, of] of this.locks) if (of === connection) this.locks.delete(key)
      },
    })
  }
}

it('gives back what it gets after whoever asked has left, then the connection', async () => {
  const server = new Server()
  let answer = () => {}
  server.answer = (asked) => {
    answer = asked
  }
  const source = new CancellationTokenSource()
  const lock = new KeyedLock({ backend: postgresLocks(server) })
  const waiting = lock.acquire('key', { signal: source.token })
  await new Promise(setImmediate)
  source.cancel()
  await expect(waiting).rejects.toBe(source.token.error)
  await new Promise(setImmediate)
  expect(server.ends).toEqual([])
  server.answer = setImmediate
  answer()
  await vi.waitFor(() => expect(server.ends).toEqual(['given back']))
  expect(server.locks.size).toBe(0)
})

it('gives back what a question got that failed then', async () => {
  const server = new Server()
  server.fails = true
  const lock = new KeyedLock({ backend: postgresLocks(server) })
  await expect(lock.acquire('key')).rejects.toThrow('the server only reads')
  expect(server.locks.size).toBe(0)
  await vi.waitFor(() => expect(server.ends).toEqual(['given back']))
})

describe('a connection that does not answer any more', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
  afterEach(() => void vi.useRealTimers())

  it('ends, also while a lock is given back', async () => {
    const server = new Server()
    const lock = new KeyedLock({ backend: postgresLocks(server) })
    const lease = await lock.acquire('key')
    server.answer = () => {}
    lease.release()
    const next = lock.acquire('key')
    await vi.advanceTimersByTimeAsync(9_999)
    expect(server.ends).toEqual([])
    server.answer = setImmediate
    await vi.advanceTimersByTimeAsync(1)
    expect(server.ends).toEqual(['destroyed'])
    ;(await next).release()
    await vi.waitFor(() => expect(server.ends).toEqual(['destroyed', 'given back']))
    expect(server.locks.size).toBe(0)
  })

  it('is waited for where there is no other', async () => {
    const server = new Server()
    const { release: _, ...client } = await server.connect()
    const connection = Object.assign(new EventEmitter(), client)
    const lock = new KeyedLock({ backend: postgresLocks(connection) })
    let answer = () => {}
    server.answer = (asked) => {
      answer = asked
    }
    const waiting = lock.acquire('key')
    await vi.advanceTimersByTimeAsync(60_000)
    server.answer = setImmediate
    answer()
    ;(await waiting).release()
    await vi.waitFor(() => expect(server.locks.size).toBe(0))
  })

  it('ends while it is asked, and the next has another one', async () => {
    const server = new Server()
    const lock = new KeyedLock({ backend: postgresLocks(server) })
    server.answer = () => {}
    const waiting = lock.acquire('key')
    const failed = expect(waiting).rejects.toThrow('PostgreSQL did not answer')
    await vi.advanceTimersByTimeAsync(10_000)
    await failed
    server.answer = setImmediate
    await lock.run('key', () => {})
    await vi.waitFor(() => expect(server.ends).toEqual(['destroyed', 'given back']))
    expect(vi.getTimerCount()).toBe(0)
  })
})

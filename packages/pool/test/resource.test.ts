import {
  CancellationToken,
  CancellationTokenSource,
  CancelledError,
  ClosedError,
  isTimeout,
} from '@uno-async/core'
import { AsyncResource, AsyncResourcePool, Resource } from '@uno-async/pool'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { deferred, failure, settle } from './helpers.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

class Session extends AsyncResource {
  readonly log: string[] = []
  readonly gates: ReturnType<typeof deferred<void>>[] = []
  readonly tokens: CancellationToken[] = []
  cleaning: unknown = undefined

  protected override initialize(token: CancellationToken): Promise<void> {
    this.log.push('initialize')
    this.tokens.push(token)
    const gate = deferred()
    this.gates.push(gate)
    return token.race(gate.promise)
  }

  protected override async cleanup(reason?: unknown): Promise<void> {
    this.log.push(`cleanup ${reason}`)
    if (this.cleaning instanceof Promise) await this.cleaning
    else if (this.cleaning) throw this.cleaning
  }
}

describe('open', () => {
  it('is shared by all who call it meanwhile', async () => {
    const session = new Session({ name: 's' })
    expect([session.name, session.state]).toEqual(['s', 'new'])
    const all = [session.open(), session.open()]
    await settle()
    expect(session.state).toBe('opening')
    session.gates[0]?.resolve()
    expect(await Promise.all(all)).toEqual([session, session])
    expect(session.state).toBe('open')
    expect(await session.open()).toBe(session)
    expect(session.log).toEqual(['initialize'])
    await session.close('bye')
    expect([session.state, session.log[1]]).toEqual(['closed', 'cleanup bye'])
  })

  it('that fails is cleaned up after, and may be tried again', async () => {
    const session = new Session()
    const all = [failure(session.open()), failure(session.open())]
    const boom = new Error('boom')
    await settle()
    session.cleaning = new Error('cleanup fails too')
    session.gates[0]?.reject(boom)
    expect(await Promise.all(all)).toEqual([boom, boom])
    expect([session.state, session.log]).toEqual(['closed', ['initialize', 'cleanup Error: boom']])
    session.cleaning = undefined
    const again = session.open()
    await settle()
    session.gates[1]?.resolve()
    expect(await again).toBe(session)
    await session.close()
  })

  it('can be left one by one; the last one takes it along', async () => {
    const session = new Session()
    const sources = [new CancellationTokenSource(), new CancellationTokenSource()] as const
    const all = sources.map(({ token }) => failure(session.open({ signal: token })))
    await settle()
    sources[0].cancel(new Error('one'))
    expect(await all[0]).toEqual(new Error('one'))
    expect(session.tokens[0]?.cancelled).toBe(false)
    sources[1].cancel(new Error('two'))
    expect(await all[1]).toEqual(new Error('two'))
    expect(session.tokens[0]?.cancelled).toBe(true)
    await settle()
    expect([session.state, session.log]).toEqual(['closed', ['initialize', 'cleanup Error: two']])
  })

  it('waits for one that everybody has left to be undone, and opens anew', async () => {
    const session = new Session()
    const undone = deferred()
    session.cleaning = undone.promise
    const source = new CancellationTokenSource()
    const first = failure(session.open({ signal: source.token }))
    await settle()
    source.cancel()
    await first
    const second = session.open()
    await settle()
    expect(session.gates).toHaveLength(1)
    session.cleaning = undefined
    undone.resolve()
    await settle()
    expect(session.gates).toHaveLength(2)
    session.gates[1]?.resolve()
    expect((await second).state).toBe('open')
    await session.close()
  })

  it('times out for who asked for that', async () => {
    const session = new Session()
    const a = failure(session.open({ timeout: 50 }))
    const b = session.open()
    await vi.advanceTimersByTimeAsync(50)
    expect(isTimeout(await a)).toBe(true)
    session.gates[0]?.resolve()
    await b
    await session.close()
  })

  it('does not begin for who is cancelled, nor after close', async () => {
    const session = new Session({ name: 's' })
    const token = CancellationToken.cancelled()
    expect(await failure(session.open({ signal: token }))).toBe(token.error)
    await session.close()
    expect(String(await failure(session.open()))).toBe('ClosedError: AsyncResource "s" is closed')
    expect([session.log, session.state]).toEqual([[], 'closed'])
  })
})

describe('close', () => {
  it('during an open cancels that, and cleans up once', async () => {
    const session = new Session()
    const opening = failure(session.open())
    await settle()
    const closing = session.close()
    expect(session.state).toBe('closing')
    expect(await opening).toBeInstanceOf(ClosedError)
    await closing
    expect([session.state, session.log.length]).toEqual(['closed', 2])
    expect(session.tokens[0]?.reason).toBeInstanceOf(ClosedError)
  })

  it('is idempotent, and rejects if cleanup does', async () => {
    const session = new Session()
    const opening = session.open()
    session.gates[0]?.resolve()
    await opening
    session.cleaning = new Error('stuck')
    const closing = session.close()
    expect(session.close()).toBe(closing)
    expect(await failure(closing)).toEqual(new Error('stuck'))
    expect(session.state).toBe('closed')
    await expect(session[Symbol.asyncDispose]()).rejects.toThrow('stuck')
  })

  it('has another name where node:async_hooks is near', () => {
    expect(Resource).toBe(AsyncResource)
    expect(new Session().name).toBe('Session')
  })
})

describe('AsyncResourcePool.of', () => {
  it('opens, validates, resets and closes resources by their own methods', async () => {
    const log: string[] = []
    let valid = true
    class Connection extends AsyncResource {
      protected override initialize(token: CancellationToken): void {
        log.push(`initialize ${token.cancelled}`)
      }
      protected override cleanup(reason?: unknown): void {
        log.push(`cleanup ${reason}`)
      }
      protected override validate(): boolean {
        log.push('validate')
        return valid
      }
      protected override reset(): void {
        log.push('reset')
      }
    }
    const pool = AsyncResourcePool.of(() => new Connection(), { max: 1 })
    await pool.run((connection) => expect(connection.state).toBe('open'))
    await settle()
    vi.advanceTimersByTime(500)
    await pool.run(() => {})
    await settle()
    valid = false
    vi.advanceTimersByTime(500)
    await pool.run(() => {})
    await pool.close()
    expect(log).toEqual([
      'initialize false',
      'reset',
      'validate',
      'reset',
      'validate',
      'cleanup invalid',
      'initialize false',
      'reset',
      'cleanup closed',
    ])
  })

  it('destroys what was closed under it', async () => {
    const pool = AsyncResourcePool.of(() => new Plain(), { max: 1 })
    class Plain extends AsyncResource {
      protected override initialize(): void {}
      protected override cleanup(): void {}
    }
    const first = await pool.run((it) => it)
    await first.close()
    await settle()
    vi.advanceTimersByTime(500)
    expect(await pool.run((it) => it.state)).toBe('open')
    expect(pool.stats().created).toBe(2)
    await pool.close()
    expect(CancelledError).toBeDefined()
  })
})

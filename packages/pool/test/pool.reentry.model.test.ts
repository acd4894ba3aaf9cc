import { CancellationTokenSource } from '@uno-async/core'
import { AsyncResourcePool, type PoolLease, type PoolOptions } from '@uno-async/pool'
import fc from 'fast-check'
import { expect, it, vi } from 'vitest'
import { settle } from './helpers.js'

class Thing {
  lent = false
  dead = false
}

/** A pool whose every hook may do anything to it, as a tape of numbers from 0 to 99 says. */
class World {
  readonly leases: PoolLease<Thing>[] = []
  readonly sources: CancellationTokenSource[] = []
  readonly brokens: (() => void)[] = []
  readonly pool: AsyncResourcePool<Thing>
  alive = 0
  waiting = 0
  closing: Promise<unknown> | undefined
  readonly wrong: string[] = [] // told here, since a pool takes what its hooks throw for theirs
  readonly #tape: readonly number[]
  #at = 0
  #depth = 0

  constructor(tape: readonly number[], options: Partial<PoolOptions<Thing>>) {
    this.#tape = tape
    this.pool = new AsyncResourcePool<Thing>({
      max: 3,
      acquireTimeout: 100,
      retryCreate: () => (this.#next() < 10 ? false : 0),
      create: () => {
        this.#meddle()
        this.alive++
        return this.#next() < 40 ? settle().then(() => new Thing()) : new Thing()
      },
      destroy: (thing) => {
        thing.dead = true
        thing.lent = false
        this.alive--
        return this.#hook()
      },
      onBroken: (_, broken) => {
        this.brokens.push(broken)
        if (this.#next() < 10) broken()
      },
      onEvent: () => this.act(),
      validate: () => this.#next() < 80 && this.#hook(),
      reset: () => this.#hook(),
      validateAfterIdle: 0,
      ...options,
    })
  }

  #next(): number {
    return this.#tape[this.#at++ % this.#tape.length] as number
  }

  #pick<T>(from: readonly T[]): T | undefined {
    return from[this.#next() % from.length]
  }

  #meddle(): void {
    if (this.#next() < 30) this.act()
    if (this.#next() < 10) throw new Error('boom')
  }

  #hook(): boolean | Promise<boolean> {
    this.#meddle()
    return this.#next() < 60 || settle().then(() => true)
  }

  #got(lease: PoolLease<Thing> | undefined): void {
    if (!lease?.held) return
    if (lease.resource.lent || lease.resource.dead)
      this.wrong.push('lent twice, or when it was dead')
    lease.resource.lent = true
    this.leases.push(lease)
  }

  async #acquire(): Promise<void> {
    const source = new CancellationTokenSource()
    this.sources.push(source)
    this.waiting++
    await this.pool.acquire({ signal: source.token, priority: this.#next() % 3 }).then(
      (lease) => this.#got(lease),
      () => {},
    )
    this.waiting--
  }

  release(): void {
    const lease = this.leases.shift()
    if (!lease?.held) return
    lease.resource.lent = false
    lease.release({ destroy: this.#next() < 20 })
  }

  /** Does something, unless that goes too deep. */
  act(): void {
    if (this.#depth > 3 || this.#at > 500) return
    this.#depth++
    const what = this.#next()
    if (what < 40) void this.#acquire()
    else if (what < 70) this.release()
    else if (what < 80) this.#got(this.pool.tryAcquire())
    else if (what < 88) this.#pick(this.brokens)?.()
    else if (what < 96) this.#pick(this.sources)?.cancel()
    else if (what < 98) this.pool.ready({ timeout: 5 }).catch(() => {})
    else this.closing ??= this.pool.close({ timeout: 20, drain: what === 98 })
    const { total, idle, borrowed, busy, max } = this.pool.stats()
    if (total > max) this.wrong.push(`${total} of ${max}`)
    if (idle + borrowed + busy > total) this.wrong.push('more parts than in total')
    this.#depth--
  }
}

it('keeps its promises to hooks that use the pool they belong to', async () => {
  vi.useFakeTimers()
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(99), { minLength: 50, maxLength: 200 }),
      fc.record(
        {
          min: fc.nat(3),
          maxUses: fc.constant(2),
          maxIdle: fc.constant(1),
          maxWaiting: fc.constant(2),
          idleTimeout: fc.constant(3),
          maxLifetime: fc.constant(9),
        },
        { requiredKeys: [] },
      ),
      async (tape, options) => {
        const world = new World(tape, options)
        for (let i = 0; i < 40; i++) {
          world.act()
          await vi.advanceTimersByTimeAsync(i % 3)
        }
        world.closing ??= world.pool.close({ timeout: 50 })
        while (world.leases.length) world.release()
        await vi.advanceTimersByTimeAsync(10_000)
        await world.closing
        expect([world.wrong, world.waiting, world.alive]).toEqual([[], 0, 0])
        expect(world.pool.stats()).toMatchObject({ total: 0, waiting: 0, borrowed: 0 })
        expect(vi.getTimerCount()).toBe(0)
      },
    ),
    { numRuns: 1_000 },
  )
  vi.useRealTimers()
}, 60_000)

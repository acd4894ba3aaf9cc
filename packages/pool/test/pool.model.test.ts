import { CancellationTokenSource, ClosedError } from '@uno-async/core'
import { AcquireTimeoutError, AsyncResourcePool, type PoolLease } from '@uno-async/pool'
import fc from 'fast-check'
import { expect, it, vi } from 'vitest'
import { settle } from './helpers.js'

const MAX = 3

class Thing {
  lent = false
  dead = false
}

interface Client {
  outcome: 'waits' | 'holds' | 'left' | 'failed'
  readonly source: CancellationTokenSource
  lease: PoolLease<Thing> | undefined
}

/** A world in which everything goes wrong when it is told to. */
class World {
  readonly things: Thing[] = []
  readonly clients: Client[] = []
  /** The next ones to do so fail, or take their time. */
  readonly trouble = { create: 0, hang: 0, validate: 0, reset: 0, destroy: 0 }
  readonly brokens: (() => void)[] = []
  readonly hanging: (() => void)[] = []
  max = MAX
  peak = 0
  alive = 0
  closing: Promise<unknown> | undefined

  #fails(what: keyof World['trouble']): boolean {
    if (!this.trouble[what]) return false
    this.trouble[what]--
    return true
  }

  readonly pool = new AsyncResourcePool<Thing>({
    max: MAX,
    min: 1,
    acquireTimeout: 1_000,
    createTimeout: 100,
    validateTimeout: 50,
    destroyTimeout: 50,
    idleTimeout: 400,
    maxLifetime: 2_000,
    maxUses: 5,
    validateAfterIdle: 20,
    create: async () => {
      this.alive++
      this.peak = Math.max(this.peak, this.alive)
      try {
        if (this.#fails('hang')) await new Promise<void>((resolve) => this.hanging.push(resolve))
        if (this.#fails('create')) throw new Error('create')
      } catch (error) {
        this.alive--
        throw error
      }
      const thing = new Thing()
      this.things.push(thing)
      return thing
    },
    destroy: async (thing) => {
      expect(thing.dead).toBe(false)
      thing.dead = true
      this.alive--
      if (this.#fails('destroy')) throw new Error('destroy')
    },
    validate: async (thing) => {
      expect([thing.lent, thing.dead]).toEqual([false, false])
      if (this.#fails('validate')) throw new Error('validate')
      return true
    },
    reset: async (thing) => {
      expect([thing.lent, thing.dead]).toEqual([false, false])
      if (this.#fails('reset')) throw new Error('reset')
    },
    onBroken: (_, broken) => this.brokens.push(broken),
  })

  acquire(): void {
    const client: Client = {
      outcome: 'waits',
      source: new CancellationTokenSource(),
      lease: undefined,
    }
    this.clients.push(client)
    this.pool.acquire({ signal: client.source.token }).then(
      (lease) => {
        const thing = lease.resource
        expect([thing.lent, thing.dead]).toEqual([false, false])
        thing.lent = true
        client.lease = lease
        client.outcome = 'holds'
      },
      (error) => {
        const expected =
          error === client.source.token.error ||
          error instanceof AcquireTimeoutError ||
          (this.closing !== undefined && error instanceof ClosedError)
        expect(expected).toBe(true)
        client.outcome = 'failed'
      },
    )
  }

  release(which: number, destroy: boolean): void {
    const holders = this.clients.filter(({ outcome }) => outcome === 'holds')
    const client = holders[which % holders.length]
    if (!client?.lease) return
    if (client.lease.held) client.lease.resource.lent = false
    client.outcome = 'left'
    const { held } = client.lease
    expect(client.lease.release({ destroy })).toBe(held)
    expect(client.lease.release()).toBe(false)
  }

  cancel(which: number): void {
    const waiting = this.clients.filter(({ outcome }) => outcome === 'waits')
    waiting[which % waiting.length]?.source.cancel()
  }

  check(): void {
    const stats = this.pool.stats()
    const holders = this.clients.filter(({ lease }) => lease?.held)
    expect(stats.borrowed).toBe(holders.length)
    expect(new Set(holders.map(({ lease }) => lease?.resource)).size).toBe(holders.length)
    expect(stats.waiting).toBe(this.clients.filter(({ outcome }) => outcome === 'waits').length)
    if (this.max === MAX) expect(stats.total).toBeLessThanOrEqual(MAX)
    // nobody waits beside something that they could have
    if (stats.waiting && stats.idle) expect(stats.busy).toBeGreaterThan(0)
  }
}

const command = (name: string, run: (world: World) => unknown): fc.AsyncCommand<object, World> => ({
  check: () => true,
  run: async (_, world) => {
    run(world)
    await settle()
    world.check()
  },
  toString: () => name,
})

it('loses nothing and lends nothing twice, whatever fails in whatever order', async () => {
  vi.useFakeTimers()
  const acquire = fc.constant(command('acquire', (world) => world.acquire()))
  const what = fc.constantFrom('create', 'hang', 'validate', 'reset', 'destroy')
  const commands = fc.commands(
    [
      acquire,
      acquire,
      acquire,
      fc
        .tuple(fc.nat(9), fc.boolean())
        .map(([n, destroy]) =>
          command(`release(${n}, ${destroy})`, (world) => world.release(n, destroy)),
        ),
      fc.nat(9).map((n) => command(`release(${n})`, (world) => world.release(n, false))),
      fc.nat(9).map((n) => command(`cancel(${n})`, (world) => world.cancel(n))),
      what.map((it) =>
        command(`trouble(${it})`, ({ trouble }) => {
          trouble[it as keyof typeof trouble]++
        }),
      ),
      fc
        .nat(9)
        .map((n) => command(`break(${n})`, ({ brokens }) => brokens[n % brokens.length]?.())),
      fc.constant(command('unhang', ({ hanging }) => hanging.shift()?.())),
      fc
        .constantFrom(1, 10, 30, 100, 500)
        .map((ms) => command(`wait(${ms})`, () => vi.advanceTimersByTimeAsync(ms))),
    ],
    { maxCommands: 25, size: 'max' },
  )
  await fc.assert(
    fc.asyncProperty(commands, fc.boolean(), async (cmds, drain) => {
      let world: World | undefined
      await fc.asyncModelRun(() => {
        world = new World()
        return { model: {}, real: world }
      }, cmds)
      const { pool, clients, hanging, things, trouble } = world as World
      trouble.hang = 0
      ;(world as World).closing = pool.close({ timeout: 200, drain })
      await settle()
      while (hanging.length) hanging.shift()?.()
      await vi.advanceTimersByTimeAsync(2_000)
      await (world as World).closing
      expect(clients.filter(({ outcome }) => outcome === 'waits')).toEqual([])
      expect(clients.filter(({ lease }) => lease?.held)).toEqual([])
      expect(things.filter(({ dead }) => !dead)).toEqual([])
      expect(pool.stats()).toMatchObject({ total: 0, waiting: 0, borrowed: 0 })
      expect((world as World).peak).toBeLessThanOrEqual(MAX)
      expect(vi.getTimerCount()).toBe(0)
    }),
    { numRuns: 1_000 },
  )
  vi.useRealTimers()
}, 30_000)

import { type ChildProcess, fork } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { runnable, type Server, startPostgres, startRedis } from '../../../../tests/servers.js'

const file = fileURLToPath(new URL('./worker.mjs', import.meta.url))

interface Answer {
  readonly result?: unknown
  readonly error?: string
}

/** A process of its own with caches over the store. */
class Peer {
  readonly #child: ChildProcess
  readonly #calls = new Map<number, (answer: Answer) => void>()
  readonly #loading = new Map<string, () => void>()
  #ids = 0

  constructor(keyv: string, server: string, port: number) {
    this.#child = fork(file, [keyv, server, `${port}`])
    this.#child.on('message', (message: Answer & { id: number; loading?: string }) => {
      if (message.loading === undefined) this.#calls.get(message.id)?.(message)
      else this.#loading.get(message.loading)?.()
    })
    this.#child.once('exit', (code, signal) => {
      for (const answer of this.#calls.values()) answer({ error: `ended: ${code ?? signal}` })
    })
  }

  /** Resolves once it loads this key; the empty one: once it is ready. */
  loads(key: string): Promise<void> {
    return new Promise((resolve) => this.#loading.set(key, resolve))
  }

  async call<T>(verb: string, ...args: unknown[]): Promise<T> {
    const id = this.#ids++
    const { result, error } = await new Promise<Answer>((resolve) => {
      this.#calls.set(id, resolve)
      this.#child.send({ id, verb, args })
    })
    this.#calls.delete(id)
    if (error) throw new Error(`${verb}: ${error}`)
    return result as T
  }

  end(): void {
    this.#child.kill('SIGKILL')
  }
}

interface Tally {
  readonly asked: number
  readonly stored: number
  readonly wrong: number
  readonly failed: number
}

describe.runIf(runnable).each(['Redis', 'PostgreSQL'])('two processes over %s', (kind) => {
  let server: Server
  beforeAll(async () => {
    server = await (kind === 'Redis' ? startRedis() : startPostgres())
  })
  afterAll(() => server?.remove())

  describe.each(['Keyv 5', 'Keyv 6'])('by %s', (keyv) => {
    let a: Peer
    let b: Peer
    beforeAll(async () => {
      a = new Peer(keyv, kind, server.port)
      b = new Peer(keyv, kind, server.port)
      await Promise.all([a.loads(''), b.loads('')])
    })
    afterAll(() => {
      a?.end()
      b?.end()
    })
    beforeEach(() => a.call<void>('clear'))
    const errors = async () => [
      ...(await a.call<string[]>('errors')),
      ...(await b.call<string[]>('errors')),
    ]

    it('share values of every kind', async () => {
      for (const value of [{ n: 1, s: 'ä€😀"' }, [null], '', 0, false, null]) {
        await a.call('set', 'k', value)
        expect(await b.call('see', 'k')).toMatchObject({ value, source: 'store' })
      }
      await a.call('setUndefined', 'k')
      expect(await b.call('see', 'k')).toMatchObject({ isUndefined: true, source: 'store' })
      expect(await errors()).toEqual([])
    })

    it('share invalidations, by key, by tag and of all', async () => {
      for (const [verb = '', ...args] of [['invalidate', 'k'], ['invalidateTag', 't'], ['clear']]) {
        await a.call('set', 'k', 'old', ['t'])
        expect(await b.call('see', 'k')).toMatchObject({ value: 'old' })
        await b.call(verb, ...args)
        expect(await a.call('see', 'k')).toMatchObject({ value: 'loaded', source: 'load' })
      }
      expect(await errors()).toEqual([])
    })

    it('a load that began before a tag was invalidated elsewhere, and is written after, is void', async () => {
      const loading = a.loads('late')
      const asked = a.call('get', 'late')
      await loading
      await b.call('invalidateTag', 't')
      await a.call('loaded', 'late', 'old')
      expect(await asked).toBe('old') // who asked before has it
      expect(await b.call('see', 'late')).toMatchObject({ value: 'loaded', source: 'load' })
      expect(await errors()).toEqual([])
    })

    it('however an invalidation and a late write meet, nobody sees the old value afterwards', async () => {
      const someday = (yes: boolean) => (yes ? sleep(Math.random() * 4) : undefined)
      for (let round = 0; round < 100; round++) {
        const key = `k${round}`
        const loading = a.loads(key)
        const asked = a.call('get', key)
        await loading
        const write = async () => {
          await someday(round % 3 === 0)
          await a.call('loaded', key, 'old')
          await asked
        }
        const invalidate = async () => {
          await someday(round % 3 === 1)
          await b.call('invalidateTag', 't')
        }
        await Promise.all([write(), invalidate()])
        expect(await a.call('see', key)).toMatchObject({ value: 'loaded' })
        expect(await b.call('see', key)).toMatchObject({ value: 'loaded', source: 'store' })
      }
      expect(await errors()).toEqual([])
    })

    // @keyv/postgres listens to no error of its pg.Pool: a server that ends takes its clients along.
    if (kind === 'PostgreSQL') return
    it('the server is killed under load: no get fails; it is back: it is used again', async () => {
      const tally = () => Promise.all([a.call<Tally>('tally'), b.call<Tally>('tally')])
      await Promise.all([a.call('hammer', 50), b.call('hammer', 50)])
      await sleep(500)
      await server.stop()
      const before = await tally()
      await sleep(2_000)
      const during = await tally()
      expect(await errors()).not.toEqual([])
      await server.start()
      const isUsed = ({ stored }: Tally, i: number) => stored > (during[i]?.stored ?? 0) + 100
      await expect
        .poll(async () => (await tally()).map(isUsed), { timeout: 20_000 })
        .toEqual([true, true])
      for (const [i, peer] of [a, b].entries()) {
        expect(await peer.call('rest')).toMatchObject({ wrong: 0, failed: 0 })
        expect(before[i]?.stored).toBeGreaterThan(0)
        expect(during[i]?.asked).toBeGreaterThan(before[i]?.asked ?? 0)
      }
      await errors()
      await a.call('set', 'k', 'new', ['t'])
      expect(await b.call('see', 'k')).toMatchObject({ value: 'new', source: 'store' })
      await b.call('invalidateTag', 't')
      expect(await a.call('see', 'k')).toMatchObject({ source: 'load' })
      expect(await errors()).toEqual([])
    })
  })
})

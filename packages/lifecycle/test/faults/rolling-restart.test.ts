// Two instances behind a load balancer, restarted one after the other under constant load: no request may fail.
// ROUNDS=200 for the long run.
import { Agent, createServer, get, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type App, Launcher } from '../apps/launch.js'

const { ROUNDS = '50' } = process.env
const rounds = Number(ROUNDS)
const clients = 16
const launcher = new Launcher()
beforeAll(() => launcher.build())
afterAll(() => launcher.close())

interface Instance {
  app: App
  port: number
  ready: boolean
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

function ask(port: number, path: string, agent: Agent): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent }, (response: IncomingMessage) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text) => {
        body += text
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
      response.on('error', reject)
    }).on('error', reject)
  })
}

/** Sends each request to the next instance that said it is ready; retries nothing. */
class Balancer {
  readonly instances: Instance[] = []
  readonly server: Server
  readonly #agent = new Agent({ keepAlive: true })
  readonly #probe = new Agent()
  #next = 0
  #open = true

  constructor() {
    this.server = createServer(async (request, response) => {
      const ready = this.instances.filter((each) => each.ready)
      const to = ready[this.#next++ % ready.length]
      try {
        if (!to) throw new Error('nobody is ready')
        const { status, body } = await ask(to.port, request.url ?? '', this.#agent)
        response.writeHead(status).end(body)
      } catch (error) {
        response.writeHead(502).end(String(error))
      }
    })
    void this.#watch()
  }

  async #watch(): Promise<void> {
    while (this.#open) {
      await Promise.all(
        this.instances.map(async (each) => {
          const answer = await ask(each.port, '/ready', this.#probe).catch(() => undefined)
          each.ready = answer?.status === 200
        }),
      )
      await sleep(20)
    }
  }

  async add(): Promise<Instance> {
    const app = await launcher.run('instance').saw('port ')
    const instance = { app, port: Number(/port (\d+)/.exec(app.out)?.[1]), ready: false }
    this.instances.push(instance)
    while (!instance.ready) await sleep(5)
    return instance
  }

  close(): void {
    this.#open = false
    this.server.closeAllConnections()
    this.server.close()
    this.#agent.destroy()
  }
}

it(`loses no request in ${rounds} restarts`, { timeout: rounds * 10_000 }, async () => {
  const balancer = new Balancer()
  await new Promise<void>((resolve) => balancer.server.listen(0, '127.0.0.1', resolve))
  const { port } = balancer.server.address() as AddressInfo
  await balancer.add()
  await balancer.add()

  let running = true
  let served = 0
  const failures: string[] = []
  const seen = new Set<string>()
  const agent = new Agent({ keepAlive: true })
  const load = Array.from({ length: clients }, async () => {
    while (running) {
      const { status, body } = await ask(port, '/work', agent).catch((error) => ({
        status: 0,
        body: String(error),
      }))
      if (status === 200) {
        served++
        seen.add(body)
      } else failures.push(`${status} ${body}`)
      await sleep(5)
    }
  })

  for (let round = 0; round < rounds; round++) {
    const old = balancer.instances[0] as Instance
    old.app.signal('SIGTERM')
    expect(await old.app.exit(), old.app.err).toBe(0)
    balancer.instances.shift()
    await balancer.add()
  }
  running = false
  await Promise.all(load)
  for (const { app } of balancer.instances) {
    app.signal('SIGTERM')
    expect(await app.exit()).toBe(0)
  }
  balancer.close()
  agent.destroy()
  expect(failures).toEqual([])
  // the load moved on with the instances; on a busy machine one may be gone before its first request
  expect(seen.size).toBeGreaterThan(rounds / 2)
  expect(served).toBeGreaterThan(rounds * clients)
  console.log(`${served} requests, ${rounds} restarts, ${failures.length} failed`)
})

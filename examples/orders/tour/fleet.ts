import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { Hono } from 'hono'
import { proxy } from 'hono/proxy'
import { type HttpServer, listen } from '../src/api/server.js'
import { inProject } from '../src/config.js'

/** The service in a process of its own. */
export class Instance {
  readonly url: string
  readonly #child: ChildProcess
  readonly #exit: Promise<unknown[]>

  private constructor(url: string, child: ChildProcess, exit: Promise<unknown[]>) {
    this.url = url
    this.#child = child
    this.#exit = exit
  }

  /** Resolves when it serves. */
  static async start(env: Record<string, string>): Promise<Instance> {
    const child = fork(inProject('dist/main.js'), {
      env: { PATH: process.env['PATH'], PORT: '0', LOG_LEVEL: 'error', ...env },
      // Only we tell it to stop, not Ctrl+C at our terminal.
      detached: true,
    })
    const exit = once(child, 'exit')
    const url = await Promise.race([
      once(child, 'message').then(([url]) => String(url)),
      exit.then(([code]) => Promise.reject(new Error(`The instance ended: ${code}`))),
    ])
    return new Instance(url, child, exit)
  }

  /** Gives the exit code, or the signal that ended it. */
  async stop(signal: NodeJS.Signals): Promise<unknown> {
    this.#child.kill(signal)
    const [code, by] = await this.#exit
    return code ?? by
  }
}

/**
 * What stands before several instances: asks them in turn, and the next if one does not answer. That is safe,
 * since each command has a key.
 */
export async function balance(urls: () => readonly string[]): Promise<HttpServer> {
  let turn = 0
  const app = new Hono().all('*', async (c) => {
    const { method, raw, path } = c.req
    const body = method === 'GET' ? null : await c.req.arrayBuffer()
    const all = urls()
    for (let tries = 0; tries < 2 * all.length; tries++) {
      try {
        const url = all[turn++ % all.length] + path
        return await proxy(url, { method, headers: raw.headers, body, signal: raw.signal })
      } catch (error) {
        if (raw.signal.aborted) throw error
      }
    }
    return c.text('Nobody answers', 502)
  })
  app.onError((_, c) => c.body(null, 499 as 500))
  return listen(app, '127.0.0.1', 0)
}

import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const html = (response: ServerResponse, body: string): void => {
  response.setHeader('content-type', 'text/html; charset=utf-8')
  response.end(`<!doctype html>\n${body}`)
}

/** A site with every kind of trouble; a page that is a URL leads there. `asked` counts the requests for each path. */
export class Site implements AsyncDisposable {
  readonly asked = new Map<string, number>()
  pages: Record<string, string>
  readonly #server: Server
  readonly #waiting = new Map<string, () => void>()

  private constructor(pages: Record<string, string>) {
    this.pages = pages
    this.#server = createServer((request, response) => {
      const path = request.url ?? '/'
      const times = (this.asked.get(path) ?? 0) + 1
      this.asked.set(path, times)
      this.#waiting.get(path)?.()
      const page = this.pages[path]
      if (page?.startsWith('http')) response.writeHead(302, { location: page }).end()
      else if (page !== undefined) html(response, page)
      else if (path === '/slow') setTimeout(() => html(response, 'slow'), 50)
      else if (path === '/limited' && times === 1) {
        response.writeHead(429, { 'retry-after': '1' }).end()
      } else if (path === '/overloaded' && times === 1) {
        const date = new Date(Date.now() + 1000).toUTCString()
        response.writeHead(503, { 'retry-after': date }).end()
      } else if (path === '/flaky' && times < 3) response.writeHead(500).end()
      else if (path === '/reset') request.socket.destroy()
      else if (path === '/hanging')
        response.writeHead(200, { 'content-type': 'text/html' }).write('half')
      else if (path === '/silent') return
      else if (path === '/missing') response.writeHead(404).end()
      else html(response, '<p id="there">fine</p>')
    })
  }

  static async open(pages: Record<string, string>): Promise<Site> {
    const site = new Site(pages)
    site.#server.listen(0, '127.0.0.1')
    await once(site.#server, 'listening')
    return site
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Resolves once `path` was asked for. */
  whenAsked(path: string): Promise<void> {
    return new Promise((resolve) => {
      if (this.asked.has(path)) resolve()
      else this.#waiting.set(path, resolve)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

export const links = (...targets: string[]): string =>
  targets.map((target) => `<a href="${target}">${target}</a>`).join('\n')

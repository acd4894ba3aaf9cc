import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const page = (/** @type {Record<string, string>} */ imports) => `<!doctype html>
<script type="importmap">${JSON.stringify({ imports })}</script>
<script type="module">
  const lines = []
  try {
    const { smoke } = await import('/smoke.mjs')
    await smoke((line) => lines.push(line))
  } catch (error) {
    lines.push(String(error?.stack ?? error))
  }
  await fetch('/result', { method: 'POST', body: lines.join('\\n') })
</script>`

/**
 * Opens a page of `project` in a browser and gives what its smoke run printed.
 * @param {string} project
 * @param {Record<string, string>} imports
 * @param {(profile: string, url: string) => [string, ...string[]]} command
 */
export async function inBrowser(project, imports, command) {
  /** @type {(text: string) => void} */
  let done
  const result = new Promise((resolve) => (done = resolve))
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    if (request.method === 'POST') {
      let text = ''
      for await (const chunk of request) text += chunk
      response.end()
      return done(text)
    }
    try {
      const body = pathname === '/' ? page(imports) : readFileSync(join(project, pathname))
      const type = pathname === '/' ? 'text/html' : 'text/javascript'
      response.writeHead(200, { 'content-type': type }).end(body)
    } catch {
      response.writeHead(404).end()
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  const profile = mkdtempSync(join(tmpdir(), 'uno-async-browser-'))
  const [file, ...args] = command(profile, `http://127.0.0.1:${port}/`)
  // a group of its own: a browser is many processes
  const child = spawn(file, args, { stdio: 'ignore', detached: true })
  const failed = once(child, 'error').then(([error]) => Promise.reject(error))
  const ended = once(child, 'exit').then(([code]) => `ended with ${code} before it said anything`)
  const late = setTimeout(() => done('said nothing for two minutes'), 120_000)
  try {
    return await Promise.race([result, ended, failed])
  } finally {
    clearTimeout(late)
    if (child.pid && child.exitCode === null) {
      process.kill(-child.pid, 'SIGKILL')
      await ended
    }
    server.close()
    server.closeAllConnections()
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
  }
}

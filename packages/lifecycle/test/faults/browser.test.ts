// In headless Chromium (Debian's package chromium; CHROMIUM says where another one is).
import { execFile, spawnSync } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { expect, it } from 'vitest'
import { alias } from '../apps/launch.js'

const { CHROMIUM: chromium = 'chromium' } = process.env

const page = `
import { AsyncManager, asTask, getAsyncManager, runApplication } from '@uno-async/lifecycle'

const log = []
const frame = window !== window.top
const manager = getAsyncManager()
if (frame) {
  manager.registerResource({ name: 'socket', start: () => log.push('open'), stop: () => log.push('closed') })
  manager.addStartupHook(async () => {
    log.push(await asTask(async () => 'task')())
    dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))
    log.push(manager.shuttingDown ? 'stopped by a freeze' : 'frozen')
  })
  manager.addShutdownHook(({ reason }) => {
    log.push(reason.kind)
    window.top.postMessage('stopping', '*')
  }, { phase: 'unready' })
  manager.subscribe(({ type, state }) => {
    if (type === 'manager' && state === 'running') window.top.postMessage('running', '*')
  })
  window.log = log
  runApplication({ startup: () => {} })
} else {
  const iframe = document.createElement('iframe')
  iframe.src = '/'
  let frameLog
  addEventListener('message', ({ data }) => {
    if (data === 'running') {
      frameLog = iframe.contentWindow.log
      setTimeout(() => { iframe.src = 'about:blank' }, 50)
    } else setTimeout(async () => {
      const own = new AsyncManager()
      await own.start()
      const { code } = await own.shutdown()
      const health = await own.healthHandler()(new Request('http://x/ready'))
      document.body.textContent = JSON.stringify([...frameLog, code, health.status])
    }, 50)
  })
  document.body.append(iframe)
}
`

it('stops at pagehide, not at a freeze, and needs nothing of a process', async () => {
  expect(spawnSync(chromium, ['--version']).status, `${chromium} is missing`).toBe(0)
  const { outputFiles } = await build({
    stdin: { contents: page, resolveDir: import.meta.dirname },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    alias,
  })
  const script = String(outputFiles[0]?.text)
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8')
    response.end(`<!doctype html><body><script type="module">${script}</script></body>`)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  try {
    const flags = [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--virtual-time-budget=5000',
      '--dump-dom',
    ]
    const { stdout } = await promisify(execFile)(
      chromium,
      [...flags, `http://127.0.0.1:${port}/`],
      { timeout: 60_000 },
    )
    expect(stdout).toContain(
      JSON.stringify(['open', 'task', 'frozen', 'pagehide', 'closed', 0, 503]),
    )
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

import { existsSync } from 'node:fs'
import { serveStatic } from '@hono/node-server/serve-static'
import { CancellationTokenSource, delay } from '@uno-async/core'
import type { AsyncManager } from '@uno-async/lifecycle'
import { Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import { inProject } from '../config.js'
import type { Snapshot } from '../snapshot.js'

/** The page, and what it shows: a snapshot twice a second, the last one when a stop begins. */
export function dashboard(manager: AsyncManager, snapshot: () => Promise<Snapshot>): Hono {
  const app = new Hono()
  const open = new CancellationTokenSource({ name: 'dashboard' })
  manager.addShutdownHook(() => void open.cancel(), { phase: 'unready', name: 'dashboard' })

  app.get('/dashboard/events', (c) =>
    streamSSE(c, async (stream) => {
      using viewer = new CancellationTokenSource({ signal: [open.token, c.req.raw.signal] })
      stream.onAbort(() => void viewer.cancel())
      const show = async (): Promise<void> =>
        stream.writeSSE({ data: JSON.stringify(await snapshot()) })
      while (!viewer.token.cancelled) {
        await show()
        await delay(500, { signal: viewer.token }).catch(() => {})
      }
      if (open.token.cancelled) await show()
    }),
  )

  const root = inProject('dashboard/dist')
  if (existsSync(root)) app.use('*', serveStatic({ root }))
  else app.get('/', (c) => c.html('<p>The dashboard is not built: <code>pnpm build</code></p>'))
  return app
}

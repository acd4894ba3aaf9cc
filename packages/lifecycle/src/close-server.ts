import {
  type Cancellation,
  CancellationToken,
  CancellationTokenSource,
  checkFunction,
  checkOptions,
  delay,
} from '@uno-async/core'
import { noop } from './internal/limited.js'

/** What `closeServer` needs of a server: `node:http` and `node:https` have it. */
export interface ClosableServer {
  close(callback: (error?: Error) => void): unknown
  closeIdleConnections(): void
  closeAllConnections(): void
}

/**
 * Stops listening, closes idle keep-alive connections, and each other one as soon as its response is sent;
 * resolves when all are closed. When cancelled it cuts what is left. A server that does not listen is fine.
 * Upgraded connections, like those of WebSockets, are not the server's to cut: close them yourself. One on
 * which no request was begun, as browsers open them ahead, is not idle to Node: it is cut with what is left.
 *
 * An open server that is registered with a manager is drained like this.
 *
 * @param options - `signal`: ends the patience
 * @throws what `close` reports; what `signal` was cancelled with, if an upgraded connection is left; TypeError
 * @example
 * ```ts
 * import { createServer } from 'node:http'
 * import { AsyncManager, closeServer } from '@uno-async/lifecycle'
 * const manager = new AsyncManager()
 * manager.registerResource({
 *   name: 'http',
 *   start: () => createServer((_, response) => response.end('ok')).listen(0),
 *   drain: (server, { token }) => closeServer(server, { signal: token }),
 * })
 * await manager.start()
 * await manager.shutdown()
 * ```
 */
export async function closeServer(
  server: ClosableServer,
  options: { signal?: Cancellation | undefined } = {},
): Promise<void> {
  for (const method of ['close', 'closeIdleConnections', 'closeAllConnections'] as const) {
    checkFunction(`server.${method}`, server?.[method])
  }
  const token = CancellationToken.from(checkOptions(options).signal)
  const done = new CancellationTokenSource()
  const closed = new Promise<void>((resolve, reject) => {
    server.close((error) => {
      if (error && (error as { code?: string }).code !== 'ERR_SERVER_NOT_RUNNING') reject(error)
      else resolve()
    })
  }).finally(() => done.cancel())
  closed.catch(noop) // until it is waited for
  const cut = token.onCancelled(() => server.closeAllConnections())
  let last = false
  while (!done.token.cancelled && !last) {
    last = token.cancelled // a turn after the cut, what could be cut is gone
    server.closeIdleConnections()
    await delay(25, { signal: done.token }).catch(noop)
  }
  cut.dispose()
  if (!done.token.cancelled) throw token.error
  return closed
}

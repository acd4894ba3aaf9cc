import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A local server: `/rates` answers, `/never` does not. */
export async function serve(): Promise<{ url: string } & Disposable> {
  const server = createServer(({ url }, response) => {
    if (url === '/never') return
    if (url !== '/rates') return void response.writeHead(404).end()
    response.setHeader('content-type', 'application/json').end('{"EUR":1,"USD":1.08}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.dispose]: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

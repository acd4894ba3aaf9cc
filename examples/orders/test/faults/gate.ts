import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** A TCP port in front of a server: shut it, and the server is down for whoever comes through here. */
export class Gate {
  readonly #target: number
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  #port = 0
  #frozen = false

  constructor(target: number) {
    this.#target = target
  }

  get port(): number {
    return this.#port
  }

  async open(): Promise<this> {
    this.#frozen = false
    const server = createServer((socket) => {
      const behind = connect(this.#target, '127.0.0.1')
      for (const [from, to] of [
        [socket, behind],
        [behind, socket],
      ] as const) {
        this.#sockets.add(from)
        from.pipe(to)
        from.on('error', () => to.destroy())
        from.on('close', () => {
          this.#sockets.delete(from)
          to.destroy()
        })
        if (this.#frozen) from.pause()
      }
    })
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    this.#port = (server.address() as AddressInfo).port
    this.#server = server
    return this
  }

  /** Cuts all connections, and refuses new ones. */
  shut(): void {
    this.#server?.close()
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  /** Takes connections, and answers nothing. */
  freeze(): void {
    this.#frozen = true
    for (const socket of this.#sockets) socket.unpipe().pause()
  }
}

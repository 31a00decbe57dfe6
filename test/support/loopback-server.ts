import { once } from 'node:events'
import type { AddressInfo, Server, Socket } from 'node:net'
import { untilPortsAreFree } from '../../src/testing/ports.ts'

/** A server of any kind on one of 127.0.0.0/8, with the connections to it. */
export class LoopbackServer<Kind extends Server = Server> implements AsyncDisposable {
  readonly server: Kind
  readonly sockets: Set<Socket> = new Set()
  port = 0
  #address = ''

  constructor(server: Kind) {
    this.server = server
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => this.sockets.delete(socket))
    })
  }

  /** @param port 0 for a free one */
  async listen(address: string, port = 0): Promise<this> {
    this.#address = address
    this.port = portOf(await listening(this.server, address, port))
    return this
  }

  /** `127.0.1.1:41234` */
  get label(): string {
    return `${this.#address}:${this.port}`
  }

  /** Stops listening and breaks every connection, as a killed process does. May be called again. */
  async kill(): Promise<void> {
    const { server } = this
    const closed = server.listening ? new Promise((resolve) => server.close(resolve)) : undefined
    for (const socket of this.sockets) socket.destroy()
    await closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill()
  }
}

/** The server, once it listens. */
export async function listening<Kind extends Server>(
  server: Kind,
  host = '127.0.0.1',
  port = 0,
): Promise<Kind> {
  server.listen({ host, port, backlog: 4_096 })
  await once(server, 'listening')
  return server
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

/** Each on an address of its own, from 127.0.1.1 on, with one port, as the tasks of a service are. */
export function onOnePort<Kind extends LoopbackServer>(makers: readonly (() => Kind)[]): Promise<Kind[]> {
  // The port of the first may be taken on another address, by a test that runs beside this.
  return untilPortsAreFree(async () => {
    const servers: Kind[] = []
    try {
      for (const [index, make] of makers.entries())
        servers.push(await make().listen(`127.0.1.${index + 1}`, servers[0]?.port ?? 0))
      return servers
    } catch (error) {
      for (const server of servers) await server.kill()
      throw error
    }
  })
}

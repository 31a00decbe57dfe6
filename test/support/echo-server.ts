import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** A TCP server on one of 127.0.0.0/8 that says its address first, then what it gets. */
export class EchoServer implements AsyncDisposable {
  readonly sockets: Set<Socket> = new Set()
  readonly #server: Server
  readonly #address: string

  private constructor(address: string, served: (socket: Socket, label: string) => void) {
    this.#address = address
    this.#server = createServer((socket) => {
      this.sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => this.sockets.delete(socket))
      served(socket, this.label)
    })
  }

  /** @param port 0 for a free one */
  static async start(
    address: string,
    port = 0,
    served: (socket: Socket, label: string) => void = echo,
  ): Promise<EchoServer> {
    const server = new EchoServer(address, served)
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject)
      server.#server.listen(port, address, resolve)
    })
    return server
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** `127.0.1.1:41234` */
  get label(): string {
    return `${this.#address}:${this.port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    if (!this.#server.listening) return
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

function echo(socket: Socket, label: string): void {
  socket.write(label)
  socket.pipe(socket)
}

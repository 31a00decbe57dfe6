import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** Speaks for itself from the first byte of a connection on, where an HTTP server would not say such things. */
export type RawAnswer = (socket: Socket, sent: () => string) => void

/**
 * A server on 127.0.1.1 that keeps every byte that clients send, as they send it: what two clients did is the same
 * if these bytes are the same.
 */
export class WireServer implements AsyncDisposable {
  /** What came in on each connection, in the order in which they were opened. */
  connections: Buffer[][] = []
  readonly sockets: Set<Socket> = new Set()
  readonly #server: Server
  #label = ''

  private constructor(onConnection: (socket: Socket, sent: () => string) => void, keepsBytes: boolean) {
    this.#server = createServer({ noDelay: true }, (socket) => {
      const chunks: Buffer[] = []
      this.connections.push(chunks)
      this.sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => this.sockets.delete(socket))
      const listen = (): unknown => socket.on('data', (chunk: Buffer) => chunks.push(chunk))
      const sent = (): string => Buffer.concat(chunks).toString('latin1')
      // The bytes are kept before anybody acts on them.
      if (keepsBytes) listen()
      onConnection(socket, sent)
    })
  }

  /**
   * HTTP as Node speaks it, without the date.
   * @param keepsBytes false where a socket has to stand still when nobody reads: who keeps all, reads all
   */
  static http(answer: RequestListener, keepsBytes = true): Promise<WireServer> {
    return WireServer.#listen(httpConnections(answer, keepsBytes), keepsBytes)
  }

  /** Called for each piece that comes in, with all that came so far. */
  static raw(answer: RawAnswer): Promise<WireServer> {
    return WireServer.#listen((socket, sent) => socket.on('data', () => answer(socket, sent)), true)
  }

  static async #listen(
    onConnection: (socket: Socket, sent: () => string) => void,
    keepsBytes: boolean,
  ): Promise<WireServer> {
    const server = new WireServer(onConnection, keepsBytes)
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.1.1', resolve))
    server.#label = `127.0.1.1:${(server.#server.address() as AddressInfo).port}`
    return server
  }

  get label(): string {
    return this.#label
  }

  /** All that came in since it was last asked, one text for each connection. */
  take(): string[] {
    const taken = this.connections.map((chunks) => Buffer.concat(chunks).toString('latin1'))
    this.connections = []
    return taken
  }

  /** Refuses connections from now on. May be called again. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.sockets) socket.destroy()
    await closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

function httpConnections(answer: RequestListener, keepsBytes: boolean): (socket: Socket) => void {
  const http = createHttpServer({ keepAliveTimeout: 0 }, (request, response) => {
    response.sendDate = false
    answer(request, response)
  })
  for (const event of ['upgrade', 'connect', 'checkContinue'] as const) {
    http.on(event, (...args) => answer(...(args as unknown as Parameters<RequestListener>)))
  }
  return (socket) => {
    // A parser that reads from the socket's handle would leave nothing for the listeners of 'data'.
    http.emit('connection', socket)
    if (keepsBytes) socket.on('data', () => undefined)
  }
}

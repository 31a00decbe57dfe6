import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** What a test server saw of one request. */
export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** An HTTP server on one of 127.0.0.0/8, which keeps what it saw. */
type Answer = (request: IncomingMessage, response: ServerResponse, seen: Seen) => void

export class TestServer implements AsyncDisposable {
  readonly seen: Seen[] = []
  readonly sockets: Set<Socket> = new Set()
  /** What it answers, once the request body has come in; replaceable at any time. */
  answer: Answer
  readonly #server: Server
  #address = ''

  constructor(answer?: Answer) {
    this.answer = answer ?? ((_request, response) => void response.end(this.label))
    this.#server = createServer(this.#listener())
    this.#server.on('connection', (socket) => {
      this.sockets.add(socket)
      socket.once('close', () => this.sockets.delete(socket))
    })
  }

  /** @param port 0 for a free one */
  async listen(address: string, port = 0): Promise<this> {
    this.#address = address
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ port, host: address, backlog: 4_096 }, resolve)
    })
    return this
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** `127.0.1.1:41234` */
  get label(): string {
    return `${this.#address}:${this.port}`
  }

  /** Takes no new connections; those that there are stay. */
  async stopListening(): Promise<void> {
    this.#server.close()
    await new Promise(setImmediate)
  }

  /** Stops listening and breaks every connection, as a killed process does. */
  async kill(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    for (const socket of this.sockets) socket.destroy()
    await closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.kill()
  }

  #listener(): RequestListener {
    return (request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('error', () => undefined)
      request.on('end', () => {
        const { method = '', url = '', headers } = request
        const seen = { method, url, headers, body: Buffer.concat(chunks).toString() }
        this.seen.push(seen)
        this.answer(request, response, seen)
      })
    }
  }
}

/** Servers on 127.0.1.1, 127.0.1.2, ... that share one port, as the tasks of a service do. */
export async function startServers(count: number, answer?: Answer): Promise<TestServer[]> {
  for (;;) {
    const servers = await tryServers(count, answer)
    if (servers !== undefined) return servers
  }
}

/** @returns undefined when the port of the first is taken on another address, by a test that runs beside this */
async function tryServers(count: number, answer?: Answer): Promise<TestServer[] | undefined> {
  const first = await new TestServer(answer).listen('127.0.1.1')
  const servers = [first]
  try {
    for (let i = 2; i <= count; i++)
      servers.push(await new TestServer(answer).listen(`127.0.1.${i}`, first.port))
    return servers
  } catch (error) {
    for (const server of servers) await server.kill()
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined
    throw error
  }
}

/** An address and port of loopback where nothing listens. */
export async function refusingAddress(address = '127.0.1.200'): Promise<string> {
  const server = await new TestServer().listen(address)
  const { label } = server
  await server.kill()
  return label
}

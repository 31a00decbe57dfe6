import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { LoopbackServer, onOnePort } from './loopback-server.ts'

/** What a test server saw of one request. */
export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

type Answer = (request: IncomingMessage, response: ServerResponse, seen: Seen) => void

/** An HTTP server on one of 127.0.0.0/8, which keeps what it saw. */
export class TestServer extends LoopbackServer<Server> {
  readonly seen: Seen[] = []
  /** What it answers, once the request body has come in; replaceable at any time. */
  answer: Answer

  constructor(answer?: Answer) {
    super(createServer())
    this.answer = answer ?? ((_request, response) => void response.end(this.label))
    this.server.on('request', (request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('error', () => undefined)
      request.on('end', () => {
        const { method = '', url = '', headers } = request
        const seen = { method, url, headers, body: Buffer.concat(chunks).toString() }
        this.seen.push(seen)
        this.answer(request, response, seen)
      })
    })
  }

  /** Takes no new connections; those that there are stay. */
  async stopListening(): Promise<void> {
    this.server.close()
    await new Promise(setImmediate)
  }
}

/** Servers on 127.0.1.1, 127.0.1.2, ... that share one port, as the tasks of a service do. */
export function startServers(count: number, answer?: Answer): Promise<TestServer[]> {
  return onOnePort(Array.from({ length: count }, () => () => new TestServer(answer)))
}

/** An address and port of loopback where nothing listens. */
export async function refusingAddress(address = '127.0.1.200'): Promise<string> {
  const server = await new TestServer().listen(address)
  await server.kill()
  return server.label
}

import { once } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

// Not imported: an ESM `import` of node:http makes Node load its own undici, which claims the global dispatcher.
const { createServer } = process.getBuiltinModule('node:http')

export const LOOPBACK = '127.0.0.1'

export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => void

/** An HTTP server on 127.0.0.1 that can stop in the midst of requests, and listen again on the same port. */
export class LoopbackHttp {
  readonly #server: Server
  #port = 0

  constructor(handler: HttpHandler) {
    this.#server = createServer(handler)
  }

  get port(): number {
    return this.#port
  }

  get listening(): boolean {
    return this.#server.listening
  }

  /** @param port [the same as last time; at first any that is free] */
  async listen(port: number = this.#port): Promise<void> {
    this.#server.listen(port, LOOPBACK)
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  /** Ends every connection, whatever it waits for. New ones are refused from now on. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server.close(), 'close')
    this.#server.closeAllConnections()
    await closed
  }
}

/** The whole body as text; rejects when the client goes away. */
export async function readBody(request: IncomingMessage): Promise<string> {
  request.setEncoding('utf8')
  let body = ''
  for await (const chunk of request) body += chunk as string
  return body
}

export function sendJson(response: ServerResponse, status: number, type: string, body: unknown): void {
  const payload = Buffer.from(JSON.stringify(body))
  response.writeHead(status, { 'content-type': type, 'content-length': payload.length }).end(payload)
}

/** What is not JSON, with status 200. */
export function sendGarbage(response: ServerResponse, type: string): void {
  response.writeHead(200, { 'content-type': type }).end('<html>not what you asked for</html>')
}

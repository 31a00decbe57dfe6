import type { RequestListener } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import { createServer, type Socket } from 'node:net'
import { LoopbackServer } from '../../support/loopback-server.ts'
import {
  httpServer,
  overTls,
  TRANSPORTS,
  type Accept,
  type Transport,
} from '../../support/transports/transports.ts'

/** Speaks for itself from the first byte of a connection on, where an HTTP server would not say such things. */
export type RawAnswer = (socket: Socket, sent: () => string) => void

/**
 * A server on 127.0.1.1 that keeps every byte that clients send, as they send it: what two clients did is the same
 * if these bytes are the same. With TLS, the bytes within it; of HTTP/2, the headers and bodies of its streams.
 */
export class WireServer extends LoopbackServer {
  readonly transport: Transport
  /** What came in on each connection, in the order in which they were opened. */
  connections: Buffer[][] = []

  private constructor(transport: Transport, acceptFor: (server: WireServer) => Accept) {
    super(createServer({ noDelay: true }))
    this.transport = transport
    this.server.on('connection', acceptFor(this))
  }

  /**
   * HTTP as Node speaks it, without the date.
   * @param keepsBytes false where a socket has to stand still when nobody reads: who keeps all, reads all
   */
  static http(
    answer: RequestListener,
    transport: Transport = TRANSPORTS.http,
    keepsBytes = true,
  ): Promise<WireServer> {
    return WireServer.#listen(transport, (wire) => {
      const { server, accept } = httpServer(
        transport,
        (request, response) => {
          response.sendDate = false
          answer(request, response)
        },
        keepsBytes
          ? {
              onSocket: (socket) => void wire.#keepBytes(socket),
              onSession: (session) => wire.#keepStreams(session),
            }
          : undefined,
      )
      for (const event of ['upgrade', 'connect', 'checkContinue'])
        server.on(event, (...args) => answer(...(args as unknown as Parameters<RequestListener>)))
      return accept
    })
  }

  /** Called for each piece that comes in, with all that came so far. HTTP/1.1 only: it is spoken byte by byte. */
  static raw(answer: RawAnswer, transport: Transport = TRANSPORTS.http): Promise<WireServer> {
    return WireServer.#listen(transport, (wire) =>
      overTls(transport, (socket) => {
        const sent = wire.#keepBytes(socket)
        socket.on('data', () => answer(socket, sent))
      }),
    )
  }

  static #listen(transport: Transport, acceptFor: (server: WireServer) => Accept): Promise<WireServer> {
    return new WireServer(transport, acceptFor).listen('127.0.1.1')
  }

  /** All that came in since it was last asked, one text for each connection. */
  take(): string[] {
    const taken = this.connections.map((chunks) => Buffer.concat(chunks).toString('latin1'))
    this.connections = []
    return taken
  }

  #open(): Buffer[] {
    const chunks: Buffer[] = []
    this.connections.push(chunks)
    return chunks
  }

  /** Before anybody acts on them. */
  #keepBytes(socket: Socket): () => string {
    const chunks = this.#open()
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    return () => Buffer.concat(chunks).toString('latin1')
  }

  #keepStreams(session: ServerHttp2Session): void {
    const chunks = this.#open()
    session.on('stream', (stream, _headers, _flags, rawHeaders) => {
      const pairs = rawHeaders as readonly string[]
      const lines = pairs.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${pairs[index + 1]}`] : []))
      chunks.push(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`))
      // A listener of 'data' would have the stream read when nobody else wants to.
      const push = stream.push.bind(stream)
      stream.push = (chunk: Buffer | null, encoding) => {
        if (chunk !== null) chunks.push(chunk)
        return push(chunk, encoding)
      }
    })
  }
}

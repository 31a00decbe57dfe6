/** What there may be between a client and its tasks. The suites that open sockets run over each of these. */
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http'
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import type { Pool } from 'undici'
import { ca, cert, key } from './tls.ts'

export type TransportName = 'http' | 'https' | 'h2' | 'capped'

export interface Transport {
  readonly name: TransportName
  readonly scheme: 'http' | 'https'
  readonly protocol: 'HTTP/1.1' | 'HTTP/2'
  /** undici's options for it. */
  readonly pool: Pool.Options | undefined
}

const connect = { ca }

/** The certificate of those with TLS is for orders.shop.local. */
export const TRANSPORTS: Readonly<Record<TransportName, Transport>> = {
  http: { name: 'http', scheme: 'http', protocol: 'HTTP/1.1', pool: undefined },
  https: { name: 'https', scheme: 'https', protocol: 'HTTP/1.1', pool: { connect } },
  h2: { name: 'h2', scheme: 'https', protocol: 'HTTP/2', pool: { allowH2: true, connect } },
  /** Calls wait for a connection of their own. */
  capped: { name: 'capped', scheme: 'http', protocol: 'HTTP/1.1', pool: { connections: 2 } },
}

/** Hands plain connections to whatever speaks the transport on them. */
export type Accept = (plain: Socket) => void

/** @param onConnection gets what HTTP/1.1 is spoken on. `resetAndDestroy` works on it, with TLS, too. */
export function overTls({ scheme }: Transport, onConnection: (socket: Socket) => void): Accept {
  if (scheme === 'http') return onConnection
  const secureContext = createSecureContext({ key, cert })
  // As a TLS server does it, which would leave connections open that break within their handshake.
  return (plain) => {
    const socket = new TLSSocket(plain, { isServer: true, secureContext, ALPNProtocols: ['http/1.1'] })
    socket.on('error', () => socket.destroy())
    socket.once('close', () => plain.destroy())
    plain.once('close', () => socket.destroy())
    resetThrough(plain, socket)
    socket.once('secure', () => onConnection(socket))
  }
}

/** A TLS socket cannot be reset itself: the plain one beneath it is. */
function resetThrough(plain: Socket | undefined, socket: TLSSocket): void {
  socket.resetAndDestroy = () => {
    plain?.resetAndDestroy()
    return socket
  }
}

/** Sees connections before they are served. */
export interface Watch {
  onSocket(socket: Socket): void
  onSession(session: ServerHttp2Session): void
}

/** An HTTP server of the transport's protocol, which listens nowhere itself. */
export function httpServer(
  transport: Transport,
  listener: RequestListener,
  watch?: Watch,
): { readonly accept: Accept; readonly server: Server | Http2SecureServer } {
  return transport.protocol === 'HTTP/2'
    ? http2Server(listener, watch)
    : http1Server(transport, listener, watch)
}

function http1Server(
  transport: Transport,
  listener: RequestListener,
  watch: Watch | undefined,
): ReturnType<typeof httpServer> {
  const server = createHttpServer({ keepAliveTimeout: 0 }, listener)
  const accept = overTls(transport, (socket) => {
    watch?.onSocket(socket)
    server.emit('connection', socket)
    // A parser that reads from the socket's handle would leave nothing for the listeners of 'data'.
    if (watch !== undefined) socket.on('data', () => undefined)
  })
  return { accept, server }
}

function http2Server(listener: RequestListener, watch: Watch | undefined): ReturnType<typeof httpServer> {
  /** By the port of their clients. */
  const plainSockets = new Map<number | undefined, Socket>()
  const server = createSecureServer({ key, cert }, (request, response) => {
    // Those that are reset on purpose.
    request.on('error', () => undefined)
    response.stream.on('error', () => undefined)
    // Node's compatibility layer has what the listeners here use.
    listener(request as never, response as never)
  })
  server.on('secureConnection', (socket) => {
    socket.on('error', () => undefined)
    resetThrough(plainSockets.get(socket.remotePort), socket)
  })
  server.on('sessionError', () => undefined)
  if (watch !== undefined) server.on('session', (session) => watch.onSession(session))
  return {
    server,
    accept(plain) {
      const { remotePort } = plain
      plainSockets.set(remotePort, plain)
      plain.once('close', () => {
        if (plainSockets.get(remotePort) === plain) plainSockets.delete(remotePort)
      })
      server.emit('connection', plain)
    },
  }
}

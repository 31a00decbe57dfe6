import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import { Server, type Socket } from 'node:net'
import { Server as TlsServer } from 'node:tls'
import type { Clock } from '../../core/clock.ts'
import type { Drainable } from './drainable.ts'
import { markResponse, markStream } from './mark-answers.ts'

/** Published for each request over HTTP/1.1 before any listener of the server hears of it, `checkContinue` included. */
const REQUEST_START = 'http.server.request.start'

interface RequestStart {
  readonly server: Server
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/** Events with a connection that the server hands to its listener. */
const HANDED_OVER = ['upgrade', 'connect'] as const

/**
 * A server of `node:http`, `node:https`, `node:http2`, or of `node:net` with a protocol of its own. It is watched from
 * the start, since Node does not list the requests, sessions and upgraded connections of a server; nothing else about it
 * changes until `drain()`.
 */
export class HttpServer implements Drainable {
  lastArrivalAt: number = Number.NEGATIVE_INFINITY
  readonly #server: Server
  readonly #clock: Clock
  /** Plain, also beneath TLS. */
  readonly #sockets = new Set<Socket>()
  /** Those that HTTP is spoken on, and how much had been read when it began: less is silence. */
  readonly #spoken = new Map<Socket, number>()
  /** Over HTTP/1.1: what is under way, and the connection that it came in on. */
  readonly #responses = new Map<ServerResponse, Socket>()
  /** The last request of each connection: a client that pipelines sends the next one early. */
  readonly #latest = new WeakMap<Socket, ServerResponse>()
  readonly #streams = new Map<ServerHttp2Stream, IncomingHttpHeaders>()
  readonly #sessions = new Set<ServerHttp2Session>()
  readonly #upgraded = new Map<Socket, string>()
  readonly #release: (() => void)[] = []
  #isDraining = false
  #isStopped = false

  constructor(server: Server, clock: Clock) {
    this.#server = server
    this.#clock = clock
    this.#listen('connection', (socket: Socket) => this.#connected(socket))
    if (isHttp(server)) this.#listen('secureConnection', (socket: Socket) => this.#speaks(socket))
    this.#listen('session', (session: ServerHttp2Session) => this.#opened(session))
    this.#listen('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) =>
      this.#streamed(stream, headers),
    )
    this.#listen('listening', () => {
      // Only now: it was stopped before it began to listen.
      if (this.#isStopped) this.#server.close()
    })
    this.#followUpgrades()
    const onRequest = (event: unknown): void => this.#requested(event as RequestStart)
    subscribe(REQUEST_START, onRequest)
    this.#release.push(() => void unsubscribe(REQUEST_START, onRequest))
  }

  get inFlight(): number {
    return this.#responses.size + this.#streams.size + this.#upgraded.size
  }

  drain(): void {
    this.#isDraining = true
    for (const [response, socket] of this.#responses) this.#mark(response, socket)
    for (const stream of this.#streams.keys()) markStream(stream)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    // Of the listener alone: http.Server's own would break requests that the kernel has received and Node has not read.
    Server.prototype.close.call(this.#server, () => resolve())
    // Two turns of the event loop read them.
    for (let turn = 0; turn < 2; turn++) await new Promise<void>((read) => this.#clock.afterIo(read))
    // Node ends idle connections of HTTP/1.1 with it.
    this.#server.close()
    for (const session of this.#sessions) closeSession(session)
    this.#endSilent()
    // Connections of a server that had stopped listening by itself do not hold the callback back.
    await ended
    await Promise.all(Array.from(this.#sockets, closed))
  }

  cut(): readonly string[] {
    const broken = [
      ...Array.from(this.#responses.keys(), ({ req }) => described(req.method, req.url)),
      ...Array.from(this.#streams.values(), (headers) => described(headers[':method'], headers[':path'])),
      ...this.#upgraded.values(),
    ]
    for (const session of this.#sessions) session.destroy()
    for (const socket of this.#sockets) socket.destroy()
    // Connections that are older than this watch.
    if ('closeAllConnections' in this.#server) (this.#server.closeAllConnections as () => void)()
    return broken
  }

  release(): void {
    for (const release of this.#release.splice(0)) release()
  }

  #listen(event: string, listener: (...args: never[]) => void): void {
    const heard = listener as (...args: unknown[]) => void
    // Before handlers that answer at once.
    this.#server.prependListener(event, heard)
    this.#release.push(() => this.#server.off(event, heard))
  }

  #connected(socket: Socket): void {
    this.lastArrivalAt = this.#clock.now()
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    if (!isHttp(this.#server)) this.#follow(socket, 'connection')
    else if (!(this.#server instanceof TlsServer)) this.#speaks(socket)
  }

  /** A connection whose requests are not known: it counts as one until it ends. */
  #follow(socket: Socket, name: string): void {
    this.#upgraded.set(socket, name)
    socket.once('close', () => this.#upgraded.delete(socket))
  }

  #speaks(socket: Socket): void {
    this.#spoken.set(socket, socket.bytesRead)
    socket.once('close', () => this.#spoken.delete(socket))
  }

  #requested({ server, response, request: { socket } }: RequestStart): void {
    if (server !== this.#server) return
    this.lastArrivalAt = this.#clock.now()
    this.#responses.set(response, socket)
    this.#latest.set(socket, response)
    response.once('close', () => {
      this.#responses.delete(response)
      // Its headers were sent before the signal, and promised that the connection stays.
      if (this.#isStopped && this.#latest.get(socket) === response && !this.#upgraded.has(socket))
        socket.destroySoon()
    })
    if (this.#isDraining) this.#mark(response, socket)
  }

  #mark(response: ServerResponse, socket: Socket): void {
    markResponse(response, () => this.#latest.get(socket) === response)
  }

  #opened(session: ServerHttp2Session): void {
    this.#sessions.add(session)
    session.once('close', () => this.#sessions.delete(session))
    // Its handshake ended after the sessions were closed.
    if (this.#isStopped) closeSession(session)
  }

  #streamed(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    // HTTP/2 says nothing of quiet: callers go on with the session that they have until its GOAWAY.
    this.#streams.set(stream, headers)
    stream.once('close', () => this.#streams.delete(stream))
    if (this.#isDraining) markStream(stream)
  }

  /** With a listener of ours and none of the user's, Node would hand over what it answers otherwise. */
  #followUpgrades(): void {
    for (const event of HANDED_OVER) {
      const onUpgrade = ({ method, url, socket }: IncomingMessage): void => {
        this.lastArrivalAt = this.#clock.now()
        this.#follow(socket, described(event === 'upgrade' ? 'upgraded' : method, url))
      }
      let isFollowed = false
      const follow = (isWanted: boolean): void => {
        if (isFollowed === isWanted) return
        isFollowed = isWanted
        if (isWanted) this.#server.prependListener(event, onUpgrade)
        else this.#server.off(event, onUpgrade)
      }
      const users = (): number => this.#server.listenerCount(event) - (isFollowed ? 1 : 0)
      follow(users() > 0)
      this.#listen('newListener', (name: string) => void (name === event && follow(true)))
      this.#listen('removeListener', (name: string) => void (name === event && follow(users() > 0)))
      this.#release.push(() => follow(false))
    }
  }

  /** Connections on which nothing was ever said, e.g. opened in advance: Node would take a minute. */
  #endSilent(): void {
    for (const [socket, bytes] of this.#spoken) if (socket.bytesRead === bytes) socket.destroy()
    // Beneath TLS: those without the beginning of a handshake.
    if (isHttp(this.#server)) for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy()
  }
}

/**
 * GOAWAY: requests under way are answered, and clients send the next one elsewhere. Those that cross it on the network
 * end with REFUSED_STREAM: they were not processed, and may be sent again (RFC 9113 section 8.7). An earlier GOAWAY that
 * only announces it (section 6.8) would leave them without an answer: nghttp2 ignores new streams after any that it
 * submits but its shutdown notice, which Node does not have.
 */
function closeSession(session: ServerHttp2Session): void {
  if (!session.closed && !session.destroyed) session.close()
}

/** Or HTTP/2: other servers may speak first, and their connections are their work. */
function isHttp(server: Server): boolean {
  return 'closeIdleConnections' in server || 'updateSettings' in server
}

function closed(socket: Socket): Promise<void> {
  return socket.closed
    ? Promise.resolve()
    : new Promise((resolve) => void socket.once('close', () => resolve()))
}

/** Without query and user, which may hold secrets. */
function described(method: unknown, url: unknown): string {
  const [target = ''] = String(url).split('?', 1)
  return `${String(method)} ${target.replace(/^([a-z]+:)?\/\/[^/]*@/i, '$1//')}`
}

import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { createServer, type Server as Listener, type AddressInfo, type Socket } from 'node:net'
import { systemClock, type Clock } from '../core/clock.ts'

/** Node's 511 is less than a test opens at once; the kernel has the last word (Linux: 4,096). */
const LONGEST_BACKLOG = 4_096

/** What a task does instead of answering at once. */
export type Fault =
  | { readonly kind: 'none' }
  /** Answers after `delayMs`. */
  | { readonly kind: 'slow'; readonly delayMs: number }
  /** Takes requests, and never answers. */
  | { readonly kind: 'hang' }
  /** Answers with this status, at once; `retryAfter` as the header has it. */
  | { readonly kind: 'status'; readonly status: number; readonly retryAfter?: string }
  /** Resets the connection instead of answering. */
  | { readonly kind: 'reset' }
  /** Sends headers and a part of the body, then resets the connection. */
  | { readonly kind: 'reset-mid-body' }

/** What a task has been through since it started. */
export interface TaskStats {
  readonly requests: number
  readonly byMethod: Readonly<Record<string, number>>
  /** Taken and not answered yet. */
  readonly inFlight: number
  /** Client-side connections that are open. */
  readonly connections: number
}

export interface TaskServerOptions {
  readonly id: string
  readonly zone: string | undefined
  /** Answers requests that no fault takes; undefined: JSON that tells what came in. */
  readonly handler: RequestListener | undefined
  readonly tls: { readonly key: string; readonly cert: string } | undefined
  readonly clock?: Clock
}

/**
 * One task: an HTTP server with two sides, as behind a security group. Clients reach it on its own address; the
 * load balancer on another, which `cut` leaves alone.
 *
 * The sides are plain listeners that hand their sockets to one HTTP server. Closing an HTTP server would also
 * close its idle connections, under requests that are on their way: a fault that nobody asked for.
 */
export class TaskServer {
  readonly #options: TaskServerOptions
  readonly #clock: Clock
  readonly #http: Server
  readonly #sockets = new Set<Socket>()
  readonly #clientSockets = new Set<Socket>()
  #client: Listener | undefined
  #back: Listener | undefined
  #address = ''
  #port = 0
  #fault: Fault = { kind: 'none' }
  /** Clients are to leave: each answer ends its connection. */
  #draining = false
  #requests = 0
  #inFlight = 0
  readonly #byMethod: Record<string, number> = {}

  constructor(options: TaskServerOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    const listener: RequestListener = (request, response) => this.#take(request, response)
    this.#http =
      options.tls === undefined ? createHttpServer(listener) : createHttpsServer(options.tls, listener)
  }

  get port(): number {
    return this.#port
  }

  /** @param port 0 for a free one */
  async listen(address: string, backAddress: string, port: number): Promise<void> {
    this.#address = address
    this.#client = await this.#open(address, port, true)
    this.#port = (this.#client.address() as AddressInfo).port
    if (backAddress !== address) this.#back = await this.#open(backAddress, this.#port, false)
  }

  set(fault: Fault): void {
    this.#fault = fault
  }

  stats(): TaskStats {
    return {
      requests: this.#requests,
      byMethod: { ...this.#byMethod },
      inFlight: this.#inFlight,
      connections: this.#clientSockets.size,
    }
  }

  /** New clients are refused, those connected are sent away with their next answer. The back side goes on. */
  cut(): void {
    this.#draining = true
    stopListening(this.#client)
    this.#client = undefined
  }

  async restore(): Promise<void> {
    this.#client ??= await this.#open(this.#address, this.#port, true)
    this.#draining = false
  }

  /** Stops listening, answers what it has taken, then ends. */
  async shutdown(): Promise<void> {
    this.#draining = true
    stopListening(this.#client)
    stopListening(this.#back)
    this.#back = undefined
    this.#http.closeIdleConnections()
    const closed = [...this.#sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
    await Promise.all(closed)
    this.#end()
  }

  /** Breaks every connection, now. */
  kill(): void {
    stopListening(this.#client)
    stopListening(this.#back)
    for (const socket of this.#sockets) socket.resetAndDestroy()
    this.#end()
  }

  /** An HTTP server that never listened still keeps a timer that looks for stalled requests. */
  #end(): void {
    this.#client = undefined
    this.#back = undefined
    this.#http.close()
  }

  async #open(address: string, port: number, isClientSide: boolean): Promise<Listener> {
    const listener = createServer((socket) => {
      this.#sockets.add(socket)
      if (isClientSide) this.#clientSockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => {
        this.#sockets.delete(socket)
        this.#clientSockets.delete(socket)
      })
      this.#http.emit('connection', socket)
    })
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject)
      listener.listen({ port, host: address, backlog: LONGEST_BACKLOG }, resolve)
    })
    return listener
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const { method = '' } = request
    this.#requests++
    this.#inFlight++
    this.#byMethod[method] = (this.#byMethod[method] ?? 0) + 1
    response.once('close', () => this.#inFlight--)
    this.#answer(request, response)
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const fault = this.#fault
    switch (fault.kind) {
      case 'none':
        this.#serve(request, response)
        break
      case 'slow':
        this.#clock.setTimer(() => this.#serve(request, response), fault.delayMs)
        break
      case 'hang':
        break
      case 'status':
        request.resume()
        this.#sendAway(request, response)
        if (fault.retryAfter !== undefined) response.setHeader('retry-after', fault.retryAfter)
        response.writeHead(fault.status, { 'x-task': this.#options.id })
        response.end()
        break
      case 'reset':
        request.socket.resetAndDestroy()
        break
      case 'reset-mid-body':
        response.writeHead(200, { 'content-length': 1_000, 'x-task': this.#options.id })
        response.write('the beginning of an answer', () => request.socket.resetAndDestroy())
        break
    }
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { id, zone, handler } = this.#options
    this.#sendAway(request, response)
    response.setHeader('x-task', id)
    if (handler !== undefined) {
      handler(request, response)
      return
    }
    let bytes = 0
    request.on('data', (chunk: Buffer) => (bytes += chunk.length))
    request.on('end', () => {
      const { method, url: path, headers } = request
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ task: id, zone, method, path, host: headers.host, bytes }))
    })
  }

  /** At the moment of the answer, for requests that were taken before it was decided that clients leave. */
  #sendAway(request: IncomingMessage, response: ServerResponse): void {
    // Over TLS the server sees another socket than the listener: then every connection counts as a client's.
    const fromClient = this.#clientSockets.has(request.socket) || this.#options.tls !== undefined
    if (this.#draining && (fromClient || this.#back === undefined)) response.shouldKeepAlive = false
  }
}

/** At once; its connections stay. */
function stopListening(listener: Listener | undefined): void {
  listener?.close()
}

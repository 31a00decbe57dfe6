import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'
import type { Socket } from 'node:net'
import type { Clock } from '../../core/clock.ts'
import type { Fault } from '../fault.ts'
import type { TaskPlace, TaskStats } from './fleet-task.ts'

/** The connections of a task, on both of its sides. */
export interface TaskConnections {
  /** The plain socket beneath the one that a request came in on. */
  plainSocketOf(requestSocket: Socket): Socket | undefined
  /** Whether the next answer ends the connection. */
  isLeaving(requestSocket: Socket): boolean
}

/** How a task answers: its handler, or the fault that is set; and the count of requests. */
export class TaskAnswers {
  fault: Fault = { kind: 'none' }
  readonly #place: TaskPlace
  readonly #handler: RequestListener | undefined
  readonly #clock: Clock
  readonly #connections: TaskConnections
  #requests = 0
  #inFlight = 0
  readonly #byMethod: Record<string, number> = {}

  /** @param handler answers requests that no fault takes; undefined: JSON that describes the request */
  constructor(
    place: TaskPlace,
    handler: RequestListener | undefined,
    clock: Clock,
    connections: TaskConnections,
  ) {
    this.#place = place
    this.#handler = handler
    this.#clock = clock
    this.#connections = connections
  }

  get counts(): Omit<TaskStats, 'connections'> {
    return { requests: this.#requests, byMethod: { ...this.#byMethod }, inFlight: this.#inFlight }
  }

  /** Answers one request, as the fault says. */
  take(request: IncomingMessage, response: ServerResponse): void {
    const { method = '' } = request
    this.#requests++
    this.#inFlight++
    this.#byMethod[method] = (this.#byMethod[method] ?? 0) + 1
    response.once('close', () => this.#inFlight--)
    this.#answer(request, response)
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { fault } = this
    switch (fault.kind) {
      case 'none':
        this.#serve(request, response)
        break
      case 'slow': {
        const timer = this.#clock.setTimer(() => this.#serve(request, response), fault.delayMs)
        // There is no caller to answer: a task that was killed does no work.
        response.once('close', () => timer.cancel())
        break
      }
      case 'hang':
        break
      case 'status':
        request.resume()
        this.#sendAway(request, response)
        if (fault.retryAfter !== undefined) response.setHeader('retry-after', fault.retryAfter)
        response.writeHead(fault.status, { 'x-task': this.#place.id })
        response.end()
        break
      case 'reset':
      case 'reset-on-accept':
        this.#reset(request)
        break
      case 'reset-mid-headers':
        // Frames of HTTP/2 are not cut: it is a reset there.
        if (isHttp2(request)) this.#reset(request)
        else request.socket.write('HTTP/1.1 200 OK\r\ncontent-ty', () => this.#reset(request))
        break
      case 'reset-mid-body':
        response.writeHead(200, { 'content-length': 1_000, 'x-task': this.#place.id })
        response.write('the beginning of an answer', () => this.#reset(request))
        break
    }
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { id, zone } = this.#place
    this.#sendAway(request, response)
    response.setHeader('x-task', id)
    if (this.#handler !== undefined) {
      this.#handler(request, response)
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

  /** TLS sockets cannot be reset themselves. */
  #reset({ socket }: IncomingMessage): void {
    this.#connections.plainSocketOf(socket)?.resetAndDestroy()
  }

  /** At the moment of the answer, for requests that were taken before it was decided that clients leave. */
  #sendAway(request: IncomingMessage, response: ServerResponse): void {
    if (!this.#connections.isLeaving(request.socket)) return
    if (!isHttp2(request)) response.shouldKeepAlive = false
    else if (request.stream.session?.closed === false) request.stream.session.close()
  }
}

function isHttp2(request: IncomingMessage): request is IncomingMessage & Pick<Http2ServerRequest, 'stream'> {
  return request.httpVersionMajor === 2
}

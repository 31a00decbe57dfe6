/**
 * HTTP for the AWS SDK that keeps no process alive: polls go on in the background, and the SDK's own handler keeps the
 * process alive by its sockets and by several timers for each request. Calls that wait do so by themselves.
 */
import type { Agent, ClientRequest, IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { systemClock } from '../../core/clock.ts'

// Not imported: an `import` of node:http, also in a bundle that has this file, reads all that it exports. Node then loads
// its own undici, which claims the global dispatcher.
const { Agent: HttpAgent, request: httpRequest } = process.getBuiltinModule('node:http')
const { Agent: HttpsAgent, request: httpsRequest } = process.getBuiltinModule('node:https')

/** The SDK's request; these parts are read. */
export interface SdkRequest {
  readonly protocol: string
  readonly hostname: string
  readonly port?: number | undefined
  readonly method: string
  readonly path: string
  readonly query?: Readonly<Record<string, string | readonly string[] | null>> | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly body?: unknown
}

/** What it takes for a response: its checks are of these fields, not of a class. */
export interface SdkResponse {
  readonly statusCode: number
  readonly reason: string | undefined
  readonly headers: Record<string, string>
  readonly body: IncomingMessage
}

interface HandlerOptions {
  readonly abortSignal?: unknown
}

/** Of the SDK's own handler. */
const MAX_SOCKETS = 50

/** Codes that the SDK takes for a reason to try again under this name. */
const TIMEOUT_CODES: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT'])

/** The SDK's `requestHandler`. */
export class BackgroundHttp {
  readonly metadata = { handlerProtocol: 'http/1.1' }
  readonly #limitMs: number
  readonly #http = unreferenced(new HttpAgent({ keepAlive: true, maxSockets: MAX_SOCKETS }))
  readonly #https = unreferenced(new HttpsAgent({ keepAlive: true, maxSockets: MAX_SOCKETS }))

  /** @param limitMs how long a try may be without a byte: while it connects, before its response, and within it */
  constructor(limitMs: number) {
    this.#limitMs = limitMs
  }

  handle(sent: SdkRequest, { abortSignal }: HandlerOptions = {}): Promise<{ response: SdkResponse }> {
    const signal = abortSignal instanceof AbortSignal ? abortSignal : undefined
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(abortError())
      const request = this.#open(sent)
      const onAbort = (): void => {
        request.destroy()
        reject(abortError())
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      request.once('close', () => signal?.removeEventListener('abort', onAbort))
      // Stays on the request, which may fail again when there is no listener any more.
      request.on('error', (error: NodeJS.ErrnoException) => {
        reject(TIMEOUT_CODES.has(error.code) ? Object.assign(error, { name: 'TimeoutError' }) : error)
      })
      onSilence(request, () => {
        const error = new Error(`nothing came in ${this.#limitMs} ms`)
        request.destroy(Object.assign(error, { code: 'ETIMEDOUT' }))
      })
      request.once('response', (response) => resolve({ response: responseOf(response) }))
      request.end(sent.body as string | Uint8Array | undefined)
    })
  }

  destroy(): void {
    this.#http.destroy()
    this.#https.destroy()
  }

  #open({ protocol, hostname, port, method, path, query, headers }: SdkRequest): ClientRequest {
    const isTls = protocol === 'https:'
    return (isTls ? httpsRequest : httpRequest)({
      // The SDK has IPv6 addresses in brackets, and Node has not.
      host: hostname.replace(/^\[|\]$/g, ''),
      ...(port !== undefined && { port }),
      method,
      path: path + queryOf(query),
      headers,
      agent: isTls ? this.#https : this.#http,
      timeout: this.#limitMs,
    })
  }
}

/**
 * Timers fire before sockets are read: a process that was busy must not take its own delay for that of the API. The request
 * itself reports the first timeout alone.
 */
function onSilence(request: ClientRequest, onSilent: () => void): void {
  request.once('socket', (socket) => {
    const progress = (): string => `${socket.connecting} ${socket.bytesRead}`
    const onTimeout = (): void => {
      const before = progress()
      systemClock.afterIo(() => {
        if (!request.closed && progress() === before) onSilent()
      })
    }
    socket.on('timeout', onTimeout)
    request.once('close', () => socket.off('timeout', onTimeout))
  })
}

/** By methods of an agent that Node documents as meant for this. */
function unreferenced<Kind extends Agent>(agent: Kind): Kind {
  const open = agent.createConnection.bind(agent)
  agent.createConnection = (options, callback) => {
    const socket = open(options, callback)
    if (socket instanceof Socket) {
      socket.unref()
      // Each address of a name that has several gets a handle of its own.
      socket.on('connectionAttempt', () => socket.unref())
    }
    return socket
  }
  const reuse = agent.reuseSocket.bind(agent)
  agent.reuseSocket = (socket, request) => {
    reuse(socket, request)
    if (socket instanceof Socket) socket.unref()
  }
  return agent
}

function responseOf(response: IncomingMessage): SdkResponse {
  const headers: Record<string, string> = {}
  for (const [name, value = ''] of Object.entries(response.headers))
    headers[name] = typeof value === 'string' ? value : value.join(', ')
  return { statusCode: response.statusCode ?? 0, reason: response.statusMessage, headers, body: response }
}

function queryOf(query: SdkRequest['query']): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {}))
    for (const text of [value ?? ''].flat()) parameters.append(name, text)
  return parameters.size === 0 ? '' : `?${parameters.toString()}`
}

/** As the SDK's own handler calls it: not to be tried again. */
function abortError(): Error {
  return Object.assign(new Error('Request aborted'), { name: 'AbortError' })
}

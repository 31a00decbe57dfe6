import type { ClientRequest } from 'node:http'
import type { Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { schemePort } from '../core/url-port.ts'
import { connect, type NetClient } from '../net/index.ts'
import type { CalledOrigin } from './leased-request.ts'
import type { AgentRequestOptions, RequestDoor, SocketCallback } from './node-agent.ts'
import { RoutedRequest, routedOf } from './routed-request.ts'

/** Requests that are kept apart by host and port; beyond it they are looked up again. */
const MAX_HOSTS = 1_000

/** What the agents of `node:http` and `node:https` do alike. */
export class AgentDoor {
  readonly #door: RequestDoor
  readonly #protocol: string
  readonly #defaultPort: number
  /** By host and port; undefined: not discovered. */
  readonly #origins = new Map<string, CalledOrigin | undefined>()
  /** Called last, and nearly always the next one: a key to look it up costs more than the comparison. */
  #lastHost: string | undefined = undefined
  #lastPort: AgentRequestOptions['port'] = undefined
  #last: CalledOrigin | undefined = undefined
  /** Whether the last request got its task at once. */
  #isKnown = false
  /** Whose connection Node is about to make. */
  #current: RoutedRequest | undefined = undefined

  constructor(door: RequestDoor, protocol: 'http:' | 'https:') {
    this.#door = door
    this.#protocol = protocol
    this.#defaultPort = schemePort(protocol)
  }

  /** Node calls it for each request. */
  addRequest(
    request: ClientRequest,
    options: AgentRequestOptions | string,
    port?: number,
    localAddress?: string,
  ): void {
    const origin = typeof options === 'string' ? undefined : this.#originOf(options)
    if (typeof options === 'string' || origin === undefined || isForProxy(request)) {
      this.#door.native.addRequest(request, options, port, localAddress)
      return
    }
    this.#isKnown = new RoutedRequest(request, options, origin, this.#door).start(this.#isKnown)
  }

  /** Node calls it when no connection is free. */
  createSocket(request: ClientRequest, options: AgentRequestOptions, callback: SocketCallback): void {
    const routed = routedOf(request)
    if (routed === undefined) {
      this.#door.native.createSocket(request, options, callback)
      return
    }
    this.#current = routed
    try {
      routed.createSocket(options, callback)
    } finally {
      this.#current = undefined
    }
  }

  /**
   * Node calls it to connect.
   * @returns false where Node's own agent has to do it
   */
  createConnection(options: AgentRequestOptions, callback: SocketCallback): boolean {
    this.#current?.connect(options, callback)
    return this.#current !== undefined
  }

  /**
   * The connection for a request that `addRequest` has not seen: msw 2 and nock 14 put an agent of their own in the place of
   * this one, and ask this one for a socket. It finds its task by itself, and is the task's until it closes.
   * @returns undefined where Node's own agent has to do it
   */
  socketFor(options: AgentRequestOptions): Socket | undefined {
    const { host, port, servername } = options
    const { client, agent } = this.#door
    // A proxy of the environment gets the connection from Node's own.
    if (this.#current !== undefined || (agent.options?.proxyEnv ?? undefined) !== undefined) return undefined
    if (typeof host !== 'string' || this.#originOf(options) === undefined) return undefined
    const tls = { ...options, servername: servername === host ? undefined : servername }
    return connect(client as NetClient, {
      host,
      port: Number(port ?? this.#defaultPort) === this.#defaultPort ? undefined : Number(port),
      tls: this.#protocol === 'https:' && (tls as ConnectionOptions),
    })
  }

  #originOf({ host, port, socketPath }: AgentRequestOptions): CalledOrigin | undefined {
    // An empty path is none for Node, too.
    if (typeof host !== 'string' || Boolean(socketPath)) return undefined
    if (host !== this.#lastHost || port !== this.#lastPort) {
      this.#last = this.#find(host, port)
      this.#lastHost = host
      this.#lastPort = port
    }
    return this.#last
  }

  #find(host: string, port: AgentRequestOptions['port']): CalledOrigin | undefined {
    const key = `${host}:${port ?? ''}`
    const known = this.#origins.get(key)
    if (known !== undefined || this.#origins.has(key)) return known
    const written =
      port === undefined || port === null || Number(port) === this.#defaultPort ? '' : `:${port}`
    const url = `${this.#protocol}//${host}${written}`
    // A port that cannot be one is Node's to refuse.
    const isCallable = this.#door.client.discovers(host) && URL.canParse(url)
    const origin = isCallable ? { url, host: `${host}${written}`, open: undefined } : undefined
    if (this.#origins.size >= MAX_HOSTS) this.#origins.clear()
    this.#origins.set(key, origin)
    return origin
  }
}

/**
 * Whether Node has written the request for a proxy already (`proxyEnv`, Node 24 and later): with a whole URL, and maybe with
 * credentials, which no task should get.
 */
export function isForProxy(request: ClientRequest): boolean {
  return request.path.startsWith('http:') && request.hasHeader('proxy-connection')
}

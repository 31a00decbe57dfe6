import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Client } from '../index.ts'

/** What an agent uses of a client. */
export type AgentClient = Pick<Client, 'acquire' | 'discovers'>

/** What an agent gets of a request, and passes on to the connection. */
export interface AgentRequestOptions extends RequestOptions {
  servername?: string | undefined
  /** Node's name of the pool of connections. */
  _agentKey?: string
}

/** The name of the pool that a connection is for. */
export function poolOf({ _agentKey = '' }: AgentRequestOptions): string {
  return _agentKey
}

/** A request, with what the types of Node 22 lack. Read in Node 22.23, 24.21 and 26.10, `lib/_http_client.js`. */
export type NodeRequest = ClientRequest & {
  readonly res?: IncomingMessage | null
  readonly timeout?: number
  /** Its headers as text, once they cannot be changed by `setHeader`. */
  _header: string | null
  /** What waits for a connection. */
  readonly outputData: readonly { data: unknown }[]
  /** As an agent reports a connection that could not be made. */
  onSocket(socket: undefined, error: Error | undefined): void
}

/** As Node calls it. */
export type SocketCallback = (error: Error | null, socket?: Socket) => void

/** The same, as Node's types have it. */
export type NodeCallback = (error: Error | null, socket: Duplex) => void

/**
 * The methods of Node's agents that their types lack, and that subclasses override: agent-base, agentkeepalive and
 * others do, so Node keeps them. Read in Node 22.23, 24.21 and 26.10, `lib/_http_agent.js`.
 */
export interface AgentMethods {
  addRequest(
    request: ClientRequest,
    options: AgentRequestOptions | string,
    port?: number,
    localAddress?: string,
  ): void
  createSocket(request: ClientRequest, options: AgentRequestOptions, callback: SocketCallback): void
}

/** The state of Node's agents. */
export interface AgentState {
  /** `proxyEnv` is of Node 24 and later. */
  readonly options?: { readonly proxyEnv?: unknown }
  /** Connections in use, by the name of their pool. */
  readonly sockets: Record<string, Socket[] | undefined>
  /** Requests that wait for a connection, by the name of their pool. */
  readonly requests: Record<string, ClientRequest[] | undefined>
  /** For `maxTotalSockets`. */
  totalSocketCount: number
  /** Removes a connection that has ended, and begins another if requests wait. */
  removeSocket(socket: Socket, options: AgentRequestOptions): void
  /** The TLS sessions of https.Agent. */
  _getSession?(key: string): Buffer | undefined
  _cacheSession?(key: string, session: Buffer): void
  _evictSession?(key: string): void
}

/** What a request needs of its agent. */
export interface RequestDoor {
  readonly client: AgentClient
  readonly agent: AgentState
  /** Node's own. */
  readonly native: AgentMethods
}

/** Methods of Node's, for one agent. */
export function methodsFor(agent: object, methods: AgentMethods): AgentMethods {
  return {
    addRequest: methods.addRequest.bind(agent),
    createSocket: methods.createSocket.bind(agent),
  }
}

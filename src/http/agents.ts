import type { Agent, AgentOptions, ClientRequest } from 'node:http'
import type { Agent as SecureAgent, AgentOptions as SecureAgentOptions } from 'node:https'
import type { Duplex } from 'node:stream'
import { checkClient } from '../core/check/functions.ts'
import { AgentDoor } from './agent-door.ts'
import {
  methodsFor,
  type AgentClient,
  type AgentMethods,
  type AgentState,
  type NodeCallback,
  type SocketCallback,
} from './node-agent.ts'

// An import of node:http makes Node 22 and 24 load their own undici, which claims the global dispatcher.
const { Agent: HttpAgent } = process.getBuiltinModule('node:http')
const { Agent: HttpsAgent } = process.getBuiltinModule('node:https')

/** A class of Node's agents, whose requests to discovered hosts go through a door. */
function routed(NodeAgent: typeof Agent, protocol: 'http:' | 'https:') {
  return class extends NodeAgent {
    readonly #door: AgentDoor

    constructor(client: AgentClient, options: AgentOptions) {
      checkClient(client, ['acquire', 'discovers'])
      super({ keepAlive: true, ...options })
      const native = methodsFor(this, NodeAgent.prototype as unknown as AgentMethods)
      this.#door = new AgentDoor({ client, agent: this as unknown as AgentState, native }, protocol)
    }

    /** Node calls it for each request. */
    addRequest(request: ClientRequest, options: object, port?: number, localAddress?: string): void {
      this.#door.addRequest(request, options, port, localAddress)
    }

    /** Node calls it when no connection is free. */
    createSocket(request: ClientRequest, options: object, callback: SocketCallback): void {
      this.#door.createSocket(request, options, callback)
    }

    /** Node calls it to connect. The callback gets the socket of a task. */
    override createConnection(options: object, callback?: NodeCallback): Duplex | null | undefined {
      if (callback !== undefined && this.#door.createConnection(options, callback as SocketCallback))
        return undefined
      return this.#door.socketFor(options) ?? super.createConnection(options, callback)
    }
  }
}

const RoutedHttpAgent: new (client: AgentClient, options: AgentOptions) => Agent = routed(HttpAgent, 'http:')
const RoutedHttpsAgent: new (client: AgentClient, options: SecureAgentOptions) => SecureAgent = routed(
  HttpsAgent,
  'https:',
) as never

/**
 * An `http.Agent` that sends each request to a task of its own choice: `http.request(url, { agent })`, axios's `httpAgent`,
 * got's `agent.http`.
 *
 * Connections are kept alive per task (`keepAlive: true` unless the options say otherwise), and `maxSockets` holds per task. A
 * connection that cannot be made goes to other tasks, whatever the method. What has been sent is not sent again.
 * `Host` is the caller's. Hosts that are not discovered, and Unix sockets, go through Node's own agent.
 * @see https://nodejs.org/api/http.html#class-httpagent
 */
export class OnehopHttpAgent extends RoutedHttpAgent {
  /**
   * An agent over a client, which stays the caller's to close.
   * @param options of Node's agent
   * @throws InvalidOptionsError if `client` is not a client
   */
  constructor(client: AgentClient, options: AgentOptions = {}) {
    super(client, options)
  }
}

/**
 * An `https.Agent` that sends each request to a task of its own choice. As {@link OnehopHttpAgent}; certificates are verified
 * against the name that the caller wrote.
 * @see https://nodejs.org/api/https.html#class-httpsagent
 */
export class OnehopHttpsAgent extends RoutedHttpsAgent {
  /**
   * An agent over a client, which stays the caller's to close.
   * @param options of Node's agent
   * @throws InvalidOptionsError if `client` is not a client
   */
  constructor(client: AgentClient, options: SecureAgentOptions = {}) {
    super(client, options)
  }
}

import type { Agent } from 'node:http'
import { AgentDoor } from '../http/agent-door.ts'
import { OnehopHttpAgent, OnehopHttpsAgent } from '../http/agents.ts'
import {
  methodsFor,
  type AgentClient,
  type AgentMethods,
  type AgentRequestOptions,
  type AgentState,
  type NodeCallback,
  type SocketCallback,
} from '../http/node-agent.ts'
import { makeDirect } from './direct-request.ts'
import type { DiscoveredHosts } from './discovered-hosts.ts'

// An import of node:http makes Node 22 and 24 load their own undici, which claims the global dispatcher.
const { Agent: HttpAgent } = process.getBuiltinModule('node:http')
const { Agent: HttpsAgent } = process.getBuiltinModule('node:https')

/** An agent, with what the types lack. */
export type AnyAgent = Agent &
  AgentState &
  Methods & { readonly options: AgentRequestOptions; readonly protocol: string }

/** What Node's prototypes have, and is replaced. */
interface Methods {
  addRequest: (this: AnyAgent, ...given: Parameters<AgentMethods['addRequest']>) => void
  createSocket: (this: AnyAgent, ...given: Parameters<AgentMethods['createSocket']>) => void
  createConnection: (this: AnyAgent, ...given: [AgentRequestOptions, NodeCallback?, ...unknown[]]) => unknown
}

const http = HttpAgent.prototype as unknown as Methods
const https = HttpsAgent.prototype as unknown as Methods

/**
 * Replaces the methods of Node's agents: so it reaches agents of users and libraries, `agent: false`, and the global ones. The
 * methods of https.Agent are those of http.Agent, but for `createConnection`.
 */
export function routeAgents(client: AgentClient, hosts: DiscoveredHosts): Disposable {
  const { addRequest, createSocket } = http
  const doors = new WeakMap<object, AgentDoor>()
  let isOn = true

  const doorOf = (agent: AnyAgent): AgentDoor => {
    const known = doors.get(agent)
    if (known !== undefined) return known
    const native = methodsFor(agent, { addRequest, createSocket })
    const door = new AgentDoor({ client, agent, native }, protocolOf(agent))
    doors.set(agent, door)
    return door
  }
  const isRouted = (agent: AnyAgent, options: AgentRequestOptions | string): boolean =>
    isOn && typeof options === 'object' && hosts.has(options.host) && isNodesOwn(agent)
  const connectingBy = (own: Methods['createConnection']): Methods['createConnection'] =>
    function createConnection(...given) {
      const [options, callback] = given
      const isMade = doors.get(this)?.createConnection(options, callback as SocketCallback)
      return isMade === true ? undefined : own.apply(this, given)
    }

  const ends = [
    replace(http, 'addRequest', function addRequestOrRoute(request, options, port, localAddress) {
      if (!isRouted(this, options)) return addRequest.call(this, request, options, port, localAddress)
      makeDirect(request)
      doorOf(this).addRequest(request, options, port, localAddress)
    }),
    replace(http, 'createSocket', function createSocketOrRoute(request, options, callback) {
      const door = doors.get(this)
      if (door === undefined) createSocket.call(this, request, options, callback)
      else door.createSocket(request, options, callback)
    }),
    replace(http, 'createConnection', connectingBy(http.createConnection)),
    replace(https, 'createConnection', connectingBy(https.createConnection)),
  ]
  return {
    [Symbol.dispose]() {
      isOn = false
      for (const end of ends) end()
    },
  }
}

/** @returns what undoes it, unless another has replaced ours since */
function replace<Name extends keyof Methods>(
  prototype: Methods,
  name: Name,
  ours: Methods[Name],
): () => void {
  const before = prototype[name]
  prototype[name] = ours
  return () => {
    if (prototype[name] === ours) prototype[name] = before
  }
}

/**
 * Whether an agent takes its connections from Node. Others make connections of their own (proxy agents, agentkeepalive), or
 * to an address of their own.
 */
export function isNodesOwn(agent: AnyAgent): boolean {
  if (agent instanceof OnehopHttpAgent || agent instanceof OnehopHttpsAgent) return false
  const { options } = agent
  const own = agent instanceof HttpsAgent ? https : http
  return (
    agent.createConnection === own.createConnection &&
    agent.createSocket === http.createSocket &&
    agent.protocol === protocolOf(agent) &&
    options.host === undefined &&
    options.port === undefined &&
    options.socketPath === undefined
  )
}

function protocolOf(agent: AnyAgent): 'http:' | 'https:' {
  return agent instanceof HttpsAgent ? 'https:' : 'http:'
}

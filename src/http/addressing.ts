/** Where a request goes: the address of its socket, and the names in `Host` and in TLS. */
import type { Lease } from '../index.ts'
import type { CalledOrigin } from './leased-request.ts'
import type { AgentRequestOptions, NodeRequest } from './node-agent.ts'
import { isToTls } from './secure-socket.ts'

/** A request, and what it goes by. */
export interface Addressed {
  readonly request: NodeRequest
  /** Made by Node for the agent alone: a copy of the caller's, in Node 22, 24 and 26. */
  readonly options: AgentRequestOptions
  /** The caller's, for TLS. */
  readonly servername: string | undefined
  readonly origin: CalledOrigin
}

/**
 * Addresses a request to the upstream of a lease.
 * @param before its lease until now; undefined: this is its first
 */
export function address(to: Addressed, lease: Lease, before: Lease | undefined): void {
  const { request, options, servername, origin } = to
  options.host = lease.endpoint.address
  options.port = lease.port
  if (hasOwnName(lease, origin)) {
    setHost(request, lease.host)
    options.servername = lease.servername
    return
  }
  if (before !== undefined && hasOwnName(before, origin)) setHost(request, origin.host)
  // Node derives a missing name from `Host` for each request, with costly checks for an IP address. Only TLS needs it.
  options.servername = servername ?? (isToTls(lease) ? undefined : '')
  // Node takes the name of `Host`, else that of the options, where the address is now.
  if (options.servername === undefined && !request.hasHeader('host')) options.servername = lease.servername
}

/** Whether it is a load balancer with a name of its own, for routing and certificates. */
function hasOwnName(lease: Lease, origin: CalledOrigin): boolean {
  return lease.endpoint.tier === 1 && lease.host !== origin.host.toLowerCase()
}

const HOST = /\r\nhost: [^\r\n]*/i

/**
 * Sets the `Host` of a request that has no connection yet. Node may have stored its headers as text by then: with the
 * first chunk of the body, or if the caller gave a list.
 */
function setHost(request: NodeRequest, host: string): void {
  if (!request.headersSent) {
    if (request.hasHeader('host')) request.setHeader('Host', host)
    return
  }
  const before = request._header
  if (typeof before !== 'string') return
  const after = before.replace(HOST, `\r\nHost: ${host}`)
  request._header = after
  const first = request.outputData[0]
  if (typeof first?.data === 'string' && first.data.startsWith(before))
    first.data = after + first.data.slice(before.length)
}

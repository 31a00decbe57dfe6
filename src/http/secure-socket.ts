/** Connections that begin with TLS. */
import type { Socket } from 'node:net'
import { checkServerIdentity, connect, type ConnectionOptions } from 'node:tls'
import type { Lease } from '../index.ts'
import { poolOf, type AgentRequestOptions, type AgentState } from './node-agent.ts'

/** Whether the connection of a lease begins with TLS. */
export function isToTls({ origin }: Lease): boolean {
  return origin.startsWith('https:')
}

/**
 * As https.Agent's createConnection, with its cache of sessions, which http.Agent does not have.
 * @param name whose certificate it needs where the request sends no server name
 */
export function secureSocket(agent: AgentState, options: AgentRequestOptions, name: string): Socket {
  const key = poolOf(options)
  const session = agent._getSession?.(key)
  const socket = connect({
    ...(session === undefined ? {} : { session }),
    ...options,
    ...(options.servername === '' && verifyingBy(name, options as ConnectionOptions)),
  } as ConnectionOptions)
  markAsNotKept(socket, options)
  socket.on('session', (fresh: Buffer) => agent._cacheSession?.(key, fresh))
  socket.once('close', (hadError: boolean) => {
    if (hadError) agent._evictSession?.(key)
  })
  return socket
}

/** Without a server name Node verifies by `host`, where the address is now: `servername: ''`, or an IP address in `Host`. */
function verifyingBy(name: string, options: ConnectionOptions): ConnectionOptions {
  const verify = options.checkServerIdentity ?? checkServerIdentity
  return { checkServerIdentity: (_address, certificate) => verify(name, certificate) }
}

/**
 * Node marks connections that were verified by a `checkServerIdentity` of one request, and does not keep them for others.
 * The mark is a symbol that Node does not export.
 */
function markAsNotKept(socket: Socket, options: AgentRequestOptions): void {
  const mark = Object.getOwnPropertySymbols(options).find(
    ({ description }) => description === 'per-request checkServerIdentity',
  )
  if (mark !== undefined) Object.assign(socket, { [mark]: true })
}

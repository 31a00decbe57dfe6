import type { ClientRequest } from 'node:http'
import { connect as connectTcp, type Socket } from 'node:net'
import { checkServerIdentity, connect as connectTls, type ConnectionOptions } from 'node:tls'
import { abortedConnect, afterMs, connectTimeout } from '../core/async/connect-limit.ts'
import type { Lease } from '../index.ts'
import type { AgentRequestOptions, AgentState, SocketCallback } from './node-agent.ts'
import { emptyQueue } from './queue.ts'

/**
 * Connects to an upstream, and hands the socket over once it is connected: until then another upstream may take its place.
 *
 * Node's own `createConnection` would take a proxy of the environment (Node 24 and later). The socket counts among the
 * agent's while it connects, so that `maxSockets` holds and `agent.destroy()` reaches it.
 * @param leaveTask called for each request in the queue of the upstream if that cannot be reached: see `RoutedRequest`
 * @returns ends it without a call of the callback, and returns an error if it had taken so long that the task is to blame
 */
export function connectTask(
  agent: AgentState,
  options: AgentRequestOptions,
  lease: Lease,
  callback: SocketCallback,
  leaveTask: (waiting: ClientRequest, failure: Error | undefined) => boolean,
): () => Error | undefined {
  const { connectMs, tcpConnectMs } = lease
  const begunMs = lease.elapsedMs()
  const isSecure = isToTls(lease)
  const socket = isSecure
    ? secureSocket(agent, options, lease.servername)
    : connectTcp(options as { port: number })
  const leave = takePlace(agent, options, socket)
  const ready = isSecure ? 'secureConnect' : 'connect'
  let isOver = false
  const end = (): boolean => {
    if (isOver) return false
    isOver = true
    socket.off(ready, connected).off('close', closed)
    for (const cancel of cancels) cancel()
    leave()
    return true
  }
  const connected = (): void => {
    if (!end()) return
    // In Node 22 the request listens to errors from the next tick on.
    process.nextTick(() => socket.off('error', stop))
    callback(null, socket)
  }
  const drop = (ended: () => void): void => {
    if (!end()) return
    socket.on('error', () => undefined).destroy()
    ended()
    // Requests may wait for the place.
    agent.removeSocket(socket, options)
  }
  const letGo = (failure: Error | undefined): void =>
    emptyQueue(agent, options._agentKey ?? '', (waiting) => leaveTask(waiting, failure))
  const stop = (error: Error): void =>
    drop(() => {
      callback(error)
      if (isUnreachable(error)) letGo(hasConnected(agent, options) ? undefined : error)
    })
  // `agent.destroy()`, or the peer during the TLS handshake, where Node emits an error before.
  const closed = (): void => stop(hangUp())
  const { host, port } = options
  const exceed = (limitMs: number): void => stop(connectTimeout(String(host), Number(port), limitMs))
  const exceedTcp = (): void => {
    if (socket.connecting) exceed(tcpConnectMs)
  }
  const cancels = [afterMs(connectMs, () => exceed(connectMs)), afterMs(tcpConnectMs, exceedTcp)]
  socket.on(ready, connected).on('error', stop).on('close', closed)
  return () => {
    const tookMs = lease.elapsedMs() - begunMs
    const limitMs = socket.connecting ? tcpConnectMs : connectMs
    const error = abortedConnect(String(host), Number(port), tookMs, limitMs)
    drop(() => {
      // The others may be more patient.
      if (error !== undefined) letGo(undefined)
    })
    return error
  }
}

/** Whether the network said so, or a limit. A certificate may be verified by a rule of a single request. */
function isUnreachable(error: NodeJS.ErrnoException): boolean {
  return error.syscall !== undefined
}

/** Whether there are connections that are made, and in use: requests in the queue may get one of them. */
function hasConnected({ sockets }: AgentState, { _agentKey = '' }: AgentRequestOptions): boolean {
  return (sockets[_agentKey] ?? []).some((socket) => !inProgress.has(socket))
}

/** Connections that are among the agent's already, and are not made yet. */
const inProgress = new WeakSet<Socket>()

/** Whether the connection of a lease begins with TLS. */
export function isToTls({ origin }: Lease): boolean {
  return origin.startsWith('https:')
}

/** Whether this process ended the connection. */
export function isHangUp(error: Error): boolean {
  return hangUps.has(error)
}

const hangUps = new WeakSet<Error>()

/** As Node's own for a request without a connection. */
function hangUp(): Error {
  const error = Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
  hangUps.add(error)
  return error
}

/**
 * As https.Agent's createConnection, with its cache of sessions, which http.Agent does not have.
 * @param name whose certificate it needs where the request sends no server name
 */
function secureSocket(agent: AgentState, options: AgentRequestOptions, name: string): Socket {
  const key = options._agentKey ?? ''
  const session = agent._getSession?.(key)
  const socket = connectTls({
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

/**
 * The place of a connection among those of the agent.
 * @returns frees it
 */
function takePlace(agent: AgentState, options: AgentRequestOptions, socket: Socket): () => void {
  const name = options._agentKey ?? ''
  ;(agent.sockets[name] ??= []).push(socket)
  agent.totalSocketCount++
  inProgress.add(socket)
  return () => {
    inProgress.delete(socket)
    agent.totalSocketCount--
    const sockets = agent.sockets[name] ?? []
    const index = sockets.indexOf(socket)
    if (index >= 0) sockets.splice(index, 1)
    if (sockets.length === 0) delete agent.sockets[name]
  }
}

import { connect as connectTcp, type Socket } from 'node:net'
import { checkServerIdentity, connect as connectTls, type ConnectionOptions } from 'node:tls'
import type { AgentRequestOptions, AgentState, SocketCallback } from './node-agent.ts'

/** Node's own: the global one may be a test runner's fake, which would never run. */
const { setImmediate } = process.getBuiltinModule('node:timers')

/** Node's timers take 1 ms for more. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

/** What a connection to an upstream needs beside Node's own options. */
export interface ConnectionKind {
  readonly isSecure: boolean
  readonly connectMs: number
  /** Whose certificate it needs where the request sends no server name. */
  readonly name: string
}

/** A connection in progress. */
export interface Connecting {
  /** Ends it. Its callback is not called. */
  cancel(): void
}

/**
 * Connects to an upstream, and hands the socket over once it is connected: until then another upstream may take its place.
 *
 * Node's own `createConnection` would take a proxy of the environment (Node 24 and later). The socket counts among the
 * agent's while it connects, so that `maxSockets` holds and `agent.destroy()` reaches it.
 */
export function connectTask(
  agent: AgentState,
  options: AgentRequestOptions,
  { isSecure, connectMs, name }: ConnectionKind,
  callback: SocketCallback,
): Connecting {
  const socket = isSecure ? secureSocket(agent, options, name) : connectTcp(options as { port: number })
  const place = placeOf(agent, options, socket)
  const limit = afterMs(connectMs)
  const ready = isSecure ? 'secureConnect' : 'connect'
  let isOver = false
  const end = (): boolean => {
    if (isOver) return false
    isOver = true
    socket.off(ready, connected).off('close', closed)
    limit.removeEventListener('abort', exceeded)
    place.leave()
    return true
  }
  const connected = (): void => {
    if (!end()) return
    // In Node 22 the request listens to errors from the next tick on.
    process.nextTick(() => socket.off('error', failed))
    callback(null, socket)
  }
  const failed = (error: Error): void => {
    if (!end()) return
    socket.on('error', () => undefined).destroy()
    callback(error)
    place.wakeNext()
  }
  // `agent.destroy()`, or the peer during the TLS handshake, where Node emits an error before.
  const closed = (): void => failed(hangUp())
  // A process that was busy has to read first what has arrived meanwhile.
  const exceeded = (): void => void setImmediate(() => failed(connectTimeout(options, connectMs)))
  socket.on(ready, connected).on('error', failed).on('close', closed)
  limit.addEventListener('abort', exceeded)
  return {
    cancel: () => {
      if (!end()) return
      socket.on('error', () => undefined).destroy()
      place.wakeNext()
    },
  }
}

/** A signal that aborts after a time. It keeps no process alive; the socket or discovery that is waited for does. */
export function afterMs(limitMs: number): AbortSignal {
  return AbortSignal.timeout(Math.min(Math.ceil(limitMs), MAX_TIMEOUT_MS))
}

/** Whether an error says that the connection took too long. */
export function isConnectTimeout(error: Error): boolean {
  return timeouts.has(error)
}

/** Whether this process ended the connection. */
export function isHangUp(error: Error): boolean {
  return hangUps.has(error)
}

const timeouts = new WeakSet<Error>()
const hangUps = new WeakSet<Error>()

/** As Node's own for a host that does not answer. */
function connectTimeout({ host, port }: AgentRequestOptions, limitMs: number): Error {
  const message = `connect ETIMEDOUT ${host}:${port}: no connection in ${limitMs} ms`
  const error = Object.assign(new Error(message), {
    code: 'ETIMEDOUT',
    syscall: 'connect',
    address: host,
    port,
  })
  timeouts.add(error)
  return error
}

/** As Node's own for a request without a connection. */
function hangUp(): Error {
  const error = Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
  hangUps.add(error)
  return error
}

/** As https.Agent's createConnection, with its cache of sessions, which http.Agent does not have. */
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

interface Place {
  leave(): void
  wakeNext(): void
}

/** The place of a connection among those of the agent. */
function placeOf(agent: AgentState, options: AgentRequestOptions, socket: Socket): Place {
  const name = options._agentKey ?? ''
  ;(agent.sockets[name] ??= []).push(socket)
  agent.totalSocketCount++
  return {
    leave() {
      agent.totalSocketCount--
      const sockets = agent.sockets[name] ?? []
      const index = sockets.indexOf(socket)
      if (index >= 0) sockets.splice(index, 1)
      if (sockets.length === 0) delete agent.sockets[name]
    },
    wakeNext: () => agent.removeSocket(socket, options),
  }
}

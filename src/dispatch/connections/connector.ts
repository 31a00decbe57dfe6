import { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { buildConnector, errors, type Pool } from 'undici'
import { formatAddressPort } from '../../core/ip.ts'
import { nextTick, setLimit, type Clock, type Timer } from '../../core/clock.ts'
import { markOwn } from '../../core/own-connections.ts'
import type { Endpoint } from '../../discovery/endpoint.ts'
import { asOwnError } from '../error-kinds.ts'

/** A connection in progress. */
export interface Connecting {
  readonly address: string
  readonly port: number
  /** Whether the address has not answered yet. Afterwards, TLS may still take time. */
  readonly isTcpPending: boolean
  giveUp(error: Error): void
}

/** Gets notified of connections. */
export interface ConnectionListener {
  /** Called before requests are sent over it. */
  speaksHttp2(): void
  /** Called after the request that needed it was sent. */
  connected(socket: Socket, isHttp2: boolean): void
  /** Called before the attempts that wait for it fail. */
  connectFailed(error: Error): void
}

/** Errors of connecting. undici reports them like any other also for a request that it had begun before. */
const connectErrors = new WeakSet<Error>()

/** Whether an error came from connecting. */
export function isConnectError(error: Error): boolean {
  return connectErrors.has(error)
}

/** How long a connection may take, in ms; Infinity: no limit. */
export interface ConnectLimits {
  /** All of it. */
  readonly connectMs: number
  /** TCP alone. */
  readonly tcpConnectMs: number
}

/** What holds for an endpoint. The name of a load balancer is looked up within the time for TCP, so it has all of it. */
export function limitsTo({ tier }: Endpoint, { connectMs, tcpConnectMs }: ConnectLimits): ConnectLimits {
  return { connectMs, tcpConnectMs: tier === 1 ? connectMs : Math.min(tcpConnectMs, connectMs) }
}

/** These limits, or the one of undici's options: it holds for all of a connection, and 0 is none. */
export function limitsWith(options: Pool.Options, limits: ConnectLimits): ConnectLimits {
  const { connect } = options
  const givenMs = options.connectTimeout ?? (typeof connect === 'object' ? connect.timeout : undefined)
  if (givenMs === undefined) return limits
  const limitMs = givenMs > 0 ? givenMs : Number.POSITIVE_INFINITY
  return { connectMs: limitMs, tcpConnectMs: limitMs }
}

/**
 * Connects to an address instead of the pool's origin, within a time. The time is measured here: undici's own connect
 * timeout fires up to half a second late, and never before 1 s.
 */
export function connectorTo(
  address: string,
  port: number,
  options: Pool.Options,
  { connectMs, tcpConnectMs }: ConnectLimits,
  clock: Clock,
  inProgress: Set<Connecting>,
  listener: ConnectionListener,
): buildConnector.connector {
  const connector = connectorOf(options)
  return (target, callback) => {
    let socket: unknown
    let settled = false
    const settle = (...result: Parameters<typeof callback>): void => {
      const [error, made] = result
      // Cancelled before: a connection that is made now is not used.
      if (settled) return void made?.destroy()
      settled = true
      inProgress.delete(connecting)
      for (const timer of timers) timer.cancel()
      if (error !== null) {
        connectErrors.add(error)
        markOwn(error)
        listener.connectFailed(error)
      }
      // With an error undici gives no socket at all, though its types say null.
      const isHttp2 = (made as TLSSocket | null | undefined)?.alpnProtocol === 'h2'
      if (isHttp2) listener.speaksHttp2()
      if (error === null) markOwn(made)
      callback(...result)
      if (error === null) listener.connected(made, isHttp2)
    }
    const giveUp = (error: Error): void => {
      if (settled) return
      settle(error, null)
      if (socket instanceof Socket) socket.destroy()
    }
    const exceed = (what: string, ms: number): void => {
      const message = `no ${what} to ${formatAddressPort(address, port)} in ${ms} ms`
      giveUp(new errors.ConnectTimeoutError(message))
    }
    const exceedTcp = (): void => {
      if (connecting.isTcpPending) exceed('TCP connection', tcpConnectMs)
    }
    const timers: Timer[] = []
    const setTimers = (): void => {
      if (settled) return
      if (connectMs < Number.POSITIVE_INFINITY)
        timers.push(setLimit(clock, connectMs, () => exceed('connection', connectMs), true))
      if (tcpConnectMs < connectMs) timers.push(setLimit(clock, tcpConnectMs, exceedTcp, true))
    }
    const connecting: Connecting = {
      address,
      port,
      get isTcpPending() {
        return socket instanceof Socket && socket.connecting
      },
      giveUp,
    }
    inProgress.add(connecting)
    try {
      socket = connector({ ...withoutDot(target), hostname: address, port: String(port) }, settle)
    } catch (error) {
      // Its options are wrong for every upstream. Not in this turn, where undici blames errors on the request.
      queueMicrotask(() => settle(asOwnError(error), null))
    }
    // Node's sockets begin to connect in the next tick. What this process computes until then is not the address's time.
    nextTick(setTimers)
  }
}

/** The server name of TLS has no trailing dot (RFC 6066 section 3). undici takes it from both fields. */
function withoutDot(target: buildConnector.Options): buildConnector.Options {
  const { servername, host = '' } = target
  if (!target.hostname.endsWith('.') && servername?.endsWith('.') !== true) return target
  const undotted = { ...target, host: host.replace(/\.(?=$|:)/, '') }
  return servername?.endsWith('.') === true ? { ...undotted, servername: servername.slice(0, -1) } : undotted
}

/** The connector that undici would build from these options. A pool with a connector builds none. */
function connectorOf(options: Pool.Options): buildConnector.connector {
  if (typeof options.connect === 'function') return options.connect
  const { allowH2, maxCachedSessions, autoSelectFamily, autoSelectFamilyAttemptTimeout } = options
  return buildConnector({
    ...(allowH2 === undefined ? {} : { allowH2 }),
    ...(maxCachedSessions === undefined ? {} : { maxCachedSessions }),
    // Matters for host names only: that of a load balancer.
    ...(autoSelectFamily === undefined ? {} : { autoSelectFamily }),
    ...(autoSelectFamilyAttemptTimeout === undefined ? {} : { autoSelectFamilyAttemptTimeout }),
    // HTTP/2 without TLS, by prior knowledge.
    ...(wantsH2c(options) ? { useH2c: true } : {}),
    ...options.connect,
    timeout: 0,
  })
}

/** Whether the options ask for HTTP/2 without TLS. undici reads both forms; its types lack the second. */
export function wantsH2c(options: Pool.Options): boolean {
  return (options.h2Options?.useH2c ?? (options as { readonly useH2c?: boolean }).useH2c) === true
}

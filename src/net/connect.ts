import type { Socket } from 'node:net'
import { addAbortSignal } from 'node:stream'
import { checkServerIdentity, connect as connectTls, TLSSocket, type ConnectionOptions } from 'node:tls'
import { afterMs, connectTimeout } from '../core/async/connect-limit.ts'
import { checkClient } from '../core/check/functions.ts'
import { InvalidOptionsError } from '../index.ts'
import { checkConnectOptions, type ConnectOptions, type NetClient } from './options.ts'
import { StartedSocket, type SocketOptions } from './started-socket.ts'
import { TaskSocket } from './task-socket.ts'

/**
 * A socket to a task of a service, for libraries that take a socket: `new pg.Pool({ stream: () => connect(client, { host }) })`.
 *
 * It is returned at once and connects like one of `net.connect`: what is written meanwhile is sent later. A connection that
 * cannot be made goes to other tasks, by the service's retry options and budget, before 'connect'. If none can be made, the
 * socket fails with Node's own error of the last one; without a task to try, with the error of this library. From
 * 'connect' on it is a socket like any other. Its `connect()` only adds a listener: drivers call it. The handshake of `tls` has the
 * rest of `timeouts.connectMs`.
 *
 * The connection counts as a call in flight until it is closed: `client.close()` waits for it, `withinMs` at most.
 * Hosts that are not discovered are connected to by Node, and need a `port`.
 * @returns a `tls.TLSSocket` if `tls` is set
 * @throws InvalidOptionsError
 */
export function connect(
  client: NetClient,
  options: ConnectOptions & { tls: true | ConnectionOptions },
): TLSSocket
export function connect(client: NetClient, options: ConnectOptions): Socket
export function connect(client: NetClient, options: ConnectOptions): Socket {
  checkClient(client, ['acquire', 'discovers'])
  checkConnectOptions(options)
  const { signal, withinMs } = options
  const tls = options.tls === true ? {} : (options.tls ?? false)
  const socket = client.discovers(options.host) ? taskSocket(client, options, tls) : nodeSocket(options, tls)
  if (signal !== undefined) addAbortSignal(signal, socket)
  if (withinMs !== undefined) limit(socket, options, withinMs)
  return socket
}

function taskSocket(client: NetClient, options: ConnectOptions, tls: ConnectionOptions | false): Socket {
  if (tls === false) return new TaskSocket(client, options)
  const socket = new TaskSocket(client, options, (error) => void secure.destroy(error))
  const own = tls.servername
  const name = own ?? options.host.replace(/\.$/, '')
  // The load balancer of `fallback` has a name of its own, which is known with the connection. Before Node's listener.
  socket.once('connect', () => {
    if (own === undefined && socket.servername !== name)
      (secure as TLSSocket & ServernameSetter).setServername(socket.servername)
  })
  const verify = tls.checkServerIdentity ?? checkServerIdentity
  const secure = connectTls({
    ...tls,
    socket,
    servername: name,
    // Without a server name, `servername: ''`, Node verifies by the host.
    checkServerIdentity: (_name, certificate) => verify(own || socket.servername, certificate),
  })
  const refused = (error: Error): void => socket.refused(error)
  secure.once('error', refused)
  secure.once('secureConnect', () => {
    secure.off('error', refused)
    socket.secured()
  })
  return secure
}

/** Not in Node's types. Until the handshake begins. */
interface ServernameSetter {
  setServername(name: string): void
}

/** To a host that is not discovered: with Node's own defaults. */
function nodeSocket(options: ConnectOptions, tls: ConnectionOptions | false): Socket {
  const { host, port, noDelay, keepAliveMs } = options
  if (port === undefined)
    throw new InvalidOptionsError(
      'connect.port',
      port,
      `an integer from 1 to 65535: ${host} is not discovered`,
    )
  const keepAlive =
    keepAliveMs === undefined ? {} : { keepAlive: keepAliveMs > 0, keepAliveInitialDelay: keepAliveMs }
  const own: SocketOptions = { ...(noDelay === undefined ? {} : { noDelay }), ...keepAlive }
  if (tls !== false) return connectTls({ ...tls, ...own, host, port })
  const socket = new StartedSocket(own)
  socket.start({ host, port })
  return socket
}

function limit(socket: Socket, { host, port }: ConnectOptions, withinMs: number): void {
  const cancel = afterMs(withinMs, () => void socket.destroy(connectTimeout(host, port, withinMs)))
  socket.once(socket instanceof TLSSocket ? 'secureConnect' : 'connect', cancel)
  socket.once('close', cancel)
}

/**
 * Outcomes of connections that Node makes by a lookup. Node reports each socket on a diagnostics channel in `connect`,
 * right before it calls the socket's lookup. Read in Node 22.19, 24.21 and 26.10, `lib/net.js`.
 */
import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { connectFailure, connectTimeout } from '../core/async/connect-limit.ts'
import type { Lease } from '../index.ts'
import { connectedOutcome } from './outcomes.ts'

/** The socket that has connected last. */
let latest: WeakRef<Socket> | undefined = undefined
let isSubscribed = false

/** From now on, sockets are seen. The listener exists once for the process. */
export function seeSockets(): void {
  if (isSubscribed) return
  isSubscribed = true
  subscribe('net.client.socket', (message) => {
    latest = new WeakRef((message as { socket: Socket }).socket)
  })
}

/** The socket whose lookup Node is calling; undefined: it is another caller's. */
export function socketOf(host: string): Socket | undefined {
  const socket: (Socket & { _host?: string | null }) | undefined = latest?.deref()
  latest = undefined
  return socket?.connecting === true && socket._host === host ? socket : undefined
}

/**
 * Reports what becomes of the connection to the leased task, and ends the lease then. What becomes of the addresses
 * behind it is not known to belong to anything.
 */
export function followConnection(socket: Socket, lease: Lease): void {
  const { address } = lease.endpoint
  const end = (): void => {
    socket.off('connectionAttemptFailed', failed).off('connectionAttemptTimeout', timedOut)
    socket.off('connect', connected).off('close', end)
    lease.end()
  }
  const failed = (ip: string, _port: number, _family: number, error: Error): void => {
    if (ip !== address) return
    lease.report(connectFailure(error, lease.elapsedMs()))
    end()
  }
  const timedOut = (ip: string, port: number, family: number): void =>
    failed(ip, port, family, connectTimeout(ip, port, Math.round(lease.elapsedMs())))
  const connected = (): void => {
    if (socket.remoteAddress === address) lease.report(connectedOutcome(lease))
    end()
  }
  if (socket.destroyed) {
    lease.end()
    return
  }
  socket.on('connectionAttemptFailed', failed).on('connectionAttemptTimeout', timedOut)
  socket.on('connect', connected).on('close', end)
}

/**
 * Sockets that this process has opened towards servers. Those of discovery do not keep the process alive, and Node does not
 * count such among `process.getActiveResourcesInfo()`.
 */
import type { Socket as UdpSocket } from 'node:dgram'
import { subscribe } from 'node:diagnostics_channel'
import type { EventEmitter } from 'node:events'
import type { Socket as TcpSocket } from 'node:net'

const udp = new Set<UdpSocket>()
const tcp = new Set<TcpSocket>()

function follow<Kind extends EventEmitter>(channel: string, open: Set<Kind>): void {
  subscribe(channel, (message) => {
    const { socket } = message as { socket: Kind }
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
}

follow('udp.socket', udp)
follow('net.client.socket', tcp)

/** `udp` or `tcp` for each that is open, or is being connected. */
export function openSockets(): readonly ('udp' | 'tcp')[] {
  return [...udpSockets().map(() => 'udp' as const), ...Array.from(tcp, () => 'tcp' as const)]
}

/** Servers are bound, and connected to no other. */
export function udpSockets(): readonly UdpSocket[] {
  return Array.from(udp).filter(
    (socket) => succeeds(() => socket.remoteAddress()) || !succeeds(() => socket.address()),
  )
}

/** Those that are connected to this port, and those that are not connected yet. */
export function tcpSocketsTo(port: number): readonly TcpSocket[] {
  return Array.from(tcp).filter((socket) => socket.connecting || socket.remotePort === port)
}

function succeeds(ask: () => unknown): boolean {
  try {
    ask()
    return true
  } catch {
    return false
  }
}

import type { Socket } from 'node:net'
import { buildConnector } from 'undici'
import type { Clock } from '../../core/clock.ts'
import { formatAddressPort } from '../../core/ip.ts'

/** Bytes on the wire, of TLS as encrypted. */
export interface Traffic {
  read: number
  written: number
}

/** Counts the connections of one arm, and their bytes by remote address. */
export class ConnectionMeter {
  /** On the clock: when each connection was there. */
  readonly openedAt: number[] = []
  failed = 0
  peak = 0
  readonly #clock: Clock
  readonly #closed = new Map<string, Traffic>()
  readonly #sockets = new Map<Socket, string>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @param options TLS and protocols, as undici's `connect` takes them */
  connector(options: buildConnector.BuildOptions): buildConnector.connector {
    const connect = buildConnector(options)
    return (target, callback) =>
      connect(target, (...result) => {
        const [error, socket] = result
        if (error !== null) this.failed++
        else this.#add(socket)
        callback(...result)
      })
  }

  /** Of all connections so far, by `address:port`. */
  traffic(): Map<string, Traffic> {
    const all = new Map([...this.#closed].map(([label, { read, written }]) => [label, { read, written }]))
    for (const [socket, label] of this.#sockets) count(all, label, socket)
    return all
  }

  #add(socket: Socket): void {
    const label = formatAddressPort(socket.remoteAddress ?? 'unknown', socket.remotePort ?? 0)
    this.openedAt.push(this.#clock.now())
    this.#sockets.set(socket, label)
    this.peak = Math.max(this.peak, this.#sockets.size)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      count(this.#closed, label, socket)
    })
  }
}

function count(traffic: Map<string, Traffic>, label: string, socket: Socket): void {
  const sum = traffic.get(label) ?? { read: 0, written: 0 }
  sum.read += socket.bytesRead
  sum.written += socket.bytesWritten
  traffic.set(label, sum)
}

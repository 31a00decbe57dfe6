import type { Socket } from 'node:net'
import { buildConnector } from 'undici'
import type { Clock } from '../../core/clock.ts'

/** Counts the connections of one arm, and their bytes on the wire, of TLS as encrypted. */
export class ConnectionMeter {
  /** On the clock: when each connection was there. */
  readonly openedAt: number[] = []
  failed = 0
  peak = 0
  readonly #clock: Clock
  readonly #open = new Set<Socket>()
  readonly #closed = { read: 0, written: 0 }

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

  /** Bytes of all connections so far. */
  traffic(): { read: number; written: number } {
    const sum = { ...this.#closed }
    for (const { bytesRead, bytesWritten } of this.#open) {
      sum.read += bytesRead
      sum.written += bytesWritten
    }
    return sum
  }

  #add(socket: Socket): void {
    this.openedAt.push(this.#clock.now())
    this.#open.add(socket)
    this.peak = Math.max(this.peak, this.#open.size)
    socket.once('close', () => {
      this.#open.delete(socket)
      this.#closed.read += socket.bytesRead
      this.#closed.written += socket.bytesWritten
    })
  }
}

import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** Node's 511 is less than a test opens at once; the kernel has the last word (Linux: 4,096). */
const MAX_BACKLOG = 4_096

/**
 * One address that a task listens on, and the connections that came in there.
 *
 * A plain listener that hands its sockets on: closing an HTTP server would also close its idle connections, under
 * requests that are on their way, which is an unintended fault.
 */
export class TaskSide {
  readonly address: string
  readonly #onConnection: (socket: Socket) => void
  /** By their two ends, which a TLS socket has in common with the plain one beneath it. */
  readonly #sockets = new Map<string, Socket>()
  #listener: Server | undefined

  constructor(address: string, onConnection: (socket: Socket) => void) {
    this.address = address
    this.#onConnection = onConnection
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#sockets.size
  }

  /**
   * Does nothing while it listens.
   * @param port 0 for a free one
   * @returns the port
   */
  async listen(port: number): Promise<number> {
    if (this.#listener !== undefined) return port
    const listener = createServer((socket) => this.#take(socket))
    this.#listener = listener
    try {
      await new Promise<void>((resolve, reject) => {
        listener.once('error', reject)
        // Stopped again before it began: no other event comes.
        listener.once('close', () => reject(new Error(`no longer to listen on ${this.address}`)))
        listener.listen({ port, host: this.address, backlog: MAX_BACKLOG }, resolve)
      })
    } catch (error) {
      if (this.#listener === listener) this.#listener = undefined
      throw error
    }
    return (listener.address() as AddressInfo | null)?.port ?? port
  }

  /** At once. Connections stay. */
  stopListening(): void {
    this.#listener?.close()
    this.#listener = undefined
  }

  /** The plain socket beneath the one that a request came in on; undefined if that is another side's. */
  socketOf(requestSocket: Socket): Socket | undefined {
    return this.#sockets.get(endsOf(requestSocket))
  }

  /** Breaks every connection, now. */
  reset(): void {
    for (const socket of this.#sockets.values()) {
      // libuv resets no socket that is shutting down (EINVAL). Its handle would stay, and keep the process from ending.
      if (socket.writableEnded) socket.destroy()
      else socket.resetAndDestroy()
    }
  }

  /** Ends connections without a request: Node would take a minute. */
  endSilent(): void {
    for (const socket of this.#sockets.values()) if (socket.bytesRead === 0) socket.destroy()
  }

  /** Until the last of the connections has closed. */
  async drained(): Promise<void> {
    const open = [...this.#sockets.values()]
    await Promise.all(open.map((socket) => new Promise((resolve) => socket.once('close', resolve))))
  }

  #take(socket: Socket): void {
    const ends = endsOf(socket)
    this.#sockets.set(ends, socket)
    socket.on('error', () => undefined)
    socket.once('close', () => {
      if (this.#sockets.get(ends) === socket) this.#sockets.delete(ends)
    })
    this.#onConnection(socket)
  }
}

function endsOf({ localAddress, remoteAddress, remotePort }: Socket): string {
  return `${localAddress} ${remoteAddress} ${remotePort}`
}

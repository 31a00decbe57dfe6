import { Socket, type SocketConstructorOpts, type TcpNetConnectOpts } from 'node:net'
import { ClosedError } from '../index.ts'

/** What Node's constructor takes, and its types lack in part. */
export interface SocketOptions extends SocketConstructorOpts {
  readonly noDelay?: boolean | undefined
  readonly keepAlive?: boolean | undefined
  readonly keepAliveInitialDelay?: number | undefined
}

/**
 * A socket that connects by itself. Drivers that take a socket call `connect(port, host)` on it, which must not start a second
 * connection.
 */
export class StartedSocket extends Socket {
  /** Adds the listener, if there is one. The socket connects already. */
  override connect(...given: unknown[]): this {
    if (this.destroyed) throw new ClosedError('the socket')
    const listener = given.at(-1)
    if (typeof listener === 'function') this.once('connect', listener as () => void)
    return this
  }

  /** Connects as Node does. */
  start(options: TcpNetConnectOpts): void {
    super.connect(options)
  }
}

import { AsyncResource } from 'node:async_hooks'
import { lookup } from 'node:dns'
import { isIP } from 'node:net'
import { InvalidOptionsError, type Lease } from '../index.ts'
import type { ConnectOptions, NetClient } from './options.ts'
import { connectedOutcome, failedOutcome } from './outcomes.ts'
import { StartedSocket, type SocketOptions } from './started-socket.ts'
import { afterMs, connectTimeout } from './time-limit.ts'

/** As Node's `autoSelectFamilyAttemptTimeout` before version 26, and RFC 8305. Within a VPC a connection takes under 2 ms. */
const NEXT_AFTER_MS = 250

/**
 * A server that closes a connection this soon has refused it: it has too many, or its database is still starting. Without
 * that it would have the fewest connections, and get each new one.
 */
const REFUSED_WITHIN_MS = 1_000

/** State of Node's sockets that its types lack, or have as read-only. Read in Node 22.23, 24.21 and 26.10, `lib/net.js`. */
interface NodeState {
  /** While it is true, reads and writes wait for 'connect'. */
  connecting: boolean
  /** `connect` makes one if there is none. */
  _handle: { close(closed: () => void): void } | null
}

/**
 * A socket that looks for its task itself, and goes to another one while no connection can be made.
 *
 * Node destroys a socket whose connection fails. This one overrides `destroy`: it drops the handle instead, and connects
 * again. Nothing has been emitted or sent by then.
 */
export class TaskSocket extends StartedSocket {
  readonly #client: NetClient
  readonly #options: ConnectOptions
  readonly #onFailed: ((error: Error) => void) | undefined
  /** The caller's, for what timers and closed handles call. */
  readonly #context = new AsyncResource('ONEHOP_SOCKET')
  /** Ends the wait for discovery. */
  readonly #aborter = new AbortController()
  /** `connecting`: a handle of Node's connects, or is being closed after that failed. */
  #phase: 'finding' | 'connecting' | 'connected' | 'over' = 'finding'
  #lease: Lease | undefined = undefined
  /** Of the leased upstream, to be tried after the current one. Only a load balancer has several. */
  #addresses: string[] = []
  /** One for each connection that is tried: what belongs to an earlier one says nothing. */
  #attempt: object = {}
  #connectedAtMs = 0
  /** The connection was made, and reported. */
  #hasSucceeded = false
  /** `unref` may have been called for a handle that was dropped. */
  #keepsAlive = true
  readonly #cut = (): void => void this.destroy(this.#lease?.signal.reason as Error)

  /**
   * @param onFailed for TLS over this socket, whose owner calls `secured` or `refused`. It gets the error instead of the
   * 'error' event, in a later tick: Node's TLS socket would make an uncaught exception of that event.
   */
  constructor(client: NetClient, options: ConnectOptions, onFailed?: (error: Error) => void) {
    super(socketOptions(options))
    this.#client = client
    this.#options = options
    this.#onFailed = onFailed
    stateOf(this).connecting = true
    this.once('connect', () => this.#connected())
    // Before Node's own listener, which ends this side.
    this.prependOnceListener('end', () => this.#ended())
    this.#find()
  }

  /** The name for TLS: the service's, or the load balancer's own. Empty before there is a connection. */
  get servername(): string {
    return this.#lease?.servername ?? ''
  }

  override ref(): this {
    this.#keepsAlive = true
    return super.ref()
  }

  override unref(): this {
    this.#keepsAlive = false
    return super.unref()
  }

  /** The TLS handshake is over. */
  secured(): void {
    this.#succeeded()
  }

  /** The TLS handshake has failed, or the caller has ended it: with an error that has no code, or by an abort. */
  refused(error: NodeJS.ErrnoException): void {
    const lease = this.#lease
    if (lease !== undefined && error.code !== undefined && error.name !== 'AbortError')
      lease.report(failedOutcome(error, lease))
  }

  /** Node calls it, too, when a connection fails. */
  override destroy(error?: Error): this {
    if (this.#phase !== 'connecting' || !isConnectFailure(error)) return super.destroy(error)
    // Node has cleared it.
    stateOf(this).connecting = true
    // Its own handle was closed to make room for the next.
    if (error.code !== 'ECANCELED') this.#failed(error)
    return this
  }

  /** Node calls it before each connection, and it would forget that `end` was called. This socket connects once. */
  _undestroy(): void {}

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#over(error)
    const onFailed = this.#onFailed
    if (error !== null && onFailed !== undefined) process.nextTick(onFailed, error)
    super._destroy(onFailed === undefined ? error : null, callback)
  }

  #find(): void {
    const { host, port, key } = this.#options
    const signal = this.#aborter.signal
    try {
      const lease = this.#client.acquire(originOf(host, port), {
        method: 'CONNECT',
        idempotent: true,
        key,
        signal,
      })
      if (!(lease instanceof Promise)) this.#goTo(lease)
      else
        lease.then(
          (acquired) => this.#goTo(acquired),
          (error: Error) => void this.destroy(error),
        )
    } catch (error) {
      // Not before those have added their listeners that get the socket by a promise.
      setImmediate(() => this.destroy(error as Error))
    }
  }

  #goTo(lease: Lease): void {
    if (this.destroyed) {
      lease.end()
      return
    }
    this.#lease = lease
    lease.signal.addEventListener('abort', this.#cut)
    const { address, tier, port } = lease.endpoint
    if (tier === 0 && this.#options.port === undefined && port === undefined && isSchemesPort(lease)) {
      const { host } = this.#options
      this.destroy(
        new InvalidOptionsError(
          'connect.port',
          undefined,
          `an integer from 1 to 65535: discovery knows none for ${host}`,
        ),
      )
    } else if (isIP(address) === 0) this.#resolve(address)
    else this.#try([address])
  }

  /** The load balancer has a name, and maybe an address in each zone. */
  #resolve(name: string): void {
    const attempt = (this.#attempt = {})
    lookup(name, { all: true }, (error, found) => {
      if (this.#attempt !== attempt || this.destroyed) return
      if (error === null) this.#try(found.map(({ address }) => address))
      else this.#next(error)
    })
  }

  #try([address, ...others]: string[]): void {
    const lease = this.#lease
    if (lease === undefined || address === undefined) return
    this.#addresses = others
    this.#phase = 'connecting'
    const attempt = (this.#attempt = {})
    const { connectMs } = lease
    const nextAfterMs = Math.min(this.#options.nextAfterMs ?? NEXT_AFTER_MS, connectMs)
    if (nextAfterMs < connectMs) this.#after(nextAfterMs, attempt, () => this.#isSlow(nextAfterMs))
    this.#after(connectMs, attempt, () => this.#failed(connectTimeout(address, lease.port, connectMs)))
    this.start({ host: address, port: lease.port })
  }

  /** Calls unless there is a connection, or another attempt, by then. */
  #after(ms: number, attempt: object, call: () => void): void {
    const exceeded = (): void => {
      if (this.#attempt === attempt && this.#phase === 'connecting') this.#context.runInAsyncScope(call)
    }
    afterMs(ms, exceeded)
  }

  /** Another one is tried if there is one. Otherwise this one has the rest of its time. */
  #isSlow(waitedMs: number): void {
    const lease = this.#lease
    if (lease === undefined) return
    if (this.#addresses.length > 0) this.#failed(connectTimeout(lease.endpoint.address, lease.port, waitedMs))
    else {
      const next = this.#again(connectTimeout(lease.endpoint.address, lease.port, waitedMs))
      if (next !== undefined) this.#closeHandle(() => this.#replace(next))
    }
  }

  #failed(error: Error): void {
    this.#closeHandle(() => this.#next(error))
  }

  #next(error: Error): void {
    if (this.#addresses.length > 0) {
      this.#try(this.#addresses)
      return
    }
    const next = this.#again(error)
    if (next !== undefined) this.#replace(next)
    else if (!this.destroyed) {
      this.#phase = 'finding'
      this.destroy(error)
    }
  }

  #replace(next: Lease): void {
    this.#endLease()
    this.#goTo(next)
  }

  /** A lease of another upstream. A rule or balancer of the user's that throws ends the socket. */
  #again(error: Error): Lease | undefined {
    const lease = this.#lease
    lease?.report(failedOutcome(error, lease))
    try {
      return lease?.again()
    } catch (thrown) {
      super.destroy(thrown as Error)
      return undefined
    }
  }

  /**
   * Node reports the end of the connection in progress before the handle is closed: with another connection in progress by
   * then, it would take the report for that one's.
   */
  #closeHandle(closed: () => void): void {
    this.#attempt = {}
    const state = stateOf(this)
    const handle = state._handle
    state._handle = null
    const goOn = (): void => {
      if (this.#phase !== 'over') this.#context.runInAsyncScope(closed)
    }
    if (handle === null) process.nextTick(goOn)
    else handle.close(goOn)
  }

  #connected(): void {
    this.#phase = 'connected'
    this.#connectedAtMs = this.#lease?.elapsedMs() ?? 0
    if (!this.#keepsAlive) super.unref()
    if (this.#onFailed === undefined) this.#succeeded()
  }

  #succeeded(): void {
    const lease = this.#lease
    if (lease === undefined) return
    this.#hasSucceeded = true
    lease.report(connectedOutcome(lease))
  }

  /** The server has ended the connection. */
  #ended(): void {
    const lease = this.#lease
    if (!this.#hasSucceeded || lease === undefined || this.writableEnded) return
    if (lease.elapsedMs() - this.#connectedAtMs > REFUSED_WITHIN_MS) return
    const error = new Error(
      `the server ended the connection ${Math.round(lease.elapsedMs() - this.#connectedAtMs)} ms after it was made`,
    )
    lease.reportBreak({ kind: 'transport-error', error, sent: true })
  }

  #over(error: Error | null): void {
    if (this.#phase === 'over') return
    this.#phase = 'over'
    this.#aborter.abort()
    if (this.#hasSucceeded && isSocketError(error))
      this.#lease?.reportBreak({ kind: 'transport-error', error, sent: true })
    // During the TLS handshake, Node destroys this socket before the TLS socket says why.
    if (this.#onFailed !== undefined && !this.#hasSucceeded) setImmediate(() => this.#endLease())
    else this.#endLease()
  }

  #endLease(): void {
    this.#lease?.signal.removeEventListener('abort', this.#cut)
    this.#lease?.end()
  }
}

function socketOptions({ keepAliveMs = 30_000, noDelay = true }: ConnectOptions): SocketOptions {
  return { noDelay, keepAlive: keepAliveMs > 0, keepAliveInitialDelay: keepAliveMs }
}

function stateOf(socket: TaskSocket): NodeState {
  return socket as unknown as NodeState
}

/** The scheme is the one whose default is not the port: a URL keeps no default port. */
function originOf(host: string, port: number | undefined): string {
  if (port === undefined) return `http://${host}`
  return `${port === 80 ? 'https' : 'http'}://${host}:${port}`
}

/** Whether the port is there only because a URL has no port. */
function isSchemesPort({ port }: Lease): boolean {
  return port === 80
}

/** Whether Node destroys a socket because it could not connect. */
function isConnectFailure(error: NodeJS.ErrnoException | undefined): error is NodeJS.ErrnoException {
  return error?.syscall === 'connect'
}

/** Whether the connection has broken, and not the caller destroyed it. */
function isSocketError(error: NodeJS.ErrnoException | null): error is NodeJS.ErrnoException {
  return error?.syscall === 'read' || error?.syscall === 'write'
}

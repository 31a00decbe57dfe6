import { AsyncResource, executionAsyncResource } from 'node:async_hooks'
import { abortedConnect, afterMs, connectFailure, connectTimeout } from '../core/async/connect-limit.ts'
import { systemClock } from '../core/clock.ts'
import type { Lease } from '../index.ts'
import type { ConnectOptions, NetClient } from './options.ts'
import { connectedOutcome, isConnectFailure } from './outcomes.ts'
import { Search } from './search.ts'
import { StartedSocket, type SocketOptions } from './started-socket.ts'

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
  readonly #onFailed: ((error: Error) => void) | undefined
  readonly #nextAfterMs: number
  readonly #search: Search
  /** The caller's, for what timers and closed handles call. */
  readonly #context = new AsyncResource('ONEHOP_SOCKET')
  /** `connecting`: a handle of Node's connects, or is being closed after that failed. */
  #phase: 'finding' | 'connecting' | 'connected' | 'over' = 'finding'
  /** Cancel the limits of the connection that is tried. Otherwise they would hold this socket until they are over. */
  #cancels: (() => void)[] = []
  /** `elapsedMs` of the lease, when the connection was begun and when it was made. */
  #begunAtMs = 0
  #connectedAtMs = 0
  /** Where it connects. */
  #target = { address: '', port: 0 }
  /** The connection was made, and reported. */
  #hasSucceeded = false
  /** `unref` may have been called for a handle that was dropped. */
  #keepsAlive = true

  /**
   * @param onFailed for TLS over this socket, whose owner calls `secured` or `refused`. It gets the error instead of the
   * 'error' event, in a later tick: Node's TLS socket would make an uncaught exception of that event.
   */
  constructor(client: NetClient, options: ConnectOptions, onFailed?: (error: Error) => void) {
    super(socketOptions(options))
    this.#onFailed = onFailed
    this.#nextAfterMs = options.nextAfterMs ?? NEXT_AFTER_MS
    stateOf(this).connecting = true
    this.once('connect', () => this.#connected())
    // Before Node's own listener, which ends this side.
    this.prependOnceListener('end', () => this.#ended())
    this.#search = new Search(client, options, {
      found: (address, lease) => this.#try(address, lease),
      failed: (error) => this.#giveUp(error),
    })
    this.#search.start()
  }

  /** The name for TLS: the service's, or the load balancer's own. Empty before there is a connection. */
  get servername(): string {
    return this.#search.lease?.servername ?? ''
  }

  override ref(): this {
    this.#keepsAlive = true
    return super.ref()
  }

  override unref(): this {
    this.#keepsAlive = false
    return super.unref()
  }

  /** The connection is there, and so is its TLS, if it has any. */
  secured(): void {
    const { lease } = this.#search
    this.#cancelLimits()
    if (lease === undefined) return
    this.#hasSucceeded = true
    lease.report(connectedOutcome(lease))
  }

  /** The TLS handshake has failed, or the caller has ended it: with an error that has no code, or by an abort. */
  refused(error: NodeJS.ErrnoException): void {
    const { lease } = this.#search
    if (lease !== undefined && error.code !== undefined && error.name !== 'AbortError')
      lease.report(connectFailure(error, lease.elapsedMs()))
  }

  /** Node calls it, too, when a connection fails. */
  override destroy(error?: NodeJS.ErrnoException): this {
    if (this.#isBreak(error)) this.#reportBreak(error)
    if (this.#phase !== 'connecting' || !isConnectFailure(error, this.#target)) return super.destroy(error)
    // Node has cleared it.
    stateOf(this).connecting = true
    // Otherwise its handle was closed here, to make room for the next.
    if (error.code !== 'ECANCELED') this.#failed(error)
    return this
  }

  /** Node calls it before each connection, and it would forget that `end` was called. This socket connects once. */
  _undestroy(): void {}

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#over()
    const onFailed = this.#onFailed
    if (error !== null && onFailed !== undefined) process.nextTick(onFailed, error)
    super._destroy(onFailed === undefined ? error : null, callback)
  }

  #try(address: string, lease: Lease): void {
    this.#phase = 'connecting'
    const { port, connectMs } = lease
    this.#target = { address, port }
    this.#begunAtMs = lease.elapsedMs()
    const late = (limitMs: number, exceeded: (error: Error) => void): (() => void) =>
      afterMs(limitMs, () => exceeded(connectTimeout(address, port, limitMs)))
    this.#cancels = [
      late(connectMs, (error) => this.#failed(error)),
      late(this.#nextAfterMs, (error) => this.#slow(error)),
    ]
    this.start({ host: address, port })
  }

  /** Another one is tried if there is one. Otherwise this one has the rest of its time, which a TLS handshake has, too. */
  #slow(error: Error): void {
    if (this.#phase === 'connecting' && this.#search.next(error)) this.#closeHandle(() => this.#search.goOn())
  }

  #failed(error: Error): void {
    // The TLS handshake takes too long.
    if (this.#phase === 'connected') this.#giveUp(error)
    else
      this.#closeHandle(() => {
        if (this.#search.next(error)) this.#search.goOn()
        else this.#giveUp(error)
      })
  }

  #giveUp(error: Error): void {
    super.destroy(error)
  }

  /**
   * Node reports the end of the connection in progress before the handle is closed: with another connection in progress by
   * then, it would take the report for that one's.
   */
  #closeHandle(closed: () => void): void {
    this.#cancelLimits()
    const state = stateOf(this)
    const handle = state._handle
    state._handle = null
    const goOn = (): void => {
      if (this.#phase !== 'over') this.#context.runInAsyncScope(closed)
    }
    if (handle === null) process.nextTick(goOn)
    else handle.close(goOn)
  }

  #cancelLimits(): void {
    for (const cancel of this.#cancels) cancel()
    this.#cancels = []
  }

  #connected(): void {
    this.#phase = 'connected'
    this.#connectedAtMs = this.#search.lease?.elapsedMs() ?? 0
    if (!this.#keepsAlive) super.unref()
    if (this.#onFailed === undefined) this.secured()
  }

  /** The server has ended the connection. */
  #ended(): void {
    const { lease } = this.#search
    if (lease === undefined || this.writableEnded) return
    const openMs = lease.elapsedMs() - this.#connectedAtMs
    if (openMs > REFUSED_WITHIN_MS) return
    this.#reportBreak(new Error(`the server ended the connection ${Math.round(openMs)} ms after it was made`))
  }

  #reportBreak(error: Error): void {
    if (this.#hasSucceeded) this.#search.lease?.reportBreak({ kind: 'transport-error', error, sent: true })
  }

  /** A caller that ends it late in connecting says that the task cannot be reached. */
  #reportAbort(): void {
    const { lease } = this.#search
    if (lease === undefined) return
    const tookMs = lease.elapsedMs() - this.#begunAtMs
    const { address, port } = this.#target
    const error = abortedConnect(address, port, tookMs, this.#nextAfterMs)
    if (error !== undefined) lease.report(connectFailure(error, tookMs))
  }

  /**
   * Whether Node destroys it for an error of its own connection. `pipeline` destroys it for those of others: they come
   * neither from its handle nor from a write of its own.
   */
  #isBreak(error: NodeJS.ErrnoException | undefined): error is NodeJS.ErrnoException {
    if (error?.syscall === 'read') return executionAsyncResource() === stateOf(this)._handle
    return error?.syscall === 'write' && this.errored === error
  }

  #over(): void {
    if (this.#phase === 'connecting') this.#reportAbort()
    this.#phase = 'over'
    this.#cancelLimits()
    // During the TLS handshake, Node destroys this socket before the TLS socket says why.
    if (this.#onFailed !== undefined && !this.#hasSucceeded) systemClock.afterIo(() => this.#search.end())
    else this.#search.end()
  }
}

function socketOptions({ keepAliveMs = 30_000, noDelay = true }: ConnectOptions): SocketOptions {
  return { noDelay, keepAlive: keepAliveMs > 0, keepAliveInitialDelay: keepAliveMs }
}

function stateOf(socket: TaskSocket): NodeState {
  return socket as unknown as NodeState
}

import { AsyncResource } from 'node:async_hooks'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { afterMs, connectFailure } from '../core/async/connect-limit.ts'
import { openUntil, type Open } from '../core/async/open-until.ts'
import { responseOutcomeOf, type Endpoint, type KeyedRequest, type Lease, type Outcome } from '../index.ts'
import { connectTask, isHangUp, isToTls } from './connecting.ts'
import { setHost } from './host-header.ts'
import type {
  AgentClient,
  AgentMethods,
  AgentRequestOptions,
  AgentState,
  NodeRequest,
  SocketCallback,
} from './node-agent.ts'
import { follow, followerOf, type Followed } from './outcomes.ts'
import { leaveQueue } from './queue.ts'

/** What a request needs of its agent. */
export interface RequestDoor {
  readonly client: AgentClient
  readonly agent: AgentState
  /** Node's own. */
  readonly native: AgentMethods
}

/** An origin that requests go to, as their callers wrote it. */
export interface CalledOrigin {
  /** `http://orders.shop.local:8080` */
  readonly url: string
  /** `orders.shop.local:8080` */
  readonly host: string
  /** undefined before the first lease. */
  open: Set<Open> | undefined
}

/** The state of a request to a discovered host; undefined for all others. */
export function routedOf(request: ClientRequest): RoutedRequest | undefined {
  return followerOf(request) as RoutedRequest | undefined
}

/**
 * A request to a discovered host, from its pick to its end. Until it has a connection it may go to other tasks, whatever its
 * method: nothing has been sent.
 */
export class RoutedRequest implements KeyedRequest, Followed, Open {
  readonly #request: NodeRequest
  /** Made by Node for the agent alone: a copy of the caller's, in Node 22, 24 and 26. */
  readonly #options: AgentRequestOptions
  readonly #servername: string | undefined
  readonly #origin: CalledOrigin
  readonly #door: RequestDoor
  /** The caller's: connections are made in the context of another request that has ended. undefined: not needed. */
  #context: AsyncResource | undefined = undefined
  /** Ends the wait for discovery; undefined where none was expected. */
  #aborter: AbortController | undefined = undefined
  #lease: Lease | undefined = undefined
  /** Ends the connection in progress for this request; undefined: none is. */
  #cancelConnecting: ReturnType<typeof connectTask> | undefined = undefined
  /** When it got its connection: `elapsedMs` of the lease. */
  #sentAtMs = 0
  #isReported = false
  #isRenamed = false
  /** Whether it is followed on its way to a connection. */
  #isOnItsWay = false
  /** Whether it has failed before it had a connection. */
  #hasFailed = false
  /** Tasks in whose queue it has been; undefined: none. */
  #left: Set<string> | undefined = undefined

  constructor(request: ClientRequest, options: AgentRequestOptions, origin: CalledOrigin, door: RequestDoor) {
    this.#request = request as NodeRequest
    this.#options = options
    this.#servername = options.servername
    this.#origin = origin
    this.#door = door
  }

  /**
   * Picks the task. The request fails in a later tick if that is impossible.
   * @param isKnown whether the service is probably known, so that nothing has to be waited for
   * @returns whether it was
   */
  start(isKnown: boolean): boolean {
    const request = this.#request
    follow(request, this)
    // `once` would make two objects more. Node emits it once.
    request.on('close', closed)
    if (!isKnown) this.#aborter = new AbortController()
    try {
      const lease = this.#acquire()
      if (!(lease instanceof Promise)) {
        this.#go(lease)
        return true
      }
      this.#goLater(lease)
    } catch (error) {
      this.#fail(error as Error)
    }
    return false
  }

  // What a balancer and `retry.on` read.

  get method(): string {
    return this.#request.method
  }

  get path(): string {
    return this.#request.path
  }

  header(name: string): string | undefined {
    const value = this.#request.getHeader(name)
    const first = Array.isArray(value) ? value[0] : value
    return first === undefined || first === '' ? undefined : String(first)
  }

  // What the agent calls.

  /** No connection is free. Node's own method begins one, and calls `connect`. */
  createSocket(options: AgentRequestOptions, callback: SocketCallback): void {
    this.#keepContext()
    this.#startTimeout()
    const lease = this.#lease as Lease
    this.#door.native.createSocket(this.#request, options, (error, socket) => {
      this.#inContext(() => {
        if (error) this.#connectFailed(lease, error, callback)
        else {
          if (lease === this.#lease) this.#cancelConnecting = undefined
          callback(null, socket)
        }
      })
    })
  }

  /** To the task of its lease. */
  connect(options: AgentRequestOptions, callback: SocketCallback): void {
    this.#cancelConnecting = connectTask(this.#door.agent, options, this.#lease as Lease, callback, leaveTask)
  }

  /**
   * It waits in the agent's queue, and its task cannot be reached. It goes to another task.
   * @param failure of the connection that it has waited for: it counts as its own, and `retry` holds, as in Envoy's pools.
   * undefined: it may get another one, and leaves only if there is another task
   * @returns whether it has left the queue
   */
  leaveTask(failure: Error | undefined): boolean {
    // `cut` follows.
    if (this.#lease?.signal.aborted === true) return false
    return this.#inContext(() => {
      if (failure === undefined) return this.#moveOn()
      this.#goOn(failure, (error) => this.#fail(error))
      return true
    })
  }

  /** Its connection has been made, or freed by another request. */
  gotSocket(): void {
    this.#sentAtMs = this.#lease?.elapsedMs() ?? 0
  }

  // What Node's channels report.

  responded({ statusCode = 0, headers }: IncomingMessage): void {
    this.#report(responseOutcomeOf(statusCode, headers, this.#latencyMs()))
  }

  failed(error: Error): void {
    // By its caller, or by this process.
    if (this.#request.destroyed)
      this.#report({ kind: 'cancelled', latencyMs: this.#hasSocket ? this.#latencyMs() : 0 })
    else this.#report({ kind: 'transport-error', error, sent: this.#hasSocket })
  }

  /** The client is destroyed. */
  cut(error: Error): void {
    const { res, socket } = this.#request
    // As if the connection broke: an error of the request is unexpected once it has its response.
    if (res !== undefined && res !== null) socket?.destroy()
    else this.#request.destroy(error)
  }

  closed(): void {
    this.#origin.open?.delete(this)
    if (!this.#isReported) {
      const { res, destroyed } = this.#request
      // After an upgrade or a CONNECT no channel reports the response.
      if (res !== undefined && res !== null) this.responded(res)
      else if (destroyed && this.#hasSocket) this.#report({ kind: 'cancelled', latencyMs: this.#latencyMs() })
    }
    this.#lease?.end()
  }

  /** The caller ends the request. Without a socket Node would do it only when there is one. */
  destroyed(error: Error | undefined): void {
    // The own property is ours: behind it is Node's method.
    delete (this.#request as Partial<ClientRequest>).destroy
    this.#request.destroy(error)
    if (this.#hasSocket || this.#hasFailed) return
    const isWaiting = this.#lease === undefined
    const isQueued = leaveQueue(this.#door.agent, this.#request)
    const cancelConnecting = this.#cancelConnecting
    this.#cancelConnecting = undefined
    if (isWaiting) this.#aborter?.abort()
    else if (!isQueued) this.#reportAbort(cancelConnecting?.())
    // Otherwise it has a socket, and hears of it in the next tick.
    if (isWaiting || isQueued || cancelConnecting !== undefined) this.#fail(undefined)
  }

  /** @param overdue why the connection in progress counts as failed, if it does */
  #reportAbort(overdue: Error | undefined): void {
    if (overdue !== undefined) this.#report(connectFailure(overdue, this.#lease?.elapsedMs() ?? 0))
  }

  /** Node sets it right before its 'socket' event. */
  get #hasSocket(): boolean {
    const { socket } = this.#request
    return socket !== null && socket !== undefined
  }

  /**
   * A connection that was begun for it cannot be made: another task gets the request, or it fails.
   *
   * Node begins one for the first request that waits whenever another one ends (`maxSockets`), also while that request connects.
   * So the request may be elsewhere by now, or have a connection that another request has freed.
   * @param lease the one that the connection was begun for
   */
  #connectFailed(lease: Lease, error: Error, callback: SocketCallback): void {
    if (lease !== this.#lease || this.#hasSocket) return
    leaveQueue(this.#door.agent, this.#request)
    if (!this.#hasFailed) this.#goOn(error, callback)
  }

  /** Another attempt follows the connection that failed, on another task; or the request fails. */
  #goOn(error: Error, fail: (error: Error) => void): void {
    const lease = this.#lease as Lease
    this.#report(
      isHangUp(error) ? { kind: 'cancelled', latencyMs: 0 } : connectFailure(error, lease.elapsedMs()),
    )
    let next: Lease | undefined
    try {
      next = this.#request.destroyed ? undefined : lease.again()
    } catch (thrown) {
      fail(thrown as Error)
      return
    }
    if (next === undefined) fail(error)
    else {
      lease.end()
      this.#go(next)
    }
  }

  /**
   * Picks again, as if the request came now: nothing was tried for it, so it does not count as a retry.
   * @returns false: no other task can take it
   */
  #moveOn(): boolean {
    const lease = this.#lease as Lease
    const left = (this.#left ??= new Set())
    left.add(placeOf(lease.endpoint, lease.port))
    let next: Lease | Promise<Lease>
    try {
      next = this.#acquire((endpoint, port) => !left.has(placeOf(endpoint, port)))
    } catch {
      return false
    }
    if (next instanceof Promise) {
      // Discovery knows nothing any more.
      next.then(
        (acquired) => acquired.end(),
        () => undefined,
      )
      return false
    }
    lease.end()
    this.#go(next)
    return true
  }

  #acquire(accepts?: (endpoint: Endpoint, port: number) => boolean): Lease | Promise<Lease> {
    const request = this.#request
    return this.#door.client.acquire(this.#origin.url, {
      method: request.method,
      signal: this.#aborter?.signal,
      idempotent: request.method !== 'GET' && request.hasHeader('idempotency-key') ? true : undefined,
      request: this,
      accepts,
    })
  }

  /** Runs in the caller's async context. */
  #inContext<Result>(run: () => Result): Result {
    return this.#context === undefined ? run() : this.#context.runInAsyncScope(run)
  }

  /** Keeps the context of now, if none is kept yet. */
  #keepContext(): void {
    this.#context ??= new AsyncResource('ONEHOP_HTTP_REQUEST')
  }

  /** While it has no socket, Node's own timeout does not run. From then on, `timeout` events are of the socket. */
  #startTimeout(): void {
    const { timeout: timeoutMs } = this.#request
    if (timeoutMs === undefined || timeoutMs <= 0) return
    const fire = (): void => {
      if (!this.#hasSocket && !this.#hasFailed) this.#inContext(() => this.#request.emit('timeout'))
    }
    // Otherwise the request would be held until then.
    this.#request.once('close', afterMs(timeoutMs, fire))
  }

  /** It has to wait for a connection: an abort ends the wait. Requests on a kept connection need none of it. */
  #followOnItsWay(): void {
    this.#keepContext()
    if (this.#isOnItsWay) return
    this.#isOnItsWay = true
    this.#request.destroy = destroyRouted
    this.#request.on('socket', gotSocket)
  }

  #goLater(lease: Promise<Lease>): void {
    this.#followOnItsWay()
    this.#startTimeout()
    lease.then(
      (acquired) => this.#go(acquired),
      (error: Error) => {
        if (!this.#request.destroyed) this.#fail(error)
      },
    )
  }

  #go(lease: Lease): void {
    if (this.#hasFailed) {
      lease.end()
      return
    }
    this.#lease = lease
    this.#cancelConnecting = undefined
    this.#origin.open ??= openUntil(lease.signal)
    this.#origin.open.add(this)
    this.#isReported = false
    const { endpoint, port } = lease
    const options = this.#options
    options.host = endpoint.address
    options.port = port
    // Node derives a missing name from `Host` for each request, with costly checks for an IP address. Only TLS needs it.
    options.servername = this.#servername ?? (isToTls(lease) ? undefined : '')
    if (endpoint.tier === 1 && lease.host !== this.#origin.host.toLowerCase())
      this.#callBy(lease.host, lease.servername)
    else {
      if (this.#isRenamed) setHost(this.#request, this.#origin.host)
      // Node takes the name of `Host`, else that of the options, where the address is now.
      if (options.servername === undefined && !this.#request.hasHeader('host'))
        options.servername = lease.servername
    }
    try {
      this.#door.native.addRequest(this.#request, options)
      if (!this.#request.reusedSocket) this.#followOnItsWay()
    } catch (error) {
      // Options of TLS that cannot be used: a key, a certificate.
      this.#fail(error as Error)
    }
  }

  /** The load balancer has a name of its own, for routing and certificates. */
  #callBy(host: string, servername: string): void {
    this.#isRenamed = true
    setHost(this.#request, host)
    this.#options.servername = servername
  }

  /** @param error undefined: Node takes the one of `destroy` */
  #fail(error: Error | undefined): void {
    if (this.#hasFailed) return
    this.#hasFailed = true
    this.#lease?.end()
    this.#request.onSocket(undefined, error)
  }

  #latencyMs(): number {
    return Math.max(0, (this.#lease?.elapsedMs() ?? 0) - this.#sentAtMs)
  }

  #report(outcome: Outcome): void {
    if (this.#isReported) return
    this.#isReported = true
    this.#lease?.report(outcome)
  }
}

function placeOf({ address }: Endpoint, port: number): string {
  return `${address} ${port}`
}

// One function each for all requests, and no closure for each.

function leaveTask(waiting: ClientRequest, failure: Error | undefined): boolean {
  return routedOf(waiting)?.leaveTask(failure) === true
}

function destroyRouted(this: NodeRequest, error?: Error): NodeRequest {
  routedOf(this)?.destroyed(error)
  return this
}

function gotSocket(this: ClientRequest): void {
  routedOf(this)?.gotSocket()
}

function closed(this: ClientRequest): void {
  routedOf(this)?.closed()
}

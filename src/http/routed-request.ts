import { AsyncResource } from 'node:async_hooks'
import type { ClientRequest } from 'node:http'
import { afterMs } from '../core/async/connect-limit.ts'
import type { Lease } from '../index.ts'
import { address, type Addressed } from './addressing.ts'
import { Connecting } from './connecting.ts'
import { LeasedRequest, type CalledOrigin } from './leased-request.ts'
import type { AgentRequestOptions, NodeRequest, RequestDoor, SocketCallback } from './node-agent.ts'
import { follow, followerOf } from './outcomes.ts'
import { leaveQueue } from './queue.ts'

/** The state of a request to a discovered host; undefined for all others. */
export function routedOf(request: ClientRequest): RoutedRequest | undefined {
  return followerOf(request) as RoutedRequest | undefined
}

/**
 * A request to a discovered host, from its pick to its end. Until it has a connection it may go to other tasks, whatever its
 * method: nothing has been sent.
 */
export class RoutedRequest extends LeasedRequest implements Addressed {
  readonly options: AgentRequestOptions
  readonly servername: string | undefined
  readonly #door: RequestDoor
  /**
   * The caller's: connections are made in the context of another request that has ended. undefined: it has not had to wait
   * for one.
   */
  #context: AsyncResource | undefined = undefined
  /** The connection in progress for this request; undefined: none is. */
  #connecting: Connecting | undefined = undefined
  /** Whether it has failed before it had a connection. */
  #hasFailed = false

  constructor(request: ClientRequest, options: AgentRequestOptions, origin: CalledOrigin, door: RequestDoor) {
    super(request as NodeRequest, origin, door.client)
    this.options = options
    this.servername = options.servername
    this.#door = door
  }

  /**
   * Picks the task. The request fails in a later tick if that is impossible.
   * @param isKnown whether the service is probably known, so that nothing has to be waited for
   * @returns whether it was
   */
  start(isKnown: boolean): boolean {
    follow(this.request, this)
    // `once` would make two objects more. Node emits it once.
    this.request.on('close', closed)
    try {
      const lease = this.firstLease(isKnown)
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

  /** No connection is free. Node's own method begins one, and calls `connect`. */
  createSocket(options: AgentRequestOptions, callback: SocketCallback): void {
    this.#prepareToWait()
    this.#startTimeout()
    const lease = this.lease as Lease
    this.#door.native.createSocket(this.request, options, (error, socket) => {
      this.#inContext(() => {
        if (error) this.#connectFailed(lease, error, callback)
        else {
          if (lease === this.lease) this.#connecting = undefined
          callback(null, socket)
        }
      })
    })
  }

  /** To the task of its lease. */
  connect(options: AgentRequestOptions, callback: SocketCallback): void {
    this.#connecting = new Connecting(this.#door.agent, options, this.lease as Lease, callback, leaveTask)
  }

  /**
   * It waits in the agent's queue, and its task cannot be reached. It goes to another task.
   * @param failure of the connection that it has waited for: it counts as its own, and `retry` holds, as in Envoy's pools.
   * undefined: it may get another one, and leaves only if there is another task
   * @returns whether it has left the queue
   */
  leaveTask(failure: Error | undefined): boolean {
    // `cut` follows.
    if (this.lease?.signal.aborted === true) return false
    return this.#inContext(() => {
      if (failure === undefined) return this.#moveOn()
      this.#goOn(failure, (error) => this.#fail(error))
      return true
    })
  }

  /** The caller ends the request. Without a socket Node would do it only when there is one. */
  destroyed(error: Error | undefined): void {
    // The own property is ours: behind it is Node's method.
    delete (this.request as Partial<ClientRequest>).destroy
    this.request.destroy(error)
    if (!this.hasSocket && !this.#hasFailed && this.#endWait()) this.#fail(undefined)
  }

  #goLater(lease: Promise<Lease>): void {
    this.#prepareToWait()
    this.#startTimeout()
    lease.then(
      (acquired) => this.#go(acquired),
      (error: Error) => {
        if (!this.request.destroyed) this.#fail(error)
      },
    )
  }

  /** To the task of a lease: on a free connection, on a new one, or into the queue. */
  #go(lease: Lease): void {
    if (this.#hasFailed) {
      lease.end()
      return
    }
    const before = this.lease
    this.hold(lease)
    this.#connecting = undefined
    address(this, lease, before)
    try {
      this.#door.native.addRequest(this.request, this.options)
      if (!this.request.reusedSocket) this.#prepareToWait()
    } catch (error) {
      // Options of TLS that cannot be used: a key, a certificate.
      this.#fail(error as Error)
    }
  }

  /**
   * A connection that was begun for it cannot be made: another task gets the request, or it fails.
   *
   * Node begins one for the first request that waits whenever another one ends (`maxSockets`), also while that request connects.
   * So the request may be elsewhere by now, or have a connection that another request has freed.
   * @param lease the one that the connection was begun for
   */
  #connectFailed(lease: Lease, error: Error, callback: SocketCallback): void {
    if (lease !== this.lease || this.hasSocket) return
    leaveQueue(this.#door.agent, this.request)
    if (!this.#hasFailed) this.#goOn(error, callback)
  }

  /** Another attempt follows the connection that failed, on another task; or the request fails. */
  #goOn(error: Error, fail: (error: Error) => void): void {
    this.#connecting = undefined
    this.reportUnreached(error)
    let next: Lease | undefined
    try {
      next = this.nextLease()
    } catch (thrown) {
      fail(thrown as Error)
      return
    }
    if (next === undefined) fail(error)
    else this.#go(next)
  }

  /** @returns false: no other task can take it */
  #moveOn(): boolean {
    const next = this.leaseElsewhere()
    if (next !== undefined) this.#go(next)
    return next !== undefined
  }

  /**
   * Ends its wait for a task, in the queue, or for its own connection.
   * @returns false: it has no wait to end, and gets its socket in the next tick
   */
  #endWait(): boolean {
    const connecting = this.#connecting
    this.#connecting = undefined
    if (this.lease === undefined) {
      this.stopWaiting()
      return true
    }
    // A connection that was begun for it goes to the next request there.
    if (leaveQueue(this.#door.agent, this.request)) return true
    const overdue = connecting?.cancel()
    if (overdue !== undefined) this.reportUnreached(overdue)
    return connecting !== undefined
  }

  /** It has to wait for a connection: an abort ends the wait. Requests on a kept connection need none of it. */
  #prepareToWait(): void {
    if (this.#context !== undefined) return
    this.#context = new AsyncResource('ONEHOP_HTTP_REQUEST')
    this.request.destroy = destroyRouted
    this.request.on('socket', gotSocket)
  }

  /** While it has no socket, Node's own timeout does not run. From then on, `timeout` events are of the socket. */
  #startTimeout(): void {
    const { timeout: timeoutMs } = this.request
    if (timeoutMs === undefined || timeoutMs <= 0) return
    const fire = (): void => {
      if (!this.hasSocket && !this.#hasFailed) this.#inContext(() => this.request.emit('timeout'))
    }
    // Otherwise the request would be held until then.
    this.request.once('close', afterMs(timeoutMs, fire))
  }

  /** Runs in the caller's async context. */
  #inContext<Result>(run: () => Result): Result {
    return this.#context === undefined ? run() : this.#context.runInAsyncScope(run)
  }

  /** @param error undefined: Node takes the one of `destroy` */
  #fail(error: Error | undefined): void {
    if (this.#hasFailed) return
    this.#hasFailed = true
    this.lease?.end()
    this.request.onSocket(undefined, error)
  }
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

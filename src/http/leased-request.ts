import type { IncomingMessage } from 'node:http'
import { connectFailure } from '../core/async/connect-limit.ts'
import { formatAddressPort } from '../core/ip.ts'
import { openUntil, type Open } from '../core/async/open-until.ts'
import { responseOutcomeOf, type Endpoint, type KeyedRequest, type Lease, type Outcome } from '../index.ts'
import { isHangUp } from './connecting.ts'
import type { AgentClient, NodeRequest } from './node-agent.ts'
import type { Followed } from './outcomes.ts'

/** An origin that requests go to, as their callers wrote it. */
export interface CalledOrigin {
  /** `http://orders.shop.local:8080` */
  readonly url: string
  /** `orders.shop.local:8080` */
  readonly host: string
  /** undefined before the first lease. */
  open: Set<Open> | undefined
}

/** The leases of a request, one after the other, and the outcome that each gets. */
export class LeasedRequest implements KeyedRequest, Followed, Open {
  readonly request: NodeRequest
  readonly origin: CalledOrigin
  readonly #client: AgentClient
  /** Ends the wait for the first lease; undefined where none was expected. */
  #aborter: AbortController | undefined = undefined
  #lease: Lease | undefined = undefined
  #isReported = false
  /** When it got its connection: `elapsedMs` of the lease. */
  #sentAtMs = 0
  /** Tasks in whose queue it has been; undefined: none. */
  #left: Set<string> | undefined = undefined

  constructor(request: NodeRequest, origin: CalledOrigin, client: AgentClient) {
    this.request = request
    this.origin = origin
    this.#client = client
  }

  // What a balancer and `retry.on` read.

  get method(): string {
    return this.request.method
  }

  get path(): string {
    return this.request.path
  }

  header(name: string): string | undefined {
    const value = this.request.getHeader(name)
    const first = Array.isArray(value) ? value[0] : value
    return first === undefined || first === '' ? undefined : String(first)
  }

  // Its leases.

  /** The one that it holds, or held last; undefined: it waits for its first. */
  protected get lease(): Lease | undefined {
    return this.#lease
  }

  /** @param isKnown whether the service is probably known, so that nothing has to be waited for */
  protected firstLease(isKnown: boolean): Lease | Promise<Lease> {
    if (!isKnown) this.#aborter = new AbortController()
    return this.#acquire()
  }

  /** Ends the wait for the first. */
  protected stopWaiting(): void {
    this.#aborter?.abort()
  }

  /** For another attempt, after a failure that was reported. undefined: none follows. */
  protected nextLease(): Lease | undefined {
    return this.request.destroyed ? undefined : this.#lease?.again()
  }

  /**
   * Of a task in whose queue it has not been, as if the request came now: nothing was tried for it, so it does not count as
   * a retry.
   * @returns undefined: no other task can take it
   */
  protected leaseElsewhere(): Lease | undefined {
    const { endpoint, port } = this.#lease as Lease
    const left = (this.#left ??= new Set())
    left.add(formatAddressPort(endpoint.address, port))
    let lease: Lease | Promise<Lease>
    try {
      lease = this.#acquire((other, itsPort) => !left.has(formatAddressPort(other.address, itsPort)))
    } catch {
      return undefined
    }
    if (!(lease instanceof Promise)) return lease
    // Discovery knows nothing any more.
    lease.then(
      (acquired) => acquired.end(),
      () => undefined,
    )
    return undefined
  }

  /** From now on it holds this one, in place of the one before. */
  protected hold(lease: Lease): void {
    this.#lease?.end()
    this.#lease = lease
    this.#isReported = false
    this.origin.open ??= openUntil(lease.signal)
    this.origin.open.add(this)
  }

  /** The client is destroyed. */
  cut(error: Error): void {
    // As if the connection broke: an error of the request is unexpected once it has its response.
    if (this.#response !== undefined) this.request.socket?.destroy()
    else this.request.destroy(error)
  }

  // What is reported of the one that it holds.

  /** Its connection has been made, or freed by another request. */
  gotSocket(): void {
    this.#sentAtMs = this.#lease?.elapsedMs() ?? 0
  }

  /** The connection that was begun for it cannot be made. */
  protected reportUnreached(error: Error): void {
    this.#report(
      isHangUp(error)
        ? { kind: 'cancelled', latencyMs: 0 }
        : connectFailure(error, this.#lease?.elapsedMs() ?? 0),
    )
  }

  responded({ statusCode = 0, headers }: IncomingMessage): void {
    this.#report(responseOutcomeOf(statusCode, headers, this.#latencyMs()))
  }

  failed(error: Error): void {
    // By its caller, or by this process.
    if (this.request.destroyed)
      this.#report({ kind: 'cancelled', latencyMs: this.hasSocket ? this.#latencyMs() : 0 })
    else this.#report({ kind: 'transport-error', error, sent: this.hasSocket })
  }

  /** Node has emitted 'close'. */
  closed(): void {
    this.origin.open?.delete(this)
    if (!this.#isReported) {
      const response = this.#response
      // After an upgrade or a CONNECT no channel reports the response.
      if (response !== undefined) this.responded(response)
      else if (this.request.destroyed && this.hasSocket)
        this.#report({ kind: 'cancelled', latencyMs: this.#latencyMs() })
    }
    this.#lease?.end()
  }

  /** Node sets it right before its 'socket' event. */
  protected get hasSocket(): boolean {
    const { socket } = this.request
    return socket !== null && socket !== undefined
  }

  get #response(): IncomingMessage | undefined {
    return this.request.res ?? undefined
  }

  #latencyMs(): number {
    return Math.max(0, (this.#lease?.elapsedMs() ?? 0) - this.#sentAtMs)
  }

  #report(outcome: Outcome): void {
    if (this.#isReported) return
    this.#isReported = true
    this.#lease?.report(outcome)
  }

  #acquire(accepts?: (endpoint: Endpoint, port: number) => boolean): Lease | Promise<Lease> {
    const { request } = this
    return this.#client.acquire(this.origin.url, {
      method: request.method,
      signal: this.#aborter?.signal,
      idempotent: request.method !== 'GET' && request.hasHeader('idempotency-key') ? true : undefined,
      request: this,
      accepts,
    })
  }
}

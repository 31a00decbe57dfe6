/** An attempt without a request: the caller gets the upstream, sends what it likes, and reports what came of it. */
import { isIP } from 'node:net'
import type { Outcome } from '../../core/outcome.ts'
import type { Endpoint } from '../../discovery/endpoint.ts'
import type { Limited, TimeLimit } from '../call/time-limit.ts'
import { limitsTo } from '../connections/connector.ts'
import { elapsedMs } from '../elapsed.ts'
import { checkOutcome } from './check-outcome.ts'
import type { LeasedAttempt } from './leased-attempt.ts'

/**
 * An upstream that was picked for one attempt of the caller's, and counts as pending until `end`. Disposing of it ends it.
 * `client.close()` waits for leases as it does for calls.
 */
export interface Lease extends Disposable {
  /** The task, or the load balancer. */
  readonly endpoint: Endpoint
  /** The port to connect to: the caller's, or else what the options or discovery say. */
  readonly port: number
  /** By which it is called: the caller's, or the load balancer's own. */
  readonly origin: string
  /** For the `Host` header: `origin` without the scheme. */
  readonly host: string
  /** For TLS: the server name, against which the certificate is verified. Empty if `origin` has an IP address. */
  readonly servername: string
  /** How long a connection may take, in ms (`timeouts.connectMs`). */
  readonly connectMs: number
  /** How long its TCP connection may take, in ms (`timeouts.tcpConnectMs`). */
  readonly tcpConnectMs: number
  /** Aborts when the client is destroyed, as by `close({ withinMs })`: what is under way has to be cut. */
  readonly signal: AbortSignal
  /** Milliseconds since it was acquired, without the time for which this process was busy. */
  elapsedMs(): number
  /**
   * How the attempt went: the first report counts, later ones are ignored, as after `end`.
   * @throws InvalidOptionsError for what is not an `Outcome`
   */
  report(outcome: Outcome): void
  /**
   * After a response below 500 was reported: it broke off, or failed in the end, as a gRPC status says. A
   * `transport-error`, a `timeout` or a response from 500 on counts, once.
   * @throws InvalidOptionsError for what is not an `Outcome`
   */
  reportBreak(outcome: Outcome): void
  /** The attempt is over. Without a report it says nothing about the upstream. A second time it does nothing. */
  end(): void
  /**
   * A lease of another upstream, for another attempt after a reported failure. The service's retry options and budget
   * allow it, or not, as for calls; a backoff is the caller's business. This lease still has to be ended.
   * @returns undefined if no retry is allowed, there is no other upstream, or it was asked for before
   * @throws what `retry.on` or a balancer of the user's throws
   */
  again(): Lease | undefined
}

/** What the caller holds. */
export class UpstreamLease implements Lease, Limited {
  readonly #attempt: LeasedAttempt
  limit: TimeLimit | undefined = undefined
  dueAt = 0
  earlier: Limited | undefined = undefined
  later: Limited | undefined = undefined

  constructor(attempt: LeasedAttempt) {
    this.#attempt = attempt
    attempt.call.route.leases.add(this, attempt.startedAt)
  }

  get endpoint(): Endpoint {
    return this.#attempt.upstream.endpoint
  }

  get port(): number {
    return this.#attempt.upstream.port
  }

  get origin(): string {
    const { upstream, call } = this.#attempt
    return upstream.endpoint.origin ?? call.route.origin
  }

  get host(): string {
    return hostOf(this.origin)
  }

  get servername(): string {
    return servernameOf(this.origin)
  }

  get connectMs(): number {
    return this.#attempt.call.route.connectMs
  }

  get tcpConnectMs(): number {
    const { upstream, call } = this.#attempt
    return limitsTo(upstream.endpoint, call.route).tcpConnectMs
  }

  get signal(): AbortSignal {
    return this.#attempt.call.route.inFlight.signal
  }

  elapsedMs(): number {
    const { startedAt, call } = this.#attempt
    const { clock, lag } = call.route
    return elapsedMs(startedAt, clock.now(), lag)
  }

  report(outcome: Outcome): void {
    this.#attempt.report(checkOutcome(outcome))
  }

  reportBreak(outcome: Outcome): void {
    this.#attempt.reportBreak(checkOutcome(outcome))
  }

  end(): void {
    const attempt = this.#attempt
    if (attempt.isOver) return
    attempt.call.route.leases.delete(this, attempt)
    attempt.end()
  }

  again(): Lease | undefined {
    const next = this.#attempt.next()
    return next === undefined ? undefined : new UpstreamLease(next)
  }

  /** It is open for longer than most. */
  exceed(): void {
    const attempt = this.#attempt
    attempt.call.route.leases.register(this, attempt)
  }

  [Symbol.dispose](): void {
    this.end()
  }
}

/** Host and port of an origin, as the `Host` header has them: `orders.shop.local:8443`. */
function hostOf(origin: string): string {
  return origin.slice(origin.indexOf('//') + 2)
}

/** Host of an origin as the server name of TLS: without a trailing dot (RFC 6066 section 3). Empty for an IP address. */
function servernameOf(origin: string): string {
  const name = hostOf(origin)
    .replace(/:\d+$/, '')
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
  return isIP(name) === 0 ? name : ''
}

import { AsyncResource } from 'node:async_hooks'
import type { KeyedRequest } from '../../balancer/balancer.ts'
import type { Upstream } from '../../cluster/upstream.ts'
import { keepAlive, type Timer } from '../../core/clock.ts'
import { checkBoolean, checkKeys, checkString } from '../../core/check/check.ts'
import { checkFunction, checkMethods } from '../../core/check/functions.ts'
import { InvalidOptionsError } from '../../core/errors.ts'
import type { Endpoint } from '../../discovery/endpoint.ts'
import { noUpstream, tooManyCalls } from '../call/no-upstream.ts'
import { isIdempotent } from '../request/idempotence.ts'
import type { KnownRoute } from '../route-factory.ts'
import { UpstreamLease, type Lease } from './lease.ts'
import { beginLeased } from './leased-attempt.ts'
import { LeasedCall } from './leased-call.ts'

/** What the pick may depend on. */
export interface AcquireOptions {
  /** Of the request to come, for retries, probes and events [that of `request`, else `GET`]. */
  readonly method?: string | undefined
  /** Ends the wait for discovery, with its reason. */
  readonly signal?: AbortSignal | undefined
  /** Where a keyed balancer places the attempt [what its `keyOf` finds in `request`]. */
  readonly key?: string | undefined
  /** Whether the attempt may be repeated after the upstream may have acted on it [by the method]. */
  readonly idempotent?: boolean | undefined
  /** The request to come, if there is one: for a balancer's `keyOf`, and `retry.on`. */
  readonly request?: KeyedRequest | undefined
  /**
   * Whether the attempt can go to an endpoint, on this port [to all]: false for one to which the caller has no connection.
   * Asked for the endpoints that the pick comes to, until one is accepted, and it must not acquire. If it accepts none,
   * there is no endpoint for the call.
   */
  readonly accepts?: ((endpoint: Endpoint, port: number) => boolean) | undefined
  /**
   * Whether the caller connects to a port that it knows by itself: then it does not wait for discovery to learn one
   * [false].
   */
  readonly hasPort?: boolean | undefined
}

const KEYS = ['method', 'signal', 'key', 'idempotent', 'request', 'accepts', 'hasPort']
const NONE: readonly Upstream[] = []

/**
 * Picks an upstream as the first attempt of a call would get it: at once if the service is known, else as soon as it is.
 * @throws InvalidOptionsError, OverloadedError, NoEndpointsError or the signal's reason; the promise rejects with them
 */
export function acquire(route: KnownRoute, options: AcquireOptions): Lease | Promise<Lease> {
  const call = leasedCall(route, options)
  const { hasPort = false } = options
  const { inFlight, maxPending, budget, cluster, clock } = route
  call.signal?.throwIfAborted()
  inFlight.begin()
  try {
    if (inFlight.count > maxPending.perOrigin) throw tooManyCalls(route)
    call.now = clock.now()
    budget.deposit(call.now)
    return cluster.reconcileIfChanged(call.now, hasPort) ? pick(call) : new Wait(call, hasPort).lease
  } catch (error) {
    inFlight.end()
    throw error
  }
}

function pick(call: LeasedCall): Lease {
  const upstream = call.route.cluster.pick(call, NONE, false)
  if (upstream === undefined) throw noUpstream(call.route, NONE)
  return new UpstreamLease(beginLeased(call, upstream, NONE))
}

function leasedCall(route: KnownRoute, options: AcquireOptions): LeasedCall {
  if (!hasKnownKeys(options)) checkKeys('acquire', options, KEYS)
  const { signal, request, accepts, hasPort } = options
  if (signal !== undefined && typeof signal.throwIfAborted !== 'function')
    throw new InvalidOptionsError('acquire.signal', signal, 'an AbortSignal')
  if (request !== undefined && typeof request?.header !== 'function')
    checkMethods('acquire.request', request, ['header'], 'an object with method, path and header()')
  if (accepts !== undefined)
    checkFunction('acquire.accepts', accepts, 'a function (endpoint, port) => boolean')
  if (hasPort !== undefined) checkBoolean('acquire.hasPort', hasPort)
  const method = checkString('acquire.method', options.method ?? request?.method ?? 'GET', 'e.g. GET')
  const key = options.key === undefined ? undefined : checkString('acquire.key', options.key)
  const idempotent =
    options.idempotent === undefined
      ? isIdempotent(method)
      : checkBoolean('acquire.idempotent', options.idempotent)
  return new LeasedCall(route, {
    method,
    path: request?.path ?? '',
    idempotent,
    key: key ?? (request === undefined ? undefined : route.keyOf?.(request)),
    signal,
    accepts,
  })
}

/** Doors acquire a lease for each request. The whole check makes a list of the keys: 0.05 µs. */
function hasKnownKeys(options: AcquireOptions): boolean {
  if (options === null || Object.getPrototypeOf(options) !== Object.prototype) return false
  for (const key in options) if (!KEYS.includes(key)) return false
  return true
}

/** An attempt that waits for the first snapshot of its service. Keeps the process alive, as a call does. */
class Wait {
  readonly lease: Promise<Lease>
  /** The caller's, for `InFlight`. */
  readonly context = new AsyncResource('ONEHOP_LEASE')
  readonly #call: LeasedCall
  readonly #hasPort: boolean
  readonly #result: PromiseWithResolvers<Lease> = Promise.withResolvers()
  readonly #awake: Timer
  readonly #aborted = (): void => this.failed(this.#call.signal?.reason as Error)
  #isOver = false

  constructor(call: LeasedCall, hasPort: boolean) {
    const { inFlight, clock, cluster } = call.route
    this.#call = call
    this.#hasPort = hasPort
    this.lease = this.#result.promise
    this.#awake = keepAlive(clock)
    if (!inFlight.startsWaiting(this)) return
    call.signal?.addEventListener('abort', this.#aborted, { once: true })
    cluster.whenUsable(hasPort).then(
      () => this.#ready(),
      (error: Error) => this.failed(error),
    )
  }

  /** The client is destroyed, discovery refuses, or the caller has aborted. */
  failed(error: Error): void {
    if (!this.#end()) return
    this.#call.route.inFlight.end()
    this.#result.reject(error)
  }

  #ready(): void {
    if (this.#isOver) return
    const { cluster, clock } = this.#call.route
    try {
      this.#call.now = clock.now()
      cluster.reconcileIfChanged(this.#call.now, this.#hasPort)
      const acquired = pick(this.#call)
      this.#end()
      this.#result.resolve(acquired)
    } catch (error) {
      this.failed(error as Error)
    }
  }

  #end(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.#awake.cancel()
    this.#call.route.inFlight.stopsWaiting(this)
    this.#call.signal?.removeEventListener('abort', this.#aborted)
    return true
  }
}

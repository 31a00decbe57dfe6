import type { Dispatcher } from 'undici'
import type { KeyedRequest } from '../balancer/balancer.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Upstream } from '../cluster/upstream.ts'
import type { Clock, Random } from '../core/clock.ts'
import type { LoopLag } from '../core/loop-lag.ts'
import type { Classify } from './classify-response.ts'
import type { InFlight } from './in-flight.ts'
import type { HedgePolicy } from './hedge/hedge-policy.ts'
import type { RetryBudget } from './retry/budget.ts'
import type { RetryOptions } from './retry/policy.ts'
import type { Slots } from './connections/slots.ts'
import type { TimeLimit } from './call/time-limit.ts'

/** undici's pools, one for each upstream. */
export interface UpstreamDispatchers {
  /**
   * The pool of an upstream.
   * @param http1Only for requests that cannot use HTTP/2
   * @throws ClosedError after `close` or `destroy`
   */
  get(upstream: Upstream, http1Only: boolean): Dispatcher
  /** The same, with connections made after `since` only, on the clock. */
  fresh(upstream: Upstream, http1Only: boolean, since: number): Dispatcher
  /** The queue for the connections of a pool; undefined where each attempt gets its own. */
  slotsOf(pool: Dispatcher): Slots | undefined
  /** What attempts in the queue wait for, for error messages. */
  readonly shortage: string
  /** It did not answer a request in time that got its connection at `since`, on the clock. */
  fellSilent(upstream: Upstream, slots: Slots | undefined, since: number): void
  /** How long the connections to it that are being made may take, in ms: TCP alone, while none is further. */
  connectLimitMs(upstream: Upstream): number
  /** Whether a request body may throw while undici reads it. */
  bodyMayThrow(upstream: Upstream): boolean
  /** Whether connections may speak HTTP/2. */
  readonly mayBeHttp2: boolean
  /** Whether a connection to it speaks HTTP/2, which sends headers before the body is there. */
  speaksHttp2(upstream: Upstream): boolean
  /** Whether a connection to it was made at `since`, on the clock, or later. */
  hasConnectedSince(upstream: Upstream, since: number): boolean
}

/** How many calls may be in flight. */
export interface MaxPending {
  /** To one task. Beyond it, calls go to other tasks, then to the fallback. */
  readonly perTask: number
  /** To one origin (scheme, host and port), including calls that wait for discovery or a retry. */
  readonly perOrigin: number
}

/** The time limits of an attempt's two phases. Each has one timer for all attempts of a route. */
export interface AttemptLimits {
  /** To wait for a connection that others use. */
  readonly queue: TimeLimit
  /** From then to the response headers. */
  readonly attempt: TimeLimit
}

/** All that the calls to one origin share. */
export interface Route {
  /** The service's name, as errors and events show it. */
  readonly host: string
  readonly cluster: Cluster
  /** The key by which the balancer places a call; undefined: the balancer uses no key. */
  readonly keyOf: ((request: KeyedRequest) => string | undefined) | undefined
  readonly pools: UpstreamDispatchers
  /** undefined: no retries; the caller gets each failure unchanged. */
  readonly retry: RetryOptions | undefined
  readonly budget: RetryBudget
  /** How long a connection may take, in ms. */
  readonly connectMs: number
  /** How long its TCP connection may take, in ms. Not for the load balancer. */
  readonly tcpConnectMs: number
  /** How responses count; undefined: by their status. */
  readonly classify: Classify | undefined
  /** undefined: calls are not hedged. */
  readonly hedgePolicy: HedgePolicy | undefined
  /** The scheme's default port, for tasks without one; undefined: the URL or `port` sets it. */
  readonly assumedPort?: number | undefined
  /** How long an attempt may take. */
  readonly limits: AttemptLimits
  /** Whether a request may have to wait for a connection that others use. */
  readonly mayQueue: boolean
  /** Limit to all attempts and the response body, in ms; undefined: none. */
  readonly deadlineMs: number | undefined
  /** The header, in lower case, with the ms that a call has left; undefined: not sent. */
  readonly deadlineHeader: string | undefined
  readonly inFlight: InFlight
  /** Beyond these, calls are refused at once. Infinity: no limit. */
  readonly maxPending: MaxPending
  readonly clock: Clock
  /** The delay of this process's event loop; shared by all routes. */
  readonly lag: Pick<LoopLag, 'at'>
  readonly random: Random
}

import type { Dispatcher } from 'undici'
import type { KeyedRequest } from '../balancer/balancer.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Upstream } from '../cluster/upstream.ts'
import type { Clock, Random } from '../core/clock.ts'
import type { LoopLag } from '../core/loop-lag.ts'
import type { InFlight } from './in-flight.ts'
import type { HedgePolicy } from './hedge/hedge-policy.ts'
import type { RetryBudget } from './retry/budget.ts'
import type { RetryOptions } from './retry/policy.ts'
import type { Slots } from './connections/slots.ts'
import type { TimeLimit } from './call/time-limit.ts'

/** What attempts are made with: undici's pools, one for each upstream. */
export interface UpstreamDispatchers {
  /**
   * @param http1Only for callers that cannot speak HTTP/2
   * @throws ClosedError when nothing may be opened any more
   */
  get(upstream: Upstream, http1Only: boolean): Dispatcher
  /** The same, but with connections that were made after `since`, on the clock. */
  fresh(upstream: Upstream, http1Only: boolean, since: number): Dispatcher
  /** Where attempts wait for the connections of a pool; undefined where each gets one of its own. */
  slotsOf(pool: Dispatcher): Slots | undefined
  /** What there is too little of where attempts wait, for people. */
  readonly shortage: string
  /**
   * A request is given up that cannot be taken off its connection (HTTP/2): no others are sent over it.
   * @param slots those of the pool that it is on
   */
  retire(upstream: Upstream, slots: Slots): void
  /** It did not answer a request in time that had its connection at `since`, on the clock. */
  fellSilent(upstream: Upstream, slots: Slots | undefined, since: number): void
  /** Whether a request body may throw while undici reads it. */
  bodyMayThrow(upstream: Upstream): boolean
  /** Whether its connections may come to speak HTTP/2. */
  readonly mayBeHttp2: boolean
  /** Whether its connections turned out to speak HTTP/2, which sends headers before the body is there. */
  speaksHttp2(upstream: Upstream): boolean
  /** Whether a connection to it was made at `since`, on the clock, or later. */
  hasConnectedSince(upstream: Upstream, since: number): boolean
}

/** How many calls may be under way. */
export interface MaxPending {
  /** To one task: others take what exceeds it, then the fallback. */
  readonly perTask: number
  /** To one origin (scheme, host and port) in all, those that wait for discovery or a retry among them. */
  readonly perOrigin: number
}

/** Two phases of an attempt; one timer each for all attempts of a route. */
export interface AttemptLimits {
  /** Until it has a connection, where it may have to wait for one. */
  readonly queue: TimeLimit
  /** From then on to its response headers. */
  readonly attempt: TimeLimit
}

/** All that a call to one origin needs: found once by the origin, and shared by its calls. */
export interface Route {
  /** The service's name, as it stands in errors and events. */
  readonly host: string
  readonly cluster: Cluster
  /** Tells the key by which the balancer places a call; undefined: it places calls without one. */
  readonly keyOf: ((request: KeyedRequest) => string | undefined) | undefined
  readonly pools: UpstreamDispatchers
  /** undefined: failures are handed on as they are, untouched. */
  readonly retry: RetryOptions | undefined
  readonly budget: RetryBudget
  /** To a connection. */
  readonly connectMs: number
  /** undefined: calls have no second attempt beside a late one. */
  readonly hedging: HedgePolicy | undefined
  /** The scheme's default, for tasks whose port nothing else names; undefined: the URL or `port` names it. */
  readonly assumedPort?: number | undefined
  /** What attempts may take. */
  readonly limits: AttemptLimits
  /** Whether a request may have to wait for a connection that others use. */
  readonly mayQueue: boolean
  /** Over all attempts and the response body; undefined: none. */
  readonly deadlineMs: number | undefined
  /** In lower case: tells tasks how many ms a call has left; undefined: they are not told. */
  readonly deadlineHeader: string | undefined
  readonly calls: InFlight
  /** Beyond these, calls are refused at once; Infinity: never. */
  readonly maxPending: MaxPending
  readonly clock: Clock
  /** By how much this process is late; one for all routes. */
  readonly lag: Pick<LoopLag, 'at'>
  readonly random: Random
}

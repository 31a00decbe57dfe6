import type { Dispatcher } from 'undici'
import type { Cluster } from '../cluster/cluster.ts'
import type { Upstream } from '../cluster/upstream.ts'
import type { Clock, Random } from '../core/clock.ts'
import type { LoopLag } from '../core/loop-lag.ts'
import type { CallsUnderWay } from './calls.ts'
import type { Hedging } from './hedging.ts'
import type { KeyedRequest } from './keyed-request.ts'
import type { RetryBudget } from './retry-budget.ts'
import type { RetryOptions } from './retry-policy.ts'

/** What attempts are made with: undici's pools, one for each upstream. */
export interface UpstreamDispatchers {
  /**
   * @param http1Only for callers that cannot speak HTTP/2
   * @throws ClosedError when nothing may be opened any more
   */
  get(upstream: Upstream, http1Only: boolean): Dispatcher
  /** The same, but with connections that were made after `since`, on the clock. */
  fresh(upstream: Upstream, http1Only: boolean, since: number): Dispatcher
  /** Whether its connections turned out to speak HTTP/2, which sends headers before the body is there. */
  speaksHttp2(upstream: Upstream): boolean
}

/** How many calls may be under way. */
export interface MaxPending {
  /** To one task: others take what exceeds it, then the fallback. */
  readonly perTask: number
  /** To one origin (scheme, host and port) in all, those that wait for discovery or a retry among them. */
  readonly perOrigin: number
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
  readonly hedging: Hedging | undefined
  /** From the start of an attempt to its response headers. */
  readonly attemptMs: number
  /** The scheme's default, for tasks whose port nothing else names; undefined: the URL or `port` names it. */
  readonly assumedPort?: number | undefined
  /** Whether a request may wait for a connection that others use, where undici's own timeout does not run. */
  readonly mayQueue: boolean
  /** Over all attempts and the response body; undefined: none. */
  readonly deadlineMs: number | undefined
  /** In lower case: tells tasks how many ms a call has left; undefined: they are not told. */
  readonly deadlineHeader: string | undefined
  readonly calls: CallsUnderWay
  /** Beyond these, calls are refused at once; Infinity: never. */
  readonly maxPending: MaxPending
  readonly clock: Clock
  /** By how much this process is late; one for all routes. */
  readonly lag: Pick<LoopLag, 'at'>
  readonly random: Random
}

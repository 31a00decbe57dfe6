import type { Dispatcher } from 'undici'
import { Cluster } from '../src/cluster/cluster.ts'
import type { TaskLocation } from '../src/cluster/locality/locality.ts'
import { DEFAULT_OUTLIER } from '../src/cluster/health/outlier.ts'
import type { Upstream } from '../src/cluster/upstream.ts'
import type { Random } from '../src/core/clock.ts'
import type { View } from '../src/discovery/view/view.ts'
import { Call } from '../src/dispatch/call/call.ts'
import { InFlight } from '../src/dispatch/in-flight.ts'
import { HedgePolicy } from '../src/dispatch/hedge/hedge-policy.ts'
import { TimeLimit } from '../src/dispatch/call/time-limit.ts'
import { RetryBudget } from '../src/dispatch/retry/budget.ts'
import type { Route, UpstreamDispatchers } from '../src/dispatch/route.ts'
import { DEFAULT_HEDGE, DEFAULT_RETRY } from '../src/config/defaults.ts'
import { LOAD_BALANCER } from './load-balancer.ts'
import type { Policy } from './policies.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface ClientPlan {
  readonly policy: Policy
  readonly retries: boolean
  /** The caller aborts after this; undefined: never. */
  readonly timeoutMs: number | undefined
  readonly fallback: boolean
  /** A second attempt beside a slow one. */
  readonly hedging: boolean
  /** How many of the tasks each client calls; undefined: all. */
  readonly subset: number | undefined
  /** Calls with POST, which are repeated only if nothing was sent. */
  readonly method: 'GET' | 'POST'
}

/** Called once, when the call is over. `status` 0: no response, or none in time. */
export type OnEnd = (status: number) => void

const OPTIONS = {
  GET: { origin: 'http://orders.shop.local', path: '/', method: 'GET' },
  POST: { origin: 'http://orders.shop.local', path: '/', method: 'POST' },
} as const
const HOST = 'orders.shop.local'
const UNLIMITED = { perTask: Number.POSITIVE_INFINITY, perOrigin: Number.POSITIVE_INFINITY }

/** One process that calls a service: the real cluster, calls and budget, over simulated connections. */
export class SimulatedClient {
  readonly cluster: Cluster
  readonly #route: Route
  readonly #options: Dispatcher.DispatchOptions

  constructor(
    id: string,
    plan: ClientPlan,
    view: View,
    pools: UpstreamDispatchers,
    location: TaskLocation | undefined,
    peers: View | undefined,
    time: VirtualTime,
    random: Random,
  ) {
    const { policy, retries, hedging, timeoutMs, fallback, subset, method } = plan
    this.#options = OPTIONS[method]
    this.cluster = new Cluster(view, {
      host: HOST,
      portOf: ({ port }) => port ?? 80,
      fallback: fallback ? LOAD_BALANCER : undefined,
      balancer: policy.balancer(random),
      outlier: policy.health ? DEFAULT_OUTLIER : undefined,
      slowStartMs: policy.health ? 10_000 : 0,
      maxPending: UNLIMITED.perTask,
      subset: subset === undefined ? undefined : { size: subset, clientId: id },
      callerLocality: location === undefined || !policy.zones ? undefined : { source: { location }, peers },
      clock: time,
      random,
      onDeparted: (_upstream: Upstream) => undefined,
    })
    this.#route = {
      host: HOST,
      cluster: this.cluster,
      keyOf: undefined,
      pools,
      retry: retries ? DEFAULT_RETRY : undefined,
      budget: new RetryBudget(DEFAULT_RETRY.budget, time.now()),
      classify: undefined,
      hedgePolicy: hedging ? new HedgePolicy(DEFAULT_HEDGE, time.now()) : undefined,
      deadlineHeader: undefined,
      connectMs: 1_000,
      tcpConnectMs: 300,
      limits: { queue: new TimeLimit(time, 15_000), attempt: new TimeLimit(time, 15_000) },
      mayQueue: false,
      deadlineMs: timeoutMs,
      inFlight: new InFlight(),
      maxPending: UNLIMITED,
      clock: time,
      lag: { at: () => 0 },
      random,
    }
  }

  call(onEnd: OnEnd): void {
    new Call(this.#route, this.#options, new Caller(onEnd), false).start()
  }
}

class Caller implements Dispatcher.DispatchHandler {
  readonly #onEnd: OnEnd
  #status = 0

  constructor(onEnd: OnEnd) {
    this.#onEnd = onEnd
  }

  onRequestStart(): void {}

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.#status = status
  }

  onResponseData(): void {}

  onResponseEnd(): void {
    this.#onEnd(this.#status)
  }

  onResponseError(): void {
    this.#onEnd(0)
  }
}

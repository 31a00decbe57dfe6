import type { Dispatcher, Pool } from 'undici'
import type { Balancer } from '../balancer/balancer.ts'
import type { OutlierOptions } from '../cluster/health/outlier.ts'
import type { Optional } from '../core/check/check.ts'
import type { Clock, Random } from '../core/clock.ts'
import type { CloudMapOptions, CloudMapSettings } from '../discovery/cloud-map/options.ts'
import type { DnsOptions } from '../discovery/dns/options.ts'
import type { Resolver } from '../discovery/resolver.ts'
import type { Classify } from '../dispatch/classify-response.ts'
import type { HedgeBudgetOptions, HedgeOptions } from '../dispatch/hedge/hedge-policy.ts'
import type { Interceptor } from '../dispatch/intercepted-dispatcher.ts'
import type { RetryBudgetOptions } from '../dispatch/retry/budget.ts'
import type { RetryOptions } from '../dispatch/retry/policy.ts'
import type { MaxPending } from '../dispatch/route.ts'
import type { RouterSettings } from '../dispatch/settings.ts'

/** Options of `createClient`. Options beside `services` are defaults for every service. */
export interface ClientOptions extends ServiceOptions {
  /**
   * Cloud Map namespaces: hosts under these are discovered, every other host passes straight through. Hosts are
   * the same in any case; the API is asked for the names as they are written here and in `services`.
   */
  readonly namespaces?: readonly string[] | undefined
  /** Options of single services by host name. A name in no namespace is found by DNS. */
  readonly services?: Readonly<Record<string, ServiceOptions | undefined>> | undefined
  /** Where endpoints come from ['auto': the Cloud Map API with credentials and a region, DNS without]. */
  readonly discovery?: 'auto' | 'dns' | 'api' | Resolver | undefined
  /** DNS servers, timeouts and record types, for discovery by DNS. */
  readonly dns?: DnsOptions | undefined
  /** Region, credentials and polling, for discovery by the Cloud Map API. */
  readonly cloudMap?: CloudMapOptions | undefined
  /** Connect to loopback addresses that discovery names [false]: for tests. */
  readonly allowLoopback?: boolean | undefined
  /** Connect to no address outside these CIDRs, e.g. `['10.0.0.0/16']` [all but the refused ones]. */
  readonly allowAddresses?: readonly string[] | undefined
  /**
   * Takes the requests of hosts that are not discovered [the dispatcher that was global when the client was made]. It is
   * not closed with the client.
   */
  readonly passthrough?: Dispatcher | undefined
  /**
   * Interceptors of undici around each call of `fetch`, `request` and `dispatcher`, those to other hosts too [none]. The last
   * one is the outermost, as in undici's `compose`. Retries and hedges of this client are beneath them.
   */
  readonly interceptors?: readonly Dispatcher.DispatcherComposeInterceptor[] | undefined
  /** Time, for tests [the system's]. */
  readonly clock?: Clock | undefined
  /** Randomness, for tests [the system's]. */
  readonly random?: Random | undefined
}

/** Options of one service. */
export interface ServiceOptions {
  /** ALB or NLB that takes what the tasks cannot [none]. */
  readonly fallback?: string | URL | FallbackOptions | undefined
  /** Port of the tasks, where the URL names none [the instance's, else the scheme's: 80 or 443]. */
  readonly port?: number | undefined
  /** [`p2c()`] */
  readonly balancer?: Balancer | undefined
  /** `false`: one attempt, and failures are returned as undici reports them. */
  readonly retry?: RetryInput | false | undefined
  /** A second attempt on another task if the first is slow, for calls that may be sent again [false]. */
  readonly hedge?: HedgeInput | boolean | undefined
  /** How a response counts for health and retries, where its status does not say it. `false`: by its status [false]. */
  readonly classify?: Classify | false | undefined
  /** Time limits of a call and of its attempts, in ms. */
  readonly timeouts?: Timeouts | undefined
  /** Name of a request header that says how many ms a call has left; read it by `deadlineOf` [none]. */
  readonly deadlineHeader?: string | false | undefined
  /** When a task that answers, but fails, is ejected. `false`: only refused connections eject a task. */
  readonly outlier?: Optional<OutlierOptions> | false | undefined
  /** Until a task that joins, or is readmitted, has its whole share, in ms [10,000]. 0: at once. */
  readonly slowStartMs?: number | undefined
  /** For hundreds of tasks: this client calls `size` of them, the same ones while they exist [all]. */
  readonly subset?: { readonly size: number; readonly clientId?: string | undefined } | false | undefined
  /** Calls stay in the caller's zone while its tasks can take them [if the zone is known]. `false`: all zones alike. */
  readonly zone?: ZoneOptions | false | undefined
  /** Bulkheads: calls in flight, above which more are refused with `ONEHOP_OVERLOADED` [any number]. */
  readonly maxPending?: Optional<MaxPending> | undefined
  /** undici's options for the connections to each task: `connections`, `allowH2` [false], `connect` (TLS), ... */
  readonly pool?: Pool.Options | undefined
}

/** A load balancer with options of its own. A plain URL is the same as `{ url }`. */
export interface FallbackOptions {
  /** Scheme, host and port; a path is refused. */
  readonly url: string | URL
  /**
   * What `Host` and the TLS server name say: the load balancer's own name [`'own'`], or the service's
   * (`'preserve'`) for balancers that route by it.
   */
  readonly host?: 'own' | 'preserve' | undefined
  /**
   * undici's options for its connections; others are those of the service's `pool`. An option here replaces that of
   * `pool` as a whole: with `connect: {}`, Node's own CAs verify the load balancer while `pool.connect.ca` verifies the tasks.
   */
  readonly pool?: Pool.Options | undefined
}

/** In ms, at least 1. */
export interface Timeouts {
  /** To a connection, TLS included [1,000]. */
  readonly connectMs?: number | undefined
  /**
   * To the TCP connection alone [300; `connectMs` where that is set]. The address of a task that is gone does not answer, and
   * TCP asks a second time after 1 s (RFC 6298). Not for the load balancer, whose name is looked up within this time.
   */
  readonly tcpConnectMs?: number | undefined
  /** To a free connection where `pool.connections` limits them, or to a free HTTP/2 stream [15,000]. */
  readonly queueMs?: number | undefined
  /** From when an attempt has its connection to its response headers [15,000]. */
  readonly attemptMs?: number | undefined
  /** Over all attempts and the response body [none]. */
  readonly deadlineMs?: number | undefined
}

/** Where this process runs. Each field replaces what the task metadata reports. */
export interface ZoneOptions {
  /** The caller's zone, as Cloud Map's `AVAILABILITY_ZONE` has it: `eu-west-1b` [the task metadata's]. */
  readonly own?: string | undefined
  /** CIDRs of the caller's zone, for endpoints whose zone discovery does not report (DNS) [the task's]. */
  readonly subnets?: readonly string[] | undefined
  /** Host name of the caller's own service. The zones of its tasks are those of all callers [as many in each zone]. */
  readonly peers?: string | undefined
}

/** {@link RetryOptions}, each optional. */
export type RetryInput = Optional<Omit<RetryOptions, 'budget'>> & {
  readonly budget?: Optional<RetryBudgetOptions> | undefined
}

/** {@link HedgeOptions}, each optional. */
export type HedgeInput = Optional<Omit<HedgeOptions, 'budget'>> & {
  readonly budget?: Optional<HedgeBudgetOptions> | undefined
}

/** Options of a client, resolved from {@link ClientOptions}: complete, validated, read-only. */
export interface ClientSettings extends RouterSettings {
  readonly discovery: 'auto' | 'dns' | 'api' | Resolver
  readonly dns: DnsOptions
  readonly cloudMap: CloudMapSettings
  /** The AWS SDK is loaded with the first lookup, and not with the client. */
  readonly loadsLate: boolean
  readonly allowLoopback: boolean
  readonly allowAddresses: readonly string[] | undefined
  /** undefined: the dispatcher that is global when the client is made. */
  readonly passthrough: Dispatcher | undefined
  /** Empty: none. */
  readonly interceptors: readonly Interceptor[]
}

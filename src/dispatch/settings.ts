import type { ServiceName } from '../discovery/service-name.ts'
import type { Pool } from 'undici'
import type { Balancer } from '../balancer/balancer.ts'
import type { OutlierOptions } from '../cluster/health/outlier.ts'
import type { TaskLocation } from '../cluster/locality/locality.ts'
import type { SubsetOptions } from '../cluster/subset.ts'
import type { Clock, Random } from '../core/clock.ts'
import type { HedgeOptions } from './hedge/hedge-policy.ts'
import type { RetryBudgetOptions } from './retry/budget.ts'
import type { Route } from './route.ts'

/** What routes take as it is. */
type OfRoute = Pick<
  Route,
  'retry' | 'classify' | 'connectMs' | 'tcpConnectMs' | 'deadlineMs' | 'deadlineHeader' | 'maxPending'
>

/** Options of a service, resolved from what the user wrote (config/): complete, validated, read-only. */
export interface ServiceSettings extends OfRoute {
  readonly fallback: FallbackSettings | undefined
  readonly port: number | undefined
  readonly balancer: Balancer
  /** Used by hedges also if retries are off. */
  readonly budget: RetryBudgetOptions
  readonly hedge: HedgeOptions | undefined
  readonly queueMs: number
  readonly attemptMs: number
  readonly outlier: OutlierOptions | undefined
  readonly slowStartMs: number
  /** Distinguishes this client from others; random unless set. */
  readonly clientId: string
  readonly subset: SubsetOptions | undefined
  /** undefined: zones do not matter. */
  readonly zone: ZoneSettings | undefined
  readonly pool: Pool.Options
}

export interface FallbackSettings {
  readonly url: URL
  readonly preserveHost: boolean
  /** Each option replaces that of the service. */
  readonly pool: Pool.Options
}

/** Where the caller runs, as configured; undefined fields come from the task metadata. */
export interface ZoneSettings {
  /** The caller's zone. */
  readonly own: string | undefined
  readonly subnets: TaskLocation['subnets'] | undefined
  /** Canonical host. */
  readonly peers: string | undefined
}

/** What the router needs of the client's options. */
export interface RouterSettings {
  /** As the user wrote them. */
  readonly namespaces: readonly string[]
  /** For tests (core/stand-in.ts). */
  readonly discoversEveryHost: boolean
  readonly defaults: ServiceSettings
  /** By canonical host. */
  readonly services: ReadonlyMap<string, ServiceSettings>
  /** By canonical host: what the user wrote. */
  readonly spellings: ReadonlyMap<string, string>
  readonly clock: Clock
  readonly random: Random
}

/** The settings that hold for a service. */
export function settingsFor(
  { host }: Pick<ServiceName, 'host'>,
  { services, defaults }: Pick<RouterSettings, 'services' | 'defaults'>,
): ServiceSettings {
  return services.get(host) ?? defaults
}

import type { Optional } from '../core/check/check.ts'
import type { ServiceName } from './service-name.ts'

/** One place where a service can be called. Plain data, never changed after it is made. */
export interface Endpoint {
  /** An IPv4 or IPv6 literal (no brackets); for tier 1 also a host name. */
  readonly address: string
  /** The port that discovery knows (SRV, `AWS_INSTANCE_PORT`), undefined where it knows none. */
  readonly port: number | undefined
  /** 0: a task. 1: the load balancer, used when tier 0 cannot take a call. */
  readonly tier: 0 | 1
  /** Availability zone, e.g. `eu-west-1b`. */
  readonly zone: string | undefined
  /** Share of traffic relative to its peers, > 0, up to 1e9. */
  readonly weight: number
  /** Cloud Map instance id, which is the task id for services that ECS registers. */
  readonly id: string | undefined
  /**
   * All that Cloud Map's instance says of itself: `REGION`, `ECS_CLUSTER_NAME`, `ECS_SERVICE_NAME`,
   * `ECS_TASK_DEFINITION_FAMILY`, and attributes of one's own. undefined where discovery reports none (DNS).
   */
  readonly attributes: Readonly<Record<string, string>> | undefined
  /** The origin by which this endpoint is called (scheme, `Host`, TLS name); undefined: by the caller's. */
  readonly origin: string | undefined
}

/** Larger weights are refused: their sums must stay finite. */
export const MAX_WEIGHT = 1e9

/** A task's endpoint; what is not given is unknown (`weight`: 1). */
export function taskEndpoint(
  address: string,
  known: Optional<Omit<Endpoint, 'address' | 'tier' | 'origin'>> = {},
): Endpoint {
  return {
    address,
    port: known.port,
    tier: 0,
    zone: known.zone,
    weight: known.weight ?? 1,
    id: known.id,
    attributes: known.attributes,
    origin: undefined,
  }
}

/**
 * Everything that discovery knows of one service at one moment: always the whole set, never a difference.
 * Immutable; a new object means a change, so `snapshot !== previous` is the test for one.
 */
export interface Snapshot {
  /** The name that was looked up. */
  readonly service: ServiceName
  /** All of them; empty when the source says that there are none. */
  readonly endpoints: readonly Endpoint[]
  /** false: a sample of a larger set, as a DNS answer with 8 records is. */
  readonly complete: boolean
  /** When it stops being fresh, in ms on the injected clock. */
  readonly expiresAt: number
  /** When another lookup will know more, although this one is still fresh; on the clock [`expiresAt`]. */
  readonly refreshAt?: number | undefined
  /**
   * Some endpoints have no port, and a source that may know it has not answered yet. Calls without a port of their own look
   * the service up again, with the reason `ports` [false].
   */
  readonly awaitsPorts?: boolean | undefined
  /** Addresses that the source knows, and that must not be called, e.g. of Cloud Map's instances with `WEIGHT` 0 [none]. */
  readonly excluded?: readonly string[] | undefined
  /** Who said so, for people: `dns`, `cloud-map`, `static`. */
  readonly source: string
  /** Cloud Map's `InstancesRevision`, where there is one. */
  readonly revision: number | undefined
  /** What people should know of it, e.g. why it comes from DNS and not from the API; for `inspect()`. */
  readonly warning?: string | undefined
}

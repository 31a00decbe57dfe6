/** What a Cloud Map account holds. Plain data; `Registry` is the only one that changes it. */

export type NamespaceType = 'HTTP' | 'DNS_PRIVATE'
/** DNS records that a service can have. */
export type RecordType = 'A' | 'AAAA' | 'SRV' | 'CNAME'
/** `MULTIVALUE`: up to 8 healthy instances in an answer. `WEIGHTED`: one. */
export type RoutingPolicy = 'MULTIVALUE' | 'WEIGHTED'
/** UNKNOWN: of instances in a service without a health check. */
export type HealthStatus = 'HEALTHY' | 'UNHEALTHY' | 'UNKNOWN'
/** Health that is set from outside the task. */
export type CustomHealthStatus = 'HEALTHY' | 'UNHEALTHY'

export interface Namespace {
  readonly id: string
  readonly arn: string
  readonly name: string
  readonly type: NamespaceType
  /** How long a resolver may remember that a name is not there, in seconds. */
  readonly soaTtlSeconds: number
}

export interface DnsRecordConfig {
  readonly type: RecordType
  readonly ttlSeconds: number
}

export interface Service {
  readonly id: string
  readonly arn: string
  readonly name: string
  readonly namespace: Namespace
  /** Empty for a service that is discovered by the API alone. */
  readonly records: readonly DnsRecordConfig[]
  readonly routing: RoutingPolicy
  readonly customHealth: boolean
  readonly instances: ReadonlyMap<string, Instance>
  /** Grows with every registration and deregistration; health changes leave it as it is. */
  readonly revision: number
}

export interface Instance {
  readonly id: string
  readonly attributes: Readonly<Record<string, string>>
  readonly health: HealthStatus
  readonly creatorRequestId: string | undefined
}

export type OperationType =
  | 'CREATE_NAMESPACE'
  | 'DELETE_NAMESPACE'
  | 'REGISTER_INSTANCE'
  | 'DEREGISTER_INSTANCE'
export type OperationStatus = 'SUBMITTED' | 'PENDING' | 'SUCCESS' | 'FAIL'

export interface Operation {
  readonly id: string
  readonly type: OperationType
  readonly status: OperationStatus
  /** What it works on: ids by kind (`NAMESPACE`, `SERVICE`, `INSTANCE`). */
  readonly targets: Readonly<Record<string, string>>
  /** Set once it has failed. */
  readonly error: { readonly code: string; readonly message: string } | undefined
}

/** What Cloud Map gives the hosted zone of a namespace today; older ones have 900. */
export const DEFAULT_SOA_TTL_SECONDS = 15

import type { Clock, Random } from '../../core/clock.ts'
import type { CloudMapFaults } from './cloud-map/faults.ts'
import type { DnsFaults } from './dns/faults.ts'
import type { LocalMetadata } from './metadata/local-metadata.ts'
import type { CustomHealthStatus, HealthStatus, RecordType, RoutingPolicy } from './model.ts'
import type { EcsServiceOptions, LocalEcsService } from './ecs/ecs-service.ts'
import type { LocalTask } from './ecs/task.ts'

/** Options of `startLocalAws`. Defaults in brackets. */
export interface LocalAwsOptions {
  /** [`eu-west-1`] */
  readonly region?: string | undefined
  /** Owner of everything [`111122223333`]. */
  readonly accountId?: string | undefined
  /** Time from SUBMITTED to PENDING, and from there to SUCCESS, in ms [10]. */
  readonly operationStepMs?: number | undefined
  /** For operations and delays [the system's]. */
  readonly clock?: Clock | undefined
  /** For ids and the order of answers [the system's]. */
  readonly random?: Random | undefined
  /** What differs in the task that the metadata server speaks of. */
  readonly task?: Partial<LocalTask> | undefined
  /** How long the metadata server refuses connections after the start, in ms [0]. */
  readonly metadataRefuseMs?: number | undefined
}

/** Directly usable as the `cloudMap` option of `createClient`, and as the AWS SDK's (with `disableHostPrefix`). */
export interface LocalCloudMap {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string
  /** AWS region, e.g. `eu-west-1`. */
  readonly region: string
  /** Any others will do as well: signatures are not checked. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
  /** How often each operation was asked for, by its name; retries and faulty answers included. */
  readonly calls: Readonly<Record<string, number>>
  /** Makes the API fail or answer late. */
  readonly faults: CloudMapFaults
}

/** Which queries to count. A field that is missing matches all. */
export interface QueryFilter {
  /** Name in the question, in any case. */
  readonly name?: string
  /** `A`, `AAAA`, `SRV`, … */
  readonly type?: string
  /** How the query came. */
  readonly transport?: 'udp' | 'tcp'
}

/** A DNS server that answers from the registry of the local Cloud Map. */
export interface LocalDns {
  /** `127.0.0.1:PORT`, for UDP and TCP. */
  readonly server: string
  /** All queries so far, whatever the answer was. */
  readonly queries: number
  /** Queries so far that match; names in any case. */
  countQueries(filter?: QueryFilter): number
  /** Makes DNS fail or answer late. */
  readonly faults: DnsFaults
}

/**
 * What AWS gives to a task, on 127.0.0.1: Cloud Map's API and DNS, over one and the same registry, and the
 * metadata of the task itself.
 */
export interface LocalAws extends AsyncDisposable {
  /** AWS region, e.g. `eu-west-1`. */
  readonly region: string
  /** The Cloud Map API. */
  readonly cloudMap: LocalCloudMap
  /** The DNS server. */
  readonly dns: LocalDns
  /**
   * For other processes, beside their own environment: where the Cloud Map API and DNS are, region and credentials, as
   * the AWS SDK, `onehop/auto` and the command `onehop` read them. That of a task is `metadata.env`.
   */
  readonly env: Readonly<Record<string, string>>
  /** The task metadata server. */
  readonly metadata: LocalMetadata

  /**
   * Adds a namespace, e.g. `shop.local`.
   * @throws AwsError `NamespaceAlreadyExists`
   */
  addNamespace(name: string, options?: LocalNamespaceOptions): { readonly id: string; readonly arn: string }
  /**
   * Adds `orders.shop.local` to the namespace that it lies in. Without any, the namespace `shop.local` is made.
   * @throws AwsError `ServiceAlreadyExists`, `InvalidInput`
   */
  addService(host: string, options?: LocalServiceOptions): LocalService
  /**
   * Deletes a service at once, with its instances. `addService(host, { id })` makes it again.
   * @throws AwsError `ServiceNotFound`
   */
  deleteService(host: string): void
  /**
   * Adds an instance, or replaces the one with that id. Shows at once, in the API and in DNS.
   * @throws AwsError `ServiceNotFound`, `InvalidInput`, `ResourceLimitExceeded`
   */
  register(host: string, instanceId: string, instance: LocalInstance): void
  /**
   * What is registered in a service, in the order of registration.
   * @throws AwsError `ServiceNotFound`
   */
  instances(host: string): readonly LocalRegistration[]
  /**
   * Removes an instance, at once.
   * @throws AwsError `ServiceNotFound`, `InstanceNotFound`
   */
  deregister(host: string, instanceId: string): void
  /**
   * Sets the custom health of an instance, at once.
   * @throws AwsError `ServiceNotFound`, `InstanceNotFound`, `CustomHealthNotFound`
   */
  setHealth(host: string, instanceId: string, status: CustomHealthStatus): void
  /**
   * Makes DNS answer for a name that is in no Cloud Map namespace. All records are in every answer, in random
   * order. Called again, it replaces those of the same type; without addresses, it takes them away.
   * @throws AwsError `InvalidInput`
   */
  addRecords(name: string, records: LocalRecords): void
  /**
   * Starts the tasks of an ECS service, each in a process of its own, and resolves when they are ready.
   * @throws Error if a task ends before it is ready; it has the task's output
   */
  startEcsService(options: EcsServiceOptions): Promise<LocalEcsService>
  /** Ends all servers, connections and timers, whatever still waits for an answer. */
  close(): Promise<void>
}

/** DNS records of one name and type. */
export interface LocalRecords {
  /** [`A`] */
  readonly type?: 'A' | 'AAAA' | 'CNAME' | undefined
  /** IP addresses; for a CNAME the one name. */
  readonly addresses: readonly string[]
  /** [60] */
  readonly ttlSeconds?: number | undefined
}

/** Options of `addNamespace`. Defaults in brackets. */
export interface LocalNamespaceOptions {
  /** `private-dns`: answered by DNS and by the API; `http`: by the API alone [`private-dns`]. */
  readonly type?: 'private-dns' | 'http' | undefined
  /** How long resolvers may remember that a name is not there, in seconds [15]. */
  readonly soaTtlSeconds?: number | undefined
}

/** Options of `addService`. Defaults in brackets. */
export interface LocalServiceOptions {
  /** Of its DNS records [10]. */
  readonly ttlSeconds?: number | undefined
  /** Its DNS records [`['A']`; none in an `http` namespace]. */
  readonly records?: readonly RecordType[] | undefined
  /** MULTIVALUE: up to 8 healthy instances in a DNS answer; WEIGHTED: one [`MULTIVALUE`; CNAME: `WEIGHTED`]. */
  readonly routing?: RoutingPolicy | undefined
  /** Whether health is set from outside; without it all instances count as healthy [true; CNAME: false]. */
  readonly customHealth?: boolean | undefined
  /** Its id, for one that is deleted and made again [a new one]. */
  readonly id?: string | undefined
}

/** One instance of a service: at least one address, or the target of a CNAME among the attributes. */
export interface LocalInstance {
  /** `AWS_INSTANCE_IPV4` [none]. */
  readonly ipv4?: string | undefined
  /** `AWS_INSTANCE_IPV6` [none]. */
  readonly ipv6?: string | undefined
  /** `AWS_INSTANCE_PORT` [none]. */
  readonly port?: number | undefined
  /** Availability zone, e.g. `eu-west-1b`; the region goes with it, as ECS does it. */
  readonly zone?: string | undefined
  /** At first [`HEALTHY`]. */
  readonly health?: CustomHealthStatus | undefined
  /** Further attributes, under the names that Cloud Map has for them. */
  readonly attributes?: Readonly<Record<string, string>> | undefined
}

/** One instance as the registry has it. */
export interface LocalRegistration {
  /** InstanceId. */
  readonly id: string
  /** All of its attributes. */
  readonly attributes: Readonly<Record<string, string>>
  /** `UNKNOWN` in a service without custom health. */
  readonly health: HealthStatus
}

/** What RegisterInstance and the like ask for. */
export interface LocalService {
  /** Id of the service, e.g. `srv-...`. */
  readonly id: string
  /** ARN of the service. */
  readonly arn: string
  /** Id of its namespace, e.g. `ns-...`. */
  readonly namespaceId: string
}

import { checkKeys } from '../../core/check/check.ts'
import { canonicalHost, parseServiceName } from '../../discovery/service-name.ts'
import { AwsError } from './cloud-map/aws-error.ts'
import {
  DEFAULT_SOA_TTL_SECONDS,
  type CustomHealthStatus,
  type HealthStatus,
  type Namespace,
  type RecordType,
  type RoutingPolicy,
  type Service,
} from './model.ts'
import type { Registry } from './registry.ts'

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

/** Changes the registry by host names (`orders.shop.local`), and at once: no operations to wait for. */
export class Account {
  readonly #registry: Registry

  constructor(registry: Registry) {
    this.#registry = registry
  }

  addNamespace(name: string, options: LocalNamespaceOptions = {}): Namespace {
    checkKeys('addNamespace', options, ['type', 'soaTtlSeconds'])
    const { type = 'private-dns', soaTtlSeconds = DEFAULT_SOA_TTL_SECONDS } = options
    return this.#registry.addNamespace(
      canonicalHost(name),
      type === 'http' ? 'HTTP' : 'DNS_PRIVATE',
      soaTtlSeconds,
    )
  }

  addService(host: string, options: LocalServiceOptions = {}): LocalService {
    checkKeys('addService', options, ['ttlSeconds', 'records', 'routing', 'customHealth', 'id'])
    const { service: name, namespace } = this.#namespaceOf(host)
    const { ttlSeconds = 10, records = namespace.type === 'HTTP' ? [] : ['A'] } = options
    const cname = records.includes('CNAME')
    const { id, arn } = this.#registry.addService({
      name,
      namespace,
      records: records.map((type) => ({ type, ttlSeconds })),
      routing: options.routing ?? (cname ? 'WEIGHTED' : 'MULTIVALUE'),
      customHealth: options.customHealth ?? !cname,
      id: options.id,
    })
    return { id, arn, namespaceId: namespace.id }
  }

  deleteService(host: string): void {
    this.#registry.deleteService(this.#service(host).id, true)
  }

  register(host: string, instanceId: string, instance: LocalInstance): void {
    checkKeys('register', instance, ['ipv4', 'ipv6', 'port', 'zone', 'health', 'attributes'])
    const { ipv4, ipv6, port, zone, health, attributes } = instance
    this.#registry.register(this.#service(host), instanceId, {
      ...(ipv4 !== undefined && { AWS_INSTANCE_IPV4: ipv4 }),
      ...(ipv6 !== undefined && { AWS_INSTANCE_IPV6: ipv6 }),
      ...(port !== undefined && { AWS_INSTANCE_PORT: String(port) }),
      ...(zone !== undefined && { AVAILABILITY_ZONE: zone, REGION: this.#registry.region }),
      ...(health !== undefined && { AWS_INIT_HEALTH_STATUS: health }),
      ...attributes,
    })
  }

  /** Types of the service's DNS records; none in an `http` namespace. */
  recordTypes(host: string): readonly RecordType[] {
    return this.#service(host).records.map(({ type }) => type)
  }

  instances(host: string): readonly LocalRegistration[] {
    return [...this.#service(host).instances.values()].map(({ id, attributes, health }) => ({
      id,
      attributes,
      health,
    }))
  }

  deregister(host: string, instanceId: string): void {
    this.#registry.deregister(this.#service(host), instanceId)
  }

  setHealth(host: string, instanceId: string, status: CustomHealthStatus): void {
    this.#registry.setHealth(this.#service(host), instanceId, status)
  }

  #service(host: string): Service {
    const { service, namespace } = this.#parse(host)
    const found = namespace === undefined ? undefined : this.#registry.findService(namespace, service)
    if (found === undefined)
      throw new AwsError('ServiceNotFound', `no service ${host}; addService("${host}") makes it`)
    return found
  }

  /** The namespace that the host lies in; without any, what follows its first label becomes one. */
  #namespaceOf(host: string): { service: string; namespace: Namespace } {
    const { service, namespace } = this.#parse(host)
    const known = namespace === undefined ? undefined : this.#registry.findNamespace(namespace)
    if (known !== undefined) return { service, namespace: known }
    const [label = '', ...rest] = canonicalHost(host).split('.')
    if (label === '' || rest.length === 0)
      throw new AwsError('InvalidInput', `"${host}" is not the host name of a service in a namespace`)
    return { service: label, namespace: this.addNamespace(rest.join('.')) }
  }

  #parse(host: string): ReturnType<typeof parseServiceName> {
    const names = this.#registry.namespaces.map(({ name }) => canonicalHost(name))
    return parseServiceName(host, names)
  }
}

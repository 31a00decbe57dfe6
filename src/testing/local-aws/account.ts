import { checkKeys } from '../../core/check/check.ts'
import { canonicalHost, parseServiceName } from '../../discovery/service-name.ts'
import { AwsError, invalidInput } from './cloud-map/aws-error.ts'
import type { LocalAws } from './local-aws.ts'
import { DEFAULT_SOA_TTL_SECONDS, type Namespace, type Service } from './model.ts'
import type { Registry } from './registry.ts'

export type Account = Pick<
  LocalAws,
  ('addNamespace' | 'addService' | 'deleteService') | ('register' | 'instances' | 'deregister' | 'setHealth')
>

/** Changes the registry by host names (`orders.shop.local`), and at once: no operations to wait for. */
export function accountOf(registry: Registry): Account {
  const addNamespace: (...given: Parameters<Account['addNamespace']>) => Namespace = (name, options = {}) => {
    checkKeys('addNamespace', options, ['type', 'soaTtlSeconds'])
    const { type = 'private-dns', soaTtlSeconds = DEFAULT_SOA_TTL_SECONDS } = options
    return registry.addNamespace(canonicalHost(name), type === 'http' ? 'HTTP' : 'DNS_PRIVATE', soaTtlSeconds)
  }
  /** The namespace that the host lies in; without any, what follows its first label becomes one. */
  const placeOf = (host: string): { readonly name: string; readonly namespace: Namespace } => {
    const { service: name, namespace } = parse(registry, host)
    const known = namespace === undefined ? undefined : registry.findNamespace(namespace)
    if (known !== undefined) return { name, namespace: known }
    const [label = '', ...rest] = canonicalHost(host).split('.')
    if (label === '' || rest.length === 0)
      throw invalidInput(`"${host}" is not the host name of a service in a namespace`)
    return { name: label, namespace: addNamespace(rest.join('.')) }
  }
  return {
    addNamespace,
    addService(host, options = {}) {
      checkKeys('addService', options, ['ttlSeconds', 'records', 'routing', 'customHealth', 'id'])
      const { name, namespace } = placeOf(host)
      const { ttlSeconds = 10, records = namespace.type === 'HTTP' ? [] : ['A'] } = options
      const cname = records.includes('CNAME')
      const { id, arn } = registry.addService({
        name,
        namespace,
        records: records.map((type) => ({ type, ttlSeconds })),
        routing: options.routing ?? (cname ? 'WEIGHTED' : 'MULTIVALUE'),
        customHealth: options.customHealth ?? !cname,
        id: options.id,
      })
      return { id, arn, namespaceId: namespace.id }
    },
    deleteService: (host) => registry.deleteService(serviceAt(registry, host).id, true),
    register(host, instanceId, instance) {
      checkKeys('register', instance, ['ipv4', 'ipv6', 'port', 'zone', 'health', 'attributes'])
      const { ipv4, ipv6, port, zone, health, attributes } = instance
      registry.instances.register(serviceAt(registry, host), instanceId, {
        ...(ipv4 !== undefined && { AWS_INSTANCE_IPV4: ipv4 }),
        ...(ipv6 !== undefined && { AWS_INSTANCE_IPV6: ipv6 }),
        ...(port !== undefined && { AWS_INSTANCE_PORT: String(port) }),
        ...(zone !== undefined && { AVAILABILITY_ZONE: zone, REGION: registry.region }),
        ...(health !== undefined && { AWS_INIT_HEALTH_STATUS: health }),
        ...attributes,
      })
    },
    instances: (host) =>
      Array.from(serviceAt(registry, host).instances.values(), ({ id, attributes, health }) => ({
        ...{ id, attributes, health },
      })),
    deregister: (host, instanceId) => registry.instances.deregister(serviceAt(registry, host), instanceId),
    setHealth: (host, instanceId, status) =>
      registry.instances.setHealth(serviceAt(registry, host), instanceId, status),
  }
}

/** @throws AwsError `ServiceNotFound` */
export function serviceAt(registry: Registry, host: string): Service {
  const { service, namespace } = parse(registry, host)
  const found = namespace === undefined ? undefined : registry.findService(namespace, service)
  if (found === undefined)
    throw new AwsError('ServiceNotFound', `no service ${host}; addService("${host}") makes it`)
  return found
}

function parse(registry: Registry, host: string): ReturnType<typeof parseServiceName> {
  return parseServiceName(
    host,
    registry.namespaces.map(({ name }) => canonicalHost(name)),
  )
}

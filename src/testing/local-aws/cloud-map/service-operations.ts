import { invalidInput } from './aws-error.ts'
import {
  integer,
  oneOf,
  optionalText,
  page,
  part,
  parts,
  passesFilters,
  text,
  type Handler,
  type Input,
} from './input.ts'
import type { DnsRecordConfig, Service } from '../model.ts'

const MAX_TTL_SECONDS = 2 ** 31 - 1

export const serviceOperations: Readonly<Record<string, Handler>> = {
  CreateService(registry, input) {
    const name = text(input, 'Name')
    if (!/^[!-~]{1,127}$/.test(name)) throw invalidInput('Name must be 1 to 127 printable characters')
    if (input['HealthCheckConfig'] !== undefined)
      throw invalidInput('HealthCheckConfig is for public namespaces only, which are not offered here')
    const dns = part(input, 'DnsConfig')
    // In DnsConfig it is deprecated, and still in use.
    const namespaceId = optionalText(input, 'NamespaceId') ?? text(dns, 'NamespaceId')
    const service = registry.addService({
      name,
      namespace: registry.namespaceById(namespaceId),
      records: oneOf(input, 'Type', ['HTTP', 'DNS_HTTP'], 'DNS_HTTP') === 'HTTP' ? [] : records(dns),
      routing: oneOf(dns, 'RoutingPolicy', ['MULTIVALUE', 'WEIGHTED'], 'MULTIVALUE'),
      customHealth: input['HealthCheckCustomConfig'] !== undefined,
    })
    return { Service: shape(service) }
  },

  GetService(registry, input) {
    return { Service: shape(registry.serviceById(text(input, 'Id'))) }
  },

  ListServices(registry, input) {
    const found = registry.services.filter(({ namespace }) =>
      passesFilters(input, { NAMESPACE_ID: namespace.id, RESOURCE_OWNER: 'SELF' }),
    )
    const { items, next } = page(found, input)
    return { Services: items.map(shape), ...next }
  },

  DeleteService(registry, input) {
    registry.deleteService(text(input, 'Id'))
    return {}
  },
}

function records(dns: Input): readonly DnsRecordConfig[] {
  return parts(dns, 'DnsRecords').map((record) => ({
    type: oneOf(record, 'Type', ['A', 'AAAA', 'SRV', 'CNAME']),
    ttlSeconds: integer(record, 'TTL', { min: 0, max: MAX_TTL_SECONDS }),
  }))
}

function shape(service: Service): object {
  const { id, arn, name, namespace, routing } = service
  const dns = {
    NamespaceId: namespace.id,
    RoutingPolicy: routing,
    DnsRecords: service.records.map(({ type, ttlSeconds }) => ({ Type: type, TTL: ttlSeconds })),
  }
  return {
    Id: id,
    Arn: arn,
    Name: name,
    NamespaceId: namespace.id,
    InstanceCount: service.instances.size,
    Type: service.records.length > 0 ? 'DNS_HTTP' : 'HTTP',
    ...(service.records.length > 0 && { DnsConfig: dns }),
    ...(service.customHealth && { HealthCheckCustomConfig: { FailureThreshold: 1 } }),
  }
}

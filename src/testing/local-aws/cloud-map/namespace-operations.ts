import { invalidInput } from './aws-error.ts'
import { integer, optionalText, page, part, passesFilters, text, type Handler, type Input } from './input.ts'
import { DEFAULT_SOA_TTL_SECONDS, type Namespace, type NamespaceType } from '../model.ts'
import type { Registry } from '../registry.ts'

export const namespaceOperations: Readonly<Record<string, Handler>> = {
  CreateHttpNamespace(registry, input) {
    return create(registry, input, 'HTTP', DEFAULT_SOA_TTL_SECONDS)
  },

  CreatePrivateDnsNamespace(registry, input) {
    text(input, 'Vpc')
    const soa = part(part(part(input, 'Properties'), 'DnsProperties'), 'SOA')
    const range = { min: 0, max: 2 ** 31 - 1, otherwise: DEFAULT_SOA_TTL_SECONDS }
    return create(registry, input, 'DNS_PRIVATE', integer(soa, 'TTL', range))
  },

  GetNamespace(registry, input) {
    return { Namespace: shape(registry, registry.namespaceById(text(input, 'Id'))) }
  },

  ListNamespaces(registry, input) {
    const found = registry.namespaces.filter(({ name, type }) =>
      passesFilters(input, {
        NAME: name,
        HTTP_NAME: name,
        TYPE: type,
        RESOURCE_OWNER: 'SELF',
      }),
    )
    const { items, next } = page(found, input)
    return { Namespaces: items.map((namespace) => shape(registry, namespace)), ...next }
  },

  DeleteNamespace(registry, input) {
    const { id, name } = registry.emptyNamespace(text(input, 'Id'))
    const OperationId = registry.operations.submit(
      'DELETE_NAMESPACE',
      `namespace ${name.toLowerCase()}`,
      { NAMESPACE: id },
      () => registry.deleteNamespace(id),
    )
    return { OperationId }
  },
}

function create(registry: Registry, input: Input, type: NamespaceType, soaTtlSeconds: number): object {
  const name = text(input, 'Name')
  if (!/^[!-~]{1,1024}$/.test(name)) throw invalidInput('Name must be 1 to 1,024 printable characters')
  registry.checkNewNamespace(name)
  const id = registry.newId('ns')
  const OperationId = registry.operations.submit(
    'CREATE_NAMESPACE',
    `namespace ${name.toLowerCase()}`,
    { NAMESPACE: id },
    () => void registry.addNamespace(name, type, soaTtlSeconds, id),
    optionalText(input, 'CreatorRequestId'),
  )
  return { OperationId }
}

function shape(registry: Registry, namespace: Namespace): object {
  const { id, arn, name, type, soaTtlSeconds } = namespace
  const dns = {
    DnsProperties: { HostedZoneId: `Z${id.slice(3).toUpperCase()}`, SOA: { TTL: soaTtlSeconds } },
  }
  return {
    Id: id,
    Arn: arn,
    ResourceOwner: registry.accountId,
    Name: name,
    Type: type,
    ServiceCount: registry.services.filter((service) => service.namespace === namespace).length,
    Properties: { ...(type === 'DNS_PRIVATE' && dns), HttpProperties: { HttpName: name } },
  }
}

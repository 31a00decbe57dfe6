/** The two operations that clients call all the time: Cloud Map's data plane. */
import { AwsError, invalidInput } from './aws-error.ts'
import { shuffled } from '../chance.ts'
import { integer, oneOf, optionalText, text, textMap, type Handler, type Input } from './input.ts'
import type { Instance, Service } from '../model.ts'
import type { Registry } from '../registry.ts'

const FILTERS = ['HEALTHY', 'UNHEALTHY', 'ALL', 'HEALTHY_OR_ELSE_ALL'] as const
type HealthFilter = (typeof FILTERS)[number]

export const discoverOperations: Readonly<Record<string, Handler>> = {
  DiscoverInstances(registry, input) {
    const most = integer(input, 'MaxResults', { min: 1, max: 1000, otherwise: 100 })
    const health = oneOf(input, 'HealthStatus', FILTERS, 'HEALTHY')
    const required = textMap(input, 'QueryParameters')
    const wished = textMap(input, 'OptionalParameters')
    const service = findService(registry, input)
    const matching = [...service.instances.values()].filter((instance) => hasAll(instance, required))
    const preferred = matching.filter((instance) => hasAll(instance, wished))
    const chosen = byHealth(service, preferred.length > 0 ? preferred : matching, health)
    return {
      Instances: shuffled(registry.random, chosen)
        .slice(0, most)
        .map((instance) => ({
          InstanceId: instance.id,
          NamespaceName: service.namespace.name,
          ServiceName: service.name,
          HealthStatus: instance.health,
          Attributes: instance.attributes,
        })),
      InstancesRevision: service.revision,
    }
  },

  DiscoverInstancesRevision(registry, input) {
    return { InstancesRevision: findService(registry, input).revision }
  },
}

/**
 * The service as the faults show it.
 * @throws AwsError `NamespaceNotFound`, `ServiceNotFound`
 */
function findService(registry: Registry, input: Input): Service {
  const namespace = text(input, 'NamespaceName')
  const name = text(input, 'ServiceName')
  const owner = optionalText(input, 'OwnerAccount') ?? registry.accountId
  if (!/^\d{12}$/.test(owner)) throw invalidInput('OwnerAccount must have 12 digits')
  if (owner !== registry.accountId || registry.findNamespace(namespace) === undefined)
    throw new AwsError('NamespaceNotFound', `no namespace ${namespace} in account ${owner}`)
  const service = registry.findService(namespace, name)
  if (service === undefined)
    throw new AwsError('ServiceNotFound', `no service ${name} in namespace ${namespace}`)
  const { lagMs, ignoresHealth } = registry.faults
  const shown = registry.history.before(service, lagMs)
  return ignoresHealth ? allHealthy(shown) : shown
}

function allHealthy(service: Service): Service {
  const instances = new Map<string, Instance>()
  for (const [id, instance] of service.instances) {
    const { health } = instance
    instances.set(id, { ...instance, health: health === 'UNHEALTHY' ? 'HEALTHY' : health })
  }
  return { ...service, instances }
}

function hasAll(instance: Instance, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => instance.attributes[key] === value)
}

function byHealth(
  service: Service,
  instances: readonly Instance[],
  filter: HealthFilter,
): readonly Instance[] {
  // AWS takes no notice of the filter where there is no health check.
  if (!service.customHealth || filter === 'ALL') return instances
  if (filter === 'UNHEALTHY') return instances.filter(({ health }) => health === 'UNHEALTHY')
  const healthy = instances.filter(({ health }) => health === 'HEALTHY')
  return filter === 'HEALTHY_OR_ELSE_ALL' && healthy.length === 0 ? instances : healthy
}

import { checkInstance, checkRecordAttributes } from './attributes.ts'
import { oneOf, optionalText, page, text, textMap, texts, type Handler } from './input.ts'
import type { Service } from '../model.ts'

export const instanceOperations: Readonly<Record<string, Handler>> = {
  RegisterInstance(registry, input) {
    const service = registry.serviceById(text(input, 'ServiceId'))
    const instanceId = text(input, 'InstanceId')
    const creatorRequestId = optionalText(input, 'CreatorRequestId')
    const attributes = textMap(input, 'Attributes')
    checkInstance(instanceId, attributes)
    checkRecordAttributes(service, attributes)
    const OperationId = registry.operations.submit(
      'REGISTER_INSTANCE',
      instanceKey(service, instanceId),
      { INSTANCE: instanceId, SERVICE: service.id },
      () => registry.instances.register(service, instanceId, attributes, creatorRequestId),
      creatorRequestId,
    )
    return { OperationId }
  },

  DeregisterInstance(registry, input) {
    const service = registry.serviceById(text(input, 'ServiceId'))
    const instanceId = text(input, 'InstanceId')
    registry.instances.get(service, instanceId)
    const OperationId = registry.operations.submit(
      'DEREGISTER_INSTANCE',
      instanceKey(service, instanceId),
      { INSTANCE: instanceId, SERVICE: service.id },
      () => registry.instances.deregister(service, instanceId),
    )
    return { OperationId }
  },

  UpdateInstanceCustomHealthStatus(registry, input) {
    const service = registry.serviceById(text(input, 'ServiceId'))
    const status = oneOf(input, 'Status', ['HEALTHY', 'UNHEALTHY'])
    const { id } = registry.instances.get(service, text(input, 'InstanceId'))
    registry.instances.setHealth(service, id, status, registry.faults.healthDelayMs)
    return {}
  },

  GetInstance(registry, input) {
    const service = registry.serviceById(text(input, 'ServiceId'))
    const { id, attributes, creatorRequestId } = registry.instances.get(service, text(input, 'InstanceId'))
    return {
      ResourceOwner: registry.accountId,
      Instance: { Id: id, Attributes: attributes, CreatorRequestId: creatorRequestId },
    }
  },

  ListInstances(registry, input) {
    const service = registry.serviceById(text(input, 'ServiceId'))
    const { items, next } = page([...service.instances.values()], input)
    const Instances = items.map(({ id, attributes }) => ({ Id: id, Attributes: attributes }))
    return { ResourceOwner: registry.accountId, Instances, ...next }
  },

  GetInstancesHealthStatus(registry, input) {
    const service = registry.serviceById(text(input, 'ServiceId'))
    const wanted = texts(input, 'Instances')
    const instances =
      wanted.length === 0
        ? [...service.instances.values()]
        : wanted.map((id) => registry.instances.get(service, id))
    const { items, next } = page(instances, input)
    return { Status: Object.fromEntries(items.map(({ id, health }) => [id, health])), ...next }
  },

  GetOperation(registry, input) {
    const { id, type, status, targets, error } = registry.operations.get(text(input, 'OperationId'))
    return {
      Operation: {
        Id: id,
        OwnerAccount: registry.accountId,
        Type: type,
        Status: status,
        Targets: targets,
        ErrorCode: error?.code,
        ErrorMessage: error?.message,
      },
    }
  },
}

function instanceKey(service: Service, instanceId: string): string {
  return `instance ${instanceId} of service ${service.id}`
}

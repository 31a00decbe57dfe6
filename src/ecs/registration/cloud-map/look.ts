/** What Cloud Map has under our id and at our address. */
import { emit } from '../../../core/events.ts'
import type { Attributes } from './attributes.ts'
import { ECS_SERVICE, IPV4, IPV6, PORT } from './limits.ts'
import type { ServiceCalls } from './calls.ts'
import { awsName, isDenied, RegistrationError } from '../errors.ts'
import type { Target } from './operation.ts'
import { allPages } from './service.ts'

/** What is about to be registered. */
export interface Candidate extends Target {
  /** Id of the task that this process runs in; undefined outside ECS. */
  readonly taskId: string | undefined
  /** Ids of all instances of this process. */
  readonly ownIds: ReadonlySet<string>
  readonly attributes: Attributes
}

/** Instances of the service that concern it. */
export interface Found {
  /** The same id with the same address: left by this container's previous run. */
  readonly isRegistered: boolean
  /** Instances with our address and port: of tasks that are gone, since addresses are unique. */
  readonly orphans: readonly Registered[]
}

/** An instance as Cloud Map has it. */
export interface Registered {
  readonly id: string
  readonly attributes: Attributes
}

/**
 * Reads all instances; with ListInstances denied, only that of our id.
 * @throws RegistrationError `conflict`
 */
export async function lookAround(candidate: Candidate): Promise<Found> {
  const { id, ownIds, attributes } = candidate
  const instances = await readInstances(candidate)
  const own = instances.find((instance) => instance.id === id)
  if (own !== undefined) checkOwn(candidate, own.attributes)
  const orphans = instances.filter(
    (other) => !ownIds.has(other.id) && isSamePlace(other.attributes, attributes),
  )
  for (const orphan of orphans) checkNotEcs(candidate, orphan)
  return { isRegistered: own !== undefined, orphans }
}

async function readInstances(target: Target): Promise<readonly Registered[]> {
  const { calls, serviceId, id } = target
  try {
    return await listInstances(calls, serviceId)
  } catch (error) {
    if (!isDenied(error)) throw error
    calls.reportDenied(error, 'instances that killed tasks left at this address are not found')
  }
  try {
    const attributes = await readInstance(target)
    return attributes === undefined ? [] : [{ id, attributes }]
  } catch (error) {
    if (!isDenied(error)) throw error
    calls.reportDenied(error, 'an instance of another task with this id would be overwritten')
    return []
  }
}

/** All instances of a service. */
export function listInstances(calls: ServiceCalls, ServiceId: string): Promise<readonly Registered[]> {
  return allPages(async (NextToken) => {
    const input = { ServiceId, MaxResults: 100, NextToken }
    const { Instances = [], NextToken: next } = await calls.call('ListInstances', input)
    const items = Instances.map(({ Id = '', Attributes = {} }) => ({ id: Id, attributes: Attributes }))
    return { items, next }
  })
}

/** The attributes of one instance; undefined if there is none. */
export async function readInstance({ calls, serviceId, id }: Target): Promise<Attributes | undefined> {
  try {
    const { Instance } = await calls.call('GetInstance', { ServiceId: serviceId, InstanceId: id })
    return Instance?.Attributes ?? {}
  } catch (error) {
    if (awsName(error) === 'InstanceNotFound') return undefined
    throw error
  }
}

/** Whether an instance has what we registered; others may have added attributes. */
export function hasAll(found: Attributes, wanted: Attributes): boolean {
  return Object.entries(wanted).every(([key, value]) => found[key] === value)
}

/** @throws RegistrationError `conflict` */
export function checkOwn({ calls, id, attributes }: Candidate, found: Attributes): void {
  const ecsService = found[ECS_SERVICE]
  if (ecsService !== undefined)
    throw conflict(
      calls,
      `instance ${id} is registered by ECS itself (${ECS_SERVICE} ${ecsService}); leave out register() for this ` +
        'service, or take serviceRegistries out of the ECS service',
    )
  if (!sharesAddress(found, attributes))
    throw conflict(
      calls,
      `instance ${id} is registered under another address (${addressesOf(found)}, and this is ` +
        `${addressesOf(attributes)}); give each process an id of its own`,
    )
}

/**
 * For an instance that stands: a container that was restarted may have another port, and two processes that register
 * one id would take it from each other for ever.
 * @throws RegistrationError `conflict`
 */
export function checkSamePort({ calls, id, attributes }: Candidate, { [PORT]: port }: Attributes): void {
  if (port === undefined || port === attributes[PORT]) return
  throw conflict(
    calls,
    `another process at this address has registered instance ${id}, on port ${port} (this one has ` +
      `${attributes[PORT]}); give each process an id of its own`,
  )
}

/** ECS registers tasks under their own id: that of this task is not an orphan. */
function checkNotEcs({ calls, id, taskId }: Candidate, other: Registered): void {
  if (taskId === undefined || other.id !== taskId || other.attributes[ECS_SERVICE] === undefined) return
  throw conflict(
    calls,
    `ECS itself registers this task (instance ${other.id}), so ${id} would be a second one with the same address; ` +
      'leave out register() for this service, or take serviceRegistries out of the ECS service',
  )
}

function conflict({ service }: ServiceCalls, reason: string): RegistrationError {
  return new RegistrationError(service, 'conflict', reason)
}

function sharesAddress(one: Attributes, other: Attributes): boolean {
  return [IPV4, IPV6].some((key) => one[key] !== undefined && one[key] === other[key])
}

/** Without a port, as ECS registers tasks of services with A records, an instance stands for the whole address. */
function isSamePlace(other: Attributes, own: Attributes): boolean {
  return sharesAddress(other, own) && (other[PORT] === undefined || other[PORT] === own[PORT])
}

function addressesOf(attributes: Attributes): string {
  const addresses = [attributes[IPV4], attributes[IPV6]].filter((address) => address !== undefined)
  return addresses.length === 0 ? 'no address' : addresses.join(' and ')
}

/** Reports an orphan that was removed. */
export function reportOrphan(service: string, { id, attributes }: Registered): void {
  emit('onehop:registration.orphan-removed', () => ({ service, id, ...placeOf(attributes) }))
}

/** Reports an instance that is left behind. */
export function reportLost(service: string, { id, attributes }: Registered, error: Error): void {
  emit('onehop:registration.lost', () => ({ service, id, ...placeOf(attributes), error }))
}

function placeOf(attributes: Attributes): { address: string; port: number | undefined } {
  const { [IPV4]: ipv4, [IPV6]: ipv6, [PORT]: port } = attributes
  return { address: ipv4 ?? ipv6 ?? '', port: port === undefined ? undefined : Number(port) }
}

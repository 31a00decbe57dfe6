/** The DNS records that Cloud Map makes of a service and its instances. */
import type { Random } from '../../../core/clock.ts'
import { canonicalHost } from '../../../discovery/service-name.ts'
import { shuffled } from '../chance.ts'
import type { Instance, RecordType, Service } from '../model.ts'
import { NO_RECORDS, type Found, type ResourceRecord } from './resource-record.ts'

/** Route 53, multivalue answer routing: "up to eight healthy records, selected at random". */
const MAX_ANSWERS = 8

/** The attribute that a record of each type is made of. */
const KEYS = {
  A: 'AWS_INSTANCE_IPV4',
  AAAA: 'AWS_INSTANCE_IPV6',
  CNAME: 'AWS_INSTANCE_CNAME',
  SRV: 'AWS_INSTANCE_PORT',
} as const

/** Every name under which the service has a record at this moment. */
export function namesOf(service: Service): readonly string[] {
  const host = hostOf(service)
  const shown = [...service.instances.values()].filter((instance) =>
    service.records.some(({ type }) => has(instance, type)),
  )
  const targets = hasSrv(service) ? shown.map((instance) => canonicalHost(targetOf(instance, host))) : []
  return shown.length === 0 ? [] : [host, ...targets]
}

/** @param key canonical: the name of the service, or of one of its SRV targets */
export function serviceRecords(service: Service, key: string, type: string, random: Random): Found {
  const host = hostOf(service)
  if (key === host) return recordsOfService(service, host, type, random)
  if (!hasSrv(service) || !key.endsWith(`.${host}`)) return NO_RECORDS
  const instances = [...service.instances.values()]
  const target = instances.find((instance) => canonicalHost(targetOf(instance, host)) === key)
  const addresses = target === undefined ? [] : addressesOf(service, target, host)
  return { answers: addresses.filter((record) => record.type === type), additionals: [] }
}

function recordsOfService(service: Service, host: string, type: string, random: Random): Found {
  const config = service.records.find((record) => record.type === type)
  if (config === undefined) return NO_RECORDS
  const able = [...service.instances.values()].filter((instance) => has(instance, config.type))
  const healthy = able.filter(({ health }) => health !== 'UNHEALTHY')
  const most = service.routing === 'WEIGHTED' ? 1 : MAX_ANSWERS
  const chosen = shuffled(random, healthy.length > 0 ? healthy : able).slice(0, most)
  const answers = chosen.flatMap((instance) => recordOf(instance, config.type, host, config.ttlSeconds))
  const additionals =
    config.type === 'SRV' ? chosen.flatMap((instance) => addressesOf(service, instance, host)) : []
  return { answers, additionals }
}

function has({ attributes }: Instance, type: RecordType): boolean {
  return attributes[KEYS[type]] !== undefined
}

/** The record of one instance; none where it lacks the attribute. */
function recordOf(instance: Instance, type: RecordType, name: string, ttl: number): ResourceRecord[] {
  const value = instance.attributes[KEYS[type]]
  if (value === undefined) return []
  if (type !== 'SRV') return [{ type, name, ttl, data: value }]
  // Cloud Map writes priority 1 and weight 1 for all.
  const data = { priority: 1, weight: 1, port: Number(value), target: targetOf(instance, name) }
  return [{ type, name, ttl, data }]
}

function addressesOf(service: Service, instance: Instance, host: string): ResourceRecord[] {
  const ttl = service.records.find(({ type }) => type === 'SRV')?.ttlSeconds ?? 0
  const name = canonicalHost(targetOf(instance, host))
  return (['A', 'AAAA'] as const).flatMap((type) => recordOf(instance, type, name, ttl))
}

function hostOf(service: Service): string {
  return canonicalHost(`${service.name}.${service.namespace.name}`)
}

/** The name that the SRV record of an instance names. */
function targetOf({ id }: Instance, host: string): string {
  return `${id}.${host}`
}

export function hasSrv(service: Service): boolean {
  return service.records.some(({ type }) => type === 'SRV')
}

/** The DNS records that Cloud Map makes of a service and its instances. */
import type { Random } from '../../../core/clock.ts'
import { canonicalHost } from '../../../discovery/service-name.ts'
import { shuffled } from '../chance.ts'
import type { Instance, RecordType, Service } from '../model.ts'
import type { Lookup, ResourceRecord } from './resource-record.ts'

/** Route 53, multivalue answer routing: "up to eight healthy records, selected at random". */
const MAX_ANSWERS = 8

const ADDRESS_KEYS = { A: 'AWS_INSTANCE_IPV4', AAAA: 'AWS_INSTANCE_IPV6' } as const

/** Every name under which the service has a record at this moment. */
export function namesOf(service: Service): readonly string[] {
  const host = hostOf(service)
  const names: string[] = []
  for (const instance of service.instances.values()) {
    if (!service.records.some(({ type }) => dataOf(instance, type, host) !== undefined)) continue
    if (names.length === 0) names.push(host)
    if (hasSrv(service)) names.push(targetOf(instance, host))
  }
  return names
}

/** @param key canonical: the name of the service, or of one of its SRV targets */
export function serviceRecords(
  service: Service,
  key: string,
  type: string,
  random: Random,
): Pick<Lookup, 'answers' | 'additionals'> {
  const host = hostOf(service)
  if (key === host) return answersOf(service, host, type, random)
  if (!hasSrv(service) || !key.endsWith(`.${host}`)) return { answers: [], additionals: [] }
  const target = [...service.instances.values()].find((instance) => targetOf(instance, host) === key)
  const addresses = target === undefined ? [] : addressesOf(service, target, host)
  return { answers: addresses.filter((record) => record.type === type), additionals: [] }
}

function answersOf(
  service: Service,
  host: string,
  type: string,
  random: Random,
): Pick<Lookup, 'answers' | 'additionals'> {
  const config = service.records.find((record) => record.type === type)
  if (config === undefined) return { answers: [], additionals: [] }
  const able = [...service.instances.values()].filter(
    (entry) => dataOf(entry, config.type, host) !== undefined,
  )
  const healthy = able.filter(({ health }) => health !== 'UNHEALTHY')
  const most = service.routing === 'WEIGHTED' ? 1 : MAX_ANSWERS
  const chosen = shuffled(random, healthy.length > 0 ? healthy : able).slice(0, most)
  const answers = chosen.flatMap((instance) => dataOf(instance, config.type, host, config.ttlSeconds) ?? [])
  const additionals =
    config.type === 'SRV' ? chosen.flatMap((instance) => addressesOf(service, instance, host)) : []
  return { answers, additionals }
}

/** The record of one instance; undefined where it has no such attribute. */
function dataOf(
  instance: Instance,
  type: RecordType,
  host: string,
  ttlSeconds = 0,
): ResourceRecord | undefined {
  const { attributes } = instance
  switch (type) {
    case 'A':
    case 'AAAA': {
      const data = attributes[ADDRESS_KEYS[type]]
      return data === undefined ? undefined : { name: host, ttlSeconds, type, data }
    }
    case 'CNAME': {
      const data = attributes['AWS_INSTANCE_CNAME']
      return data === undefined ? undefined : { name: host, ttlSeconds, type, data }
    }
    case 'SRV': {
      const port = attributes['AWS_INSTANCE_PORT']
      if (port === undefined) return undefined
      return { name: host, ttlSeconds, type, port: Number(port), target: targetOf(instance, host, false) }
    }
  }
}

function addressesOf(service: Service, instance: Instance, host: string): ResourceRecord[] {
  const ttlSeconds = service.records.find(({ type }) => type === 'SRV')?.ttlSeconds ?? 0
  const name = targetOf(instance, host)
  return (['A', 'AAAA'] as const).flatMap((type) => {
    const data = instance.attributes[ADDRESS_KEYS[type]]
    return data === undefined ? [] : { name, ttlSeconds, type, data }
  })
}

function hostOf(service: Service): string {
  return canonicalHost(`${service.name}.${service.namespace.name}`)
}

function targetOf(instance: Instance, host: string, canonical = true): string {
  const target = `${instance.id}.${host}`
  return canonical ? canonicalHost(target) : target
}

function hasSrv(service: Service): boolean {
  return service.records.some(({ type }) => type === 'SRV')
}

/** What goes into Cloud Map for one instance, within Cloud Map's limits (API reference of RegisterInstance). */
import type { ServiceSettings } from '../options/options.ts'
import { IPV4, IPV6, MAX_ATTRIBUTES, MAX_CHARACTERS, PORT, WEIGHT } from './limits.ts'
import { RegistrationError } from '../errors.ts'
import type { KnownPlace } from '../options/place.ts'
import type { ServiceFacts } from './service.ts'

export type Attributes = Readonly<Record<string, string>>

/** @throws RegistrationError `invalid`: the service demands an address that this task does not have */
export function attributesOf(
  { service, family, attributes, weight }: ServiceSettings,
  place: KnownPlace,
  port: number,
  { records }: ServiceFacts,
): Attributes {
  const { ipv4, ipv6 } = addressesOf(service, family, place, records)
  const own: Record<string, string | undefined> = {
    AVAILABILITY_ZONE: place.zone,
    REGION: place.region,
    ECS_CLUSTER_NAME: place.cluster,
    ECS_TASK_DEFINITION_FAMILY: place.family,
    ...(weight !== undefined && { [WEIGHT]: String(weight) }),
    ...attributes,
    [IPV4]: ipv4,
    [IPV6]: ipv6,
    [PORT]: String(port),
  }
  const all = Object.fromEntries(
    Object.entries(own).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
  checkLimits(service, all)
  return all
}

function addressesOf(
  service: string,
  family: ServiceSettings['family'],
  { ipv4, ipv6 }: KnownPlace,
  records: ServiceFacts['records'],
): Pick<KnownPlace, 'ipv4' | 'ipv6'> {
  const fail = (reason: string): never => {
    throw new RegistrationError(service, 'invalid', reason)
  }
  if (records?.includes('CNAME') === true)
    return fail('the service has a CNAME record, and tasks have addresses; use a service with A or AAAA')
  const chosen = {
    ipv4: family === 'ipv6' ? undefined : ipv4,
    ipv6: family === 'ipv4' ? undefined : ipv6,
  }
  const why = family === undefined ? 'this task has none' : `family is "${family}"`
  const missing = (['ipv4', 'ipv6'] as const).filter(
    (kind) => chosen[kind] === undefined && (family === 'dual' || family === kind),
  )
  if (missing.length > 0)
    return fail(`family is "${family}", and this task has no ${missing.join(' and no ')}`)
  const needs4 = records?.includes('A') === true
  const needs6 = records?.includes('AAAA') === true
  if (needs4 && chosen.ipv4 === undefined)
    return fail(`the service has A records: an IPv4 address is needed, and ${why}`)
  if (needs6 && chosen.ipv6 === undefined)
    return fail(`the service has AAAA records: an IPv6 address is needed, and ${why}`)
  // Unknown records may be of either kind.
  if (family !== undefined || records === undefined) return chosen
  if (needs4 || needs6)
    return { ipv4: needs4 ? chosen.ipv4 : undefined, ipv6: needs6 ? chosen.ipv6 : undefined }
  return chosen.ipv4 === undefined ? chosen : { ipv4: chosen.ipv4, ipv6: undefined }
}

function checkLimits(service: string, attributes: Attributes): void {
  const entries = Object.entries(attributes)
  const custom = entries.filter(([key]) => !key.startsWith('AWS_')).length
  const characters = entries.reduce((sum, [key, value]) => sum + key.length + value.length, 0)
  const fail = (what: string, limit: number): never => {
    throw new RegistrationError(
      service,
      'invalid',
      `${what} with those of the task; Cloud Map takes ${limit}`,
    )
  }
  if (custom > MAX_ATTRIBUTES) fail(`${custom} attributes`, MAX_ATTRIBUTES)
  if (characters > MAX_CHARACTERS) fail(`the attributes have ${characters} characters`, MAX_CHARACTERS)
}

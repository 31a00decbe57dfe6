/**
 * What Cloud Map accepts as an instance. Limits and rules from the API reference of RegisterInstance and the
 * quotas in the Cloud Map developer guide.
 */
import { isIPv4, isIPv6 } from 'node:net'
import { invalidInput } from './aws-error.ts'
import type { RecordType, Service } from '../model.ts'

export const MAX_INSTANCES = 1000

const INSTANCE_ID = /^[0-9a-zA-Z_/:.@-]{1,64}$/
const MAX_ATTRIBUTES = 30
const MAX_KEY = 255
const MAX_VALUE = 1024
const MAX_IN_ALL = 5000
const AWS_KEYS: ReadonlySet<string> = new Set([
  'AWS_ALIAS_DNS_NAME',
  'AWS_EC2_INSTANCE_ID',
  'AWS_INIT_HEALTH_STATUS',
  'AWS_INSTANCE_CNAME',
  'AWS_INSTANCE_IPV4',
  'AWS_INSTANCE_IPV6',
  'AWS_INSTANCE_PORT',
])
const KEY = /^[a-zA-Z0-9!-~]+$/
const VALUE = /^([a-zA-Z0-9!-~][ \ta-zA-Z0-9!-~]*)?[a-zA-Z0-9!-~]?$/

/** Of each of these sets an instance needs one, for a record of that type. */
const NEEDED: Readonly<Record<RecordType, readonly (readonly string[])[]>> = {
  A: [['AWS_INSTANCE_IPV4']],
  AAAA: [['AWS_INSTANCE_IPV6']],
  CNAME: [['AWS_INSTANCE_CNAME']],
  SRV: [['AWS_INSTANCE_PORT'], ['AWS_INSTANCE_IPV4', 'AWS_INSTANCE_IPV6']],
}

/** @throws AwsError `InvalidInput` */
export function checkInstance(id: string, attributes: Readonly<Record<string, string>>): void {
  if (!INSTANCE_ID.test(id))
    throw invalidInput(`InstanceId "${id}" must be 1 to 64 of the characters 0-9 a-z A-Z _ / : . @ -`)
  checkSizes(attributes)
  const ipv4 = attributes['AWS_INSTANCE_IPV4']
  if (ipv4 !== undefined && !isIPv4(ipv4))
    throw invalidInput(`AWS_INSTANCE_IPV4 "${ipv4}" is not an IPv4 address`)
  const ipv6 = attributes['AWS_INSTANCE_IPV6']
  if (ipv6 !== undefined && !isIPv6(ipv6))
    throw invalidInput(`AWS_INSTANCE_IPV6 "${ipv6}" is not an IPv6 address`)
  const port = attributes['AWS_INSTANCE_PORT']
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535))
    throw invalidInput(`AWS_INSTANCE_PORT "${port}" is not a port from 1 to 65535`)
  const health = attributes['AWS_INIT_HEALTH_STATUS']
  if (health !== undefined && health !== 'HEALTHY' && health !== 'UNHEALTHY')
    throw invalidInput(`AWS_INIT_HEALTH_STATUS "${health}" must be HEALTHY or UNHEALTHY`)
}

/**
 * Each record of the service needs its attribute: that is what goes into the answer.
 * @throws AwsError `InvalidInput`
 */
export function checkRecordAttributes(service: Service, attributes: Readonly<Record<string, string>>): void {
  if (attributes['AWS_ALIAS_DNS_NAME'] !== undefined) return
  for (const { type } of service.records)
    for (const keys of NEEDED[type])
      if (!keys.some((key) => attributes[key] !== undefined))
        throw invalidInput(`service ${service.name} has ${type} records: ${keys.join(' or ')} is needed`)
}

function checkSizes(attributes: Readonly<Record<string, string>>): void {
  let custom = 0
  let characters = 0
  for (const [key, value] of Object.entries(attributes)) {
    if (key.length > MAX_KEY || !KEY.test(key))
      throw invalidInput(`attribute key "${key.slice(0, 40)}" must be 1 to ${MAX_KEY} printable characters`)
    if (value.length > MAX_VALUE)
      throw invalidInput(`value of attribute ${key} has ${value.length} characters, at most ${MAX_VALUE}`)
    if (!VALUE.test(value)) throw invalidInput(`value of attribute ${key} must be printable characters`)
    if (key.startsWith('AWS_') && !AWS_KEYS.has(key))
      throw invalidInput(`attribute ${key}: keys that begin with AWS_ are reserved`)
    if (!AWS_KEYS.has(key)) custom++
    characters += key.length + value.length
  }
  if (custom > MAX_ATTRIBUTES) throw invalidInput(`${custom} custom attributes, at most ${MAX_ATTRIBUTES}`)
  if (characters > MAX_IN_ALL)
    throw invalidInput(`attributes have ${characters} characters in all, at most ${MAX_IN_ALL}`)
}

/** What Cloud Map knows of a service before anything is registered in it. */
import type { Service } from '@aws-sdk/client-servicediscovery'
import { parseServiceName } from '../../../discovery/service-name.ts'
import type { ServiceCalls } from './calls.ts'
import { isDenied, RegistrationError } from '../errors.ts'
import { isServiceId } from './limits.ts'

/** Records that a service can demand addresses for. */
export type RecordType = 'A' | 'AAAA' | 'SRV' | 'CNAME'

/** One service of Cloud Map. */
export interface ServiceFacts {
  /** `srv-…`, or the ARN where the option has one. */
  readonly id: string
  /** undefined: not known, since GetService is denied. */
  readonly records: readonly RecordType[] | undefined
  /** Largest TTL of its records, in ms; undefined: no records, or not known. */
  readonly ttlMs: number | undefined
  /** Whether it takes UpdateInstanceCustomHealthStatus. */
  readonly customHealth: boolean
}

/**
 * Finds a service, and reads it if the role may.
 * @throws RegistrationError
 */
export async function readService(calls: ServiceCalls): Promise<ServiceFacts> {
  const id = await serviceIdOf(calls)
  try {
    return await describeService(calls, id)
  } catch (error) {
    if (!isDenied(error)) throw error
    calls.reportDenied(error, 'TTL, records and custom health of the service are not known')
    return { id, records: undefined, ttlMs: undefined, customHealth: false }
  }
}

async function describeService(calls: ServiceCalls, id: string): Promise<ServiceFacts> {
  const { Service: service = {} } = await calls.call('GetService', { Id: id })
  calls.resource = service.Arn ?? calls.resource
  const records = service.DnsConfig?.DnsRecords ?? []
  const ttls = records.map(({ TTL = 0 }) => TTL * 1_000)
  return {
    id,
    records: records.map(({ Type }) => Type as RecordType),
    ttlMs: ttls.length === 0 ? undefined : Math.max(...ttls),
    customHealth: service.HealthCheckCustomConfig !== undefined,
  }
}

/**
 * The id of a service, or its ARN, if the option has one. A name, `orders.shop.local`, is looked for in whole lists
 * (ListNamespaces, ListServices): Cloud Map takes some two of them a second, account-wide, which is why ids are better.
 * @throws RegistrationError `unknown-service`
 */
export async function serviceIdOf(calls: ServiceCalls): Promise<string> {
  if (isServiceId(calls.service)) return calls.service
  const namespaces = await allPages(async (NextToken) => {
    const page = await calls.call('ListNamespaces', { MaxResults: 100, NextToken })
    return { items: page.Namespaces ?? [], next: page.NextToken }
  })
  const names = namespaces.map(({ Name = '' }) => Name)
  const { namespace, service: name } = parseServiceName(calls.service, names)
  const owner = namespaces.find(({ Name }) => Name === namespace)
  if (namespace === undefined || owner?.Id === undefined)
    throw new RegistrationError(
      calls.service,
      'unknown-service',
      `none of the ${names.length} Cloud Map namespaces of this account and Region is the end of this name`,
    )
  const Filters = [{ Name: 'NAMESPACE_ID' as const, Values: [owner.Id], Condition: 'EQ' as const }]
  const services = await allPages(async (NextToken) => {
    const page = await calls.call('ListServices', { MaxResults: 100, NextToken, Filters })
    return { items: page.Services ?? [], next: page.NextToken }
  })
  const found = services.find((service: Service) => service.Name?.toLowerCase() === name.toLowerCase())
  if (found?.Id === undefined)
    throw new RegistrationError(
      calls.service,
      'unknown-service',
      `namespace "${namespace}" has no service "${name}"`,
    )
  return found.Id
}

/** A list cannot be longer: 2,000 instances a namespace, and a server that repeats its token must not go on for ever. */
const MAX_PAGES = 100

/** All items of a List operation. */
export async function allPages<Item>(
  read: (
    token: string | undefined,
  ) => Promise<{ readonly items: readonly Item[]; readonly next: string | undefined }>,
): Promise<readonly Item[]> {
  const all: Item[] = []
  let token: string | undefined
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const { items, next } = await read(token)
    all.push(...items)
    if (next === undefined || next === '' || next === token) break
    token = next
  }
  return all
}

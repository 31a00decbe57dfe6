import { ResolutionFailedError } from '../../core/errors.ts'
import { MAX_WEIGHT, type Endpoint, type Snapshot } from '../endpoint.ts'
import type { ServiceName } from '../service-name.ts'

const A_DAY_MS = 86_400_000

/**
 * A resolver may be the user's own: what it returns is looked at before it is believed.
 * @param now on the clock
 * @throws ResolutionFailedError saying what is wrong with it
 */
export function validateSnapshot(snapshot: Snapshot, { host }: ServiceName, now: number): Snapshot {
  const wrong = faultOf(snapshot, now)
  if (wrong !== undefined)
    throw new ResolutionFailedError(host, `the resolver returned no snapshot: ${wrong}`)
  return snapshot
}

/**
 * As `validateSnapshot`, for a resolver that is not trusted: every field is checked. Its endpoints are tasks: only the user's
 * options name a load balancer, or the name by which an endpoint is called.
 * @throws ResolutionFailedError saying what is wrong with it
 */
export function validateTasks(snapshot: Snapshot, service: ServiceName, now: number): Snapshot {
  const wrong = restFaultOf(validateSnapshot(snapshot, service, now))
  if (wrong !== undefined)
    throw new ResolutionFailedError(service.host, `the resolver returned no snapshot of tasks: ${wrong}`)
  return snapshot
}

function faultOf(snapshot: Snapshot | undefined | null, now: number): string | undefined {
  if (typeof snapshot !== 'object' || snapshot === null) return `${String(snapshot)}, not an object`
  const { endpoints, expiresAt, refreshAt, complete } = snapshot
  if (!Array.isArray(endpoints)) return 'endpoints must be an array'
  if (typeof expiresAt !== 'number' || Number.isNaN(expiresAt)) return 'expiresAt must be a number'
  if (expiresAt !== Number.POSITIVE_INFINITY && expiresAt > now + A_DAY_MS) {
    return `expiresAt is ${Math.round((expiresAt - now) / A_DAY_MS)} days ahead: it counts on the client's clock, performance.now(), and not from 1970`
  }
  if (refreshAt !== undefined && !(typeof refreshAt === 'number' && !Number.isNaN(refreshAt)))
    return 'refreshAt must be a number'
  for (const [index, endpoint] of endpoints.entries()) {
    const fault = endpointFault(endpoint as Partial<Endpoint> | string | undefined)
    if (fault !== undefined) return `endpoints[${index}]${fault}`
  }
  // Left out, it would count as false: a sample, whose endpoints stay for three TTLs.
  return typeof complete === 'boolean' ? undefined : 'complete is neither true nor false'
}

/** What `faultOf` leaves: fields that only people read, or that only the user may set. */
function restFaultOf(snapshot: Snapshot): string | undefined {
  const { service, endpoints, source, revision, warning, awaitsPorts } = snapshot
  const { host } = (service as Partial<ServiceName> | undefined | null) ?? {}
  if (!isText(host)) return 'service is not what resolve() was given'
  if (!isText(source)) return 'source must be a string'
  if (revision !== undefined && typeof revision !== 'number') return 'revision must be a number'
  if (!isUnknownOrText(warning)) return 'warning must be a string'
  if (awaitsPorts !== undefined && typeof awaitsPorts !== 'boolean') return 'awaitsPorts must be a boolean'
  for (const [index, endpoint] of endpoints.entries()) {
    const fault = taskFault(endpoint)
    if (fault !== undefined) return `endpoints[${index}]${fault}`
  }
  return undefined
}

function taskFault({ tier, zone, id, origin, attributes }: Endpoint): string | undefined {
  if (tier !== 0) return '.tier is 1, and must be 0: the load balancer is the option "fallback"'
  if (origin !== undefined) return ".origin must be undefined: tasks are called by the caller's"
  if (!isUnknownOrText(zone)) return '.zone must be a string'
  if (!isUnknownOrText(id)) return '.id must be a string'
  return attributes === undefined || isRecordOfText(attributes)
    ? undefined
    : '.attributes must be an object of strings'
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function isUnknownOrText(value: unknown): boolean {
  return value === undefined || typeof value === 'string'
}

function endpointFault(endpoint: Partial<Endpoint> | string | undefined | null): string | undefined {
  if (typeof endpoint !== 'object' || endpoint === null) {
    const shown = typeof endpoint === 'string' ? JSON.stringify(endpoint) : String(endpoint)
    return ` is ${shown}; make it with taskEndpoint(address, { port })`
  }
  const { address, port, weight, tier } = endpoint
  if (typeof address !== 'string' || address === '') return '.address must be a string'
  if (port !== undefined && !(Number.isInteger(port) && port > 0 && port < 65_536))
    return '.port must be an integer from 1 to 65535'
  if (typeof weight !== 'number' || !(weight > 0 && weight <= MAX_WEIGHT)) {
    return `.weight must be a number above 0 and at most ${MAX_WEIGHT}`
  }
  return tier === 0 || tier === 1 ? undefined : '.tier is neither 0 (a task) nor 1 (the load balancer)'
}

function isRecordOfText(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Object.values(value).every((text) => typeof text === 'string')
}

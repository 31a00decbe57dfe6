import { ResolutionFailedError } from '../core/errors.ts'
import { HEAVIEST, type Endpoint, type Snapshot } from './endpoint.ts'
import type { ServiceName } from './service-name.ts'

const A_DAY_MS = 86_400_000

/**
 * A resolver may be the user's own: what it returns is looked at before it is believed.
 * @param now on the clock
 * @throws ResolutionFailedError saying what is wrong with it
 */
export function checkedSnapshot(snapshot: Snapshot, { host }: ServiceName, now: number): Snapshot {
  const wrong = faultOf(snapshot, now)
  if (wrong !== undefined)
    throw new ResolutionFailedError(host, `the resolver returned no snapshot: ${wrong}`)
  return snapshot
}

function faultOf(snapshot: Snapshot | undefined | null, now: number): string | undefined {
  if (typeof snapshot !== 'object' || snapshot === null) return `${String(snapshot)}, and no object`
  const { endpoints, expiresAt, complete } = snapshot
  if (!Array.isArray(endpoints)) return 'endpoints is no array'
  if (typeof expiresAt !== 'number' || Number.isNaN(expiresAt)) return 'expiresAt is no number'
  if (expiresAt !== Number.POSITIVE_INFINITY && expiresAt > now + A_DAY_MS) {
    return `expiresAt is ${Math.round((expiresAt - now) / A_DAY_MS)} days ahead: it counts on the client's clock, performance.now(), and not from 1970`
  }
  for (const [index, endpoint] of endpoints.entries()) {
    const fault = endpointFault(endpoint as Partial<Endpoint> | string | undefined)
    if (fault !== undefined) return `endpoints[${index}]${fault}`
  }
  // Left out, it would count as false: a sample, whose endpoints stay for three TTLs.
  return typeof complete === 'boolean' ? undefined : 'complete is neither true nor false'
}

function endpointFault(endpoint: Partial<Endpoint> | string | undefined | null): string | undefined {
  if (typeof endpoint !== 'object' || endpoint === null) {
    const told = typeof endpoint === 'string' ? JSON.stringify(endpoint) : String(endpoint)
    return ` is ${told}; make it with taskEndpoint(address, { port })`
  }
  const { address, port, weight } = endpoint
  if (typeof address !== 'string' || address === '') return '.address is no string'
  if (port !== undefined && !(Number.isInteger(port) && port > 0 && port < 65_536)) return '.port is no port'
  if (typeof weight !== 'number' || !(weight > 0 && weight <= HEAVIEST)) {
    return `.weight is no number above 0, up to ${HEAVIEST}`
  }
  return undefined
}

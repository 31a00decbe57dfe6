/** What holds of every set of endpoints, wherever it comes from. */
import { addressGuard, guarded } from '../../src/discovery/guard/address-guard.ts'
import { ResolutionFailedError } from '../../src/core/errors.ts'
import { validateSnapshot } from '../../src/discovery/guard/validate-snapshot.ts'
import type { Endpoint, Snapshot } from '../../src/discovery/endpoint.ts'
import { parseServiceName } from '../../src/discovery/service-name.ts'
import { NAME } from './dns-corpus.ts'

const SERVICE = parseServiceName(NAME, ['shop.local'])
const GUARD = addressGuard()

/**
 * Endpoints on the way that a client takes them: past the guard, into a snapshot.
 * @returns what is left; undefined when the guard or the check refuses all of it
 * @throws Error when something unsound came through
 */
export async function throughGuard(
  endpoints: readonly Endpoint[],
  source: string,
): Promise<Snapshot | undefined> {
  const snapshot: Snapshot = {
    service: SERVICE,
    endpoints,
    complete: true,
    expiresAt: 1000,
    source,
    revision: undefined,
  }
  const resolver = guarded({ resolve: () => Promise.resolve(snapshot) }, GUARD)
  let passed: Snapshot
  try {
    passed = await resolver.resolve(SERVICE, new AbortController().signal)
  } catch (error) {
    if (error instanceof ResolutionFailedError) return undefined
    throw error
  }
  for (const endpoint of passed.endpoints) {
    const fault = faultOf(endpoint)
    if (fault !== undefined) throw new Error(`${fault} of ${JSON.stringify(endpoint)}`)
  }
  // Else one endpoint would take the whole set down.
  return validateSnapshot(passed, SERVICE, 0)
}

function faultOf({ address, port, weight, tier }: Endpoint): string | undefined {
  if (GUARD.check(address) !== undefined) return 'address'
  if (port !== undefined && !(Number.isInteger(port) && port >= 1 && port <= 65_535)) return 'port'
  if (!(weight > 0 && Number.isFinite(weight))) return 'weight'
  return tier === 0 ? undefined : 'tier'
}

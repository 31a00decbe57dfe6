import { checkArray, checkRecord, checkString, keyPath } from '../core/check/check.ts'
import { InvalidOptionsError, ResolutionFailedError } from '../core/errors.ts'
import { parseAddressPort } from '../core/ip.ts'
import { taskEndpoint, type Endpoint } from './endpoint.ts'
import type { Resolver } from './resolver.ts'
import { canonicalHost } from './service-name.ts'

/**
 * Endpoints that the user wrote, for tests, development, and services outside of AWS. They never expire, and
 * no address guard stands before them.
 *
 *     staticResolver({ 'orders.shop.local': ['10.0.1.5:8080', '[2600:1f18::5]:8080', '10.0.1.7'] })
 *
 * @param services by host name; an address without a port is called on the port of the URL
 * @throws InvalidOptionsError if an entry is not an IP address with or without a port
 */
export function staticResolver(services: Readonly<Record<string, readonly string[]>>): Resolver {
  const byHost = new Map<string, readonly Endpoint[]>()
  for (const [host, addresses] of Object.entries(checkRecord('services', services))) {
    const path = keyPath('services', host)
    byHost.set(canonicalHost(host), checkArray(path, addresses, 'an array of addresses', checkEndpoint))
  }
  return {
    trusted: true,
    // oxlint-disable-next-line typescript/require-await -- what it throws must come as a rejection
    async resolve(service, signal) {
      signal.throwIfAborted()
      const endpoints = byHost.get(service.host)
      if (endpoints === undefined) {
        const known = [...byHost.keys()].join(', ')
        throw new ResolutionFailedError(service.host, `the static resolver knows ${known || 'no host'} only`)
      }
      return {
        service,
        endpoints,
        complete: true,
        expiresAt: Number.POSITIVE_INFINITY,
        source: 'static',
        revision: undefined,
      }
    },
  }
}

function checkEndpoint(path: string, value: unknown): Endpoint {
  const allowed = 'an IP address, with or without a port: "10.0.1.5:8080", "10.0.1.5", "[::1]:8080"'
  const parsed = parseAddressPort(checkString(path, value, allowed))
  if (parsed === undefined) throw new InvalidOptionsError(path, value, allowed)
  return taskEndpoint(parsed.address, { port: parsed.port })
}

import { InvalidOptionsError } from './core/errors.ts'
import { checkHost } from './discovery/service-name.ts'

/**
 * The host name of a service. Beside namespaces a name without a dot is no host that anybody calls: it is the service's
 * name alone, and what stands under it would never take effect.
 * @returns in its canonical form
 */
export function checkServiceHost(path: string, value: unknown, namespaces: readonly string[]): string {
  const host = checkHost(path, value)
  const [namespace] = namespaces
  if (namespace === undefined || host.includes('.')) return host
  throw new InvalidOptionsError(path, value, `a host name with its namespace, e.g. "${host}.${namespace}"`)
}

import { InvalidOptionsError } from '../core/errors.ts'
import { checkHost } from '../discovery/service-name.ts'

/**
 * The host name of a service. With namespaces configured, a name without a dot is a service's name without its namespace:
 * no URL has it as host, and its options would have no effect.
 * @returns in its canonical form
 */
export function checkServiceHost(path: string, value: unknown, namespaces: readonly string[]): string {
  const host = checkHost(path, value)
  const [namespace] = namespaces
  if (namespace === undefined || host.includes('.')) return host
  throw new InvalidOptionsError(path, value, `a host name with its namespace, e.g. "${host}.${namespace}"`)
}

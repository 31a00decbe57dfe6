import { checkString } from '../core/check/check.ts'
import { InvalidOptionsError } from '../core/errors.ts'

/** A discovered host, taken apart once: `orders.shop.local` is service `orders` in namespace `shop.local`. */
export interface ServiceName {
  /** Lower case, no trailing dot. The key of every cache. */
  readonly host: string
  /**
   * The part before the namespace; may hold dots and underscores. The whole host without a namespace. In the
   * case in which the options have it, since the Cloud Map API takes names of HTTP namespaces as they are.
   */
  readonly service: string
  /** undefined for a name that was configured as a service but lies in no namespace: DNS only. */
  readonly namespace: string | undefined
}

/** Lower case without a trailing dot: the form in which hosts are compared. */
export function canonicalHost(host: string): string {
  return withoutDot(host.toLowerCase())
}

// Letters, digits, hyphens and underscores in labels of up to 63, as Cloud Map and DNS have them.
const HOST_NAME =
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/

/** Whether it is a domain name, with or without a dot at its end, and not a URL, an address or anything else. */
export function isHost(value: unknown): value is string {
  return typeof value === 'string' && HOST_NAME.test(canonicalHost(value))
}

/** @returns the host in its canonical form */
export function checkHost(path: string, value: unknown): string {
  const allowed = 'a domain name, e.g. "shop.local"'
  const host = canonicalHost(checkString(path, value, allowed))
  if (!isHost(host)) throw new InvalidOptionsError(path, value, allowed)
  return host
}

const MAX_NAME_BYTES = 253
const MAX_LABEL_BYTES = 63

/** Whether a name can stand in a DNS message at all (RFC 1035 section 2.3.4); `dns-packet` does not look. */
export function isDnsName(name: string): boolean {
  return (
    Buffer.byteLength(name) <= MAX_NAME_BYTES &&
    name.split('.').every((label) => label !== '' && Buffer.byteLength(label) <= MAX_LABEL_BYTES)
  )
}

function withoutDot(host: string): string {
  return host.endsWith('.') ? host.slice(0, -1) : host
}

/**
 * Takes a host apart at the longest of `namespaces` that it ends in.
 * @param namespaces in any order and case
 */
export function parseServiceName(host: string, namespaces: readonly string[]): ServiceName {
  const written = withoutDot(host)
  const name = canonicalHost(host)
  let namespace: string | undefined
  for (const candidate of namespaces.map(withoutDot)) {
    const isUnder = name.endsWith(`.${candidate.toLowerCase()}`)
    if (isUnder && candidate.length > (namespace?.length ?? 0)) namespace = candidate
  }
  const service = namespace === undefined ? name : written.slice(0, -namespace.length - 1)
  return { host: name, service, namespace }
}

import { isIP } from 'node:net'

/** Host and port of an origin, as the `Host` header has them: `orders.shop.local:8443`. */
export function hostOf(origin: string): string {
  return origin.slice(origin.indexOf('//') + 2)
}

/** Host of an origin as the server name of TLS: without a trailing dot (RFC 6066 section 3). Empty for an IP address. */
export function servernameOf(origin: string): string {
  const name = hostOf(origin)
    .replace(/:\d+$/, '')
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
  return isIP(name) === 0 ? name : ''
}

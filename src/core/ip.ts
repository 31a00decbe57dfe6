import { isIP, isIPv4, isIPv6 } from 'node:net'

/** An IP literal (no brackets) with the port that was written beside it. */
export interface AddressPort {
  readonly address: string
  readonly port: number | undefined
}

const WITH_PORT = /^(?:\[(?<v6>[^\]]+)\]|(?<v4>[^:[\]]+))(?::(?<port>\d{1,5}))?$/

/**
 * Reads `10.0.0.2`, `10.0.0.2:5353`, `::1`, `[::1]` and `[::1]:5353`.
 * @returns undefined if it is not an IP literal, or if the port is outside 1 to 65535
 */
export function parseAddressPort(text: string): AddressPort | undefined {
  if (isIP(text) !== 0) return { address: text, port: undefined }
  const groups = WITH_PORT.exec(text)?.groups
  if (groups === undefined) return undefined
  const { v4, v6 } = groups
  const port = groups['port'] === undefined ? undefined : Number(groups['port'])
  if (port !== undefined && (port < 1 || port > 65_535)) return undefined
  if (v4 !== undefined && isIPv4(v4)) return { address: v4, port }
  if (v6 !== undefined && isIPv6(v6)) return { address: v6, port }
  return undefined
}

/** The way back: `10.0.0.2:53`, `[::1]:53`; without a port the bare literal. */
export function formatAddressPort(address: string, port: number | undefined): string {
  if (port === undefined) return address
  // Not isIPv6(): a thousand endpoints are distinguished by this with each answer, and nothing else has a colon.
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

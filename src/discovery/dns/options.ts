import { checkArray, checkOneOf, checkString, msFrom, numberIn } from '../../core/check/check.ts'
import { Section } from '../../core/check/section.ts'
import { systemClock, type Clock } from '../../core/clock.ts'
import { InvalidOptionsError } from '../../core/errors.ts'
import { parseDnsServer, type StubOptions } from './stub.ts'
import type { DnsServer } from './wire/transport.ts'

/** Discovery by DNS. Defaults in brackets; times in ms. */
export interface DnsOptions {
  /** Asked in this order: `10.0.0.2`, `127.0.0.1:5353`, `[::1]:53` [those of the machine]. */
  readonly servers?: readonly string[] | undefined
  /** How long a server may take for one try [1000]. */
  readonly timeoutMs?: number | undefined
  /** How often a silent server is asked, the others in between [2]. */
  readonly tries?: number | undefined
  /** [IPv4, and IPv6 for names that have no IPv4 address.] `dual`: all addresses of both. */
  readonly family?: 'ipv4' | 'ipv6' | 'dual' | undefined
  /**
   * [Addresses, and SRV records for names that have none or begin with `_`.] `a`: addresses only;
   * `srv`: SRV records only, which have ports.
   */
  readonly record?: 'a' | 'srv' | undefined
}

/** {@link DnsOptions}, complete and validated. */
export interface DnsSettings extends StubOptions {
  readonly family: 'auto' | 'ipv4' | 'ipv6' | 'dual'
  readonly record: 'auto' | 'a' | 'srv'
}

const DEFAULTS: DnsSettings = {
  servers: [],
  timeoutMs: 1000,
  tries: 2,
  family: 'auto',
  record: 'auto',
  clock: systemClock,
}

/** @throws InvalidOptionsError for options that are unknown or not allowed */
export function dnsSettings(options: DnsOptions & { readonly clock?: Clock | undefined }): DnsSettings {
  const dns = new Section('dns', options, DEFAULTS)
  return {
    servers: dns.read('servers', checkServers),
    timeoutMs: dns.read('timeoutMs', msFrom(1)),
    tries: dns.read('tries', numberIn({ min: 1, max: 10, integer: true })),
    family: dns.read('family', (path, value) => checkOneOf(path, value, ['ipv4', 'ipv6', 'dual'])),
    record: dns.read('record', (path, value) => checkOneOf(path, value, ['a', 'srv'])),
    clock: options.clock ?? systemClock,
  }
}

function checkServers(path: string, value: unknown): readonly DnsServer[] {
  const servers = checkArray(path, value, 'an array of servers', checkServer)
  if (servers.length === 0) throw new InvalidOptionsError(path, value, 'at least one server')
  return servers
}

function checkServer(path: string, value: unknown): DnsServer {
  const allowed = 'an IP address, with or without a port: "10.0.0.2", "127.0.0.1:5353", "[::1]:53"'
  const server = parseDnsServer(checkString(path, value, allowed))
  if (server === undefined) throw new InvalidOptionsError(path, value, allowed)
  return server
}

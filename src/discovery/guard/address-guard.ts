import { isIP, type BlockList } from 'node:net'
import { checkArray } from '../../core/check/check.ts'
import { checkCidr, familyOf, rangesOf } from '../../core/cidr.ts'
import { systemClock, type Clock } from '../../core/clock.ts'
import { InvalidOptionsError, ResolutionFailedError } from '../../core/errors.ts'
import { emit } from '../../core/events.ts'
import { validateTasks } from './validate-snapshot.ts'
import { embeddedIpv4 } from './embedded-ipv4.ts'
import type { Endpoint, Snapshot } from '../endpoint.ts'
import type { Resolver } from '../resolver.ts'
import type { ServiceName } from '../service-name.ts'

export interface AddressGuardOptions {
  /** Whether 127.0.0.0/8 and ::1 may be connected to [false]. */
  readonly allowLoopback?: boolean
  /** CIDRs or single addresses; whatever lies in none of them is refused too [all are allowed]. */
  readonly allowAddresses?: readonly string[]
}

/**
 * Decides which addresses from discovery may be connected to. Who can register an instance, or answer a
 * query, must not be able to send calls (and the headers in them) to this task's own credentials endpoint or
 * to what else listens next to it.
 */
export interface AddressGuard {
  /** Why an address is refused; undefined for one that may be connected to. */
  check(address: string): string | undefined
}

const LOOPBACK = 'loopback; allowLoopback permits it'

const REFUSED: readonly { readonly reason: string; readonly cidrs: readonly string[] }[] = [
  { reason: LOOPBACK, cidrs: ['127.0.0.0/8', '::1/128'] },
  // 169.254.169.254: instance metadata. 169.254.170.2: the credentials of this very task.
  { reason: 'link-local', cidrs: ['169.254.0.0/16', 'fe80::/10'] },
  // The same services over IPv6, in unique-local space: metadata (::254), EKS pod credentials (::23),
  // the resolver (::253), time (::123).
  { reason: "AWS's instance services", cidrs: ['fd00:ec2::/32'] },
  // RFC 1122 section 3.2.1.3: "this host on this network". Linux takes 0.0.0.0 and :: for loopback.
  { reason: 'unspecified', cidrs: ['0.0.0.0/8', '::/128'] },
  { reason: 'multicast', cidrs: ['224.0.0.0/4', 'ff00::/8'] },
  { reason: 'broadcast', cidrs: ['255.255.255.255/32'] },
]

/** No operator's prefix is part of these by accident: see `EmbeddedIpv4`. */
const NEVER_BY_ACCIDENT: ReadonlySet<string> = new Set([LOOPBACK, 'link-local'])

/**
 * @throws InvalidOptionsError for an entry of `allowAddresses` that is neither a CIDR nor an address
 */
export function addressGuard(options: AddressGuardOptions = {}): AddressGuard {
  const { allowLoopback = false, allowAddresses } = options
  const refused = REFUSED.filter(({ reason }) => !(allowLoopback && reason === LOOPBACK)).map(
    ({ reason, cidrs }) => ({ reason, list: rangesOf(cidrs.map((cidr) => checkCidr('', cidr))) }),
  )
  const allowed = allowAddresses === undefined ? undefined : allowList(allowAddresses)
  const reasonFor = (address: string, family: 'ipv4' | 'ipv6'): string | undefined =>
    refused.find(({ list }) => list.check(address, family))?.reason
  const reasonWithin = (address: string): string | undefined => {
    for (const embedded of embeddedIpv4(address)) {
      const reason = reasonFor(embedded.address, 'ipv4')
      if (reason !== undefined && (embedded.isCertain || NEVER_BY_ACCIDENT.has(reason))) return reason
    }
    return undefined
  }
  return {
    check(address) {
      // A zone id ("fe80::1%eth0") picks an interface of this machine: nothing that discovery could know.
      if (isIP(address) === 0 || address.includes('%')) return 'no IP address'
      const family = familyOf(address)
      // BlockList takes IPv4-mapped addresses (::ffff:a9fe:aa02) for the IPv4 addresses that they are.
      const reason = reasonFor(address, family) ?? (family === 'ipv6' ? reasonWithin(address) : undefined)
      if (reason !== undefined) return reason
      return allowed === undefined || allowed.check(address, family) ? undefined : 'outside allowAddresses'
    },
  }
}

/**
 * A resolver whose snapshots are validated and whose endpoints have passed the guard. `onehop:endpoint.refused` reports the
 * refused ones. The load balancer is the user's choice and not checked here. Rejects with a `ResolutionFailedError` if the
 * answer is not a snapshot, or if the guard refused all endpoints: an empty answer would be believed.
 */
export function guarded(resolver: Resolver, guard: AddressGuard, clock: Clock = systemClock): Resolver {
  return {
    async resolve(service, signal, reason) {
      const answer = await resolver.resolve(service, signal, reason)
      const snapshot = validateTasks(answer, service, clock.now())
      return withoutRefused(snapshot, service, guard)
    },
    usage: (service) => resolver.usage?.(service),
    close: () => resolver.close?.(),
  }
}

function withoutRefused(snapshot: Snapshot, { host }: ServiceName, guard: AddressGuard): Snapshot {
  const passed: Endpoint[] = []
  const refusals: string[] = []
  for (const endpoint of snapshot.endpoints) {
    const reason = guard.check(endpoint.address)
    if (reason === undefined) {
      passed.push(endpoint)
      continue
    }
    const { address } = endpoint
    refusals.push(`${address} (${reason})`)
    emit('onehop:endpoint.refused', () => ({ host, address, reason }))
  }
  if (refusals.length === 0) return snapshot
  if (passed.length > 0) return { ...snapshot, endpoints: passed }
  const [first] = refusals
  const others = refusals.length === 1 ? '' : ` and ${refusals.length - 1} more`
  throw new ResolutionFailedError(
    host,
    `discovery (${snapshot.source}) named only addresses that are never connected to: ${first}${others}`,
  )
}

function allowList(value: unknown): BlockList {
  const path = 'allowAddresses'
  const cidrs = checkArray(path, value, 'an array of CIDRs', checkCidr)
  // An empty list would refuse everything: never what a user means.
  if (cidrs.length === 0) throw new InvalidOptionsError(path, value, 'at least one CIDR')
  return rangesOf(cidrs)
}

/** Attempts that fail for what this process or its host lacks. They must not eject an upstream. */
import { errorCodeOf, isConnectFailure, type Outcome } from '../../core/outcome.ts'

/** No file descriptors or no memory for sockets: connections to every address fail. */
const OUT_OF_RESOURCES = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM'])

/**
 * The kernel of this host refuses the connection without sending a packet. The cause is the address (IPv6 is off, no
 * route, a rule forbids it) or this host (no ports are left, the network is down). EHOSTUNREACH is different: a router,
 * or silence after ARP, reports one address.
 */
const REFUSED_HERE = new Set(['EADDRNOTAVAIL', 'ENETUNREACH', 'ENETDOWN', 'EACCES', 'EPERM', 'EAFNOSUPPORT'])

/** Whether an attempt failed because this process is out of a resource. */
export function isOutOfResources(outcome: Outcome): boolean {
  return OUT_OF_RESOURCES.has(errorCodeOf(outcome))
}

/** Whether this host refused to connect, to this address or to any. */
export function isRefusedHere(outcome: Outcome): boolean {
  return isConnectFailure(outcome) && REFUSED_HERE.has(errorCodeOf(outcome))
}

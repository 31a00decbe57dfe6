/**
 * Attempts that fail for what this process or its host lacks, which must put no task out.
 */
import { isConnectFailure, type Outcome } from '../../core/outcome.ts'

/** No descriptors, no memory for sockets: every connection fails so, to whatever address. */
const OUT_OF_RESOURCES = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM'])

/**
 * The kernel of this host refuses the connection without asking anybody. That may be about the address (IPv6 is off
 * here, no route leads there, a rule forbids it), or about all of them (no ports are left, the network is down).
 * EHOSTUNREACH is none of these: a router says it, or silence after ARP, of one address.
 */
const REFUSED_HERE = new Set(['EADDRNOTAVAIL', 'ENETUNREACH', 'ENETDOWN', 'EACCES', 'EPERM', 'EAFNOSUPPORT'])

/** Whether an attempt failed because this process is out of something. */
export function isOutOfResources(outcome: Outcome): boolean {
  return OUT_OF_RESOURCES.has(codeOf(outcome))
}

/** Whether this host refused to connect, be it to this address or to any. */
export function isRefusedHere(outcome: Outcome): boolean {
  return isConnectFailure(outcome) && REFUSED_HERE.has(codeOf(outcome))
}

function codeOf(outcome: Outcome): string {
  return 'error' in outcome ? ((outcome.error as NodeJS.ErrnoException).code ?? '') : ''
}

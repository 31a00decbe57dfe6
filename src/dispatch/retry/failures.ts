import type { Upstream } from '../../cluster/upstream.ts'
import type { AttemptRecord } from '../../core/errors.ts'
import { errorCodeOf, isConnectFailure, type Outcome } from '../../core/outcome.ts'
import { isStreamReset, isTlsError } from '../error-kinds.ts'

/** The failed attempts of one call, and what they have in common. */
export class Failures {
  /** Upstreams that they went to, in order. */
  readonly tried: Upstream[] = []
  readonly records: AttemptRecord[] = []
  /** Until when `Retry-After` of each forbids another attempt there, on the clock; -Infinity: no header. */
  readonly #notBefore: number[] = []
  /** When each failed, on the clock. */
  readonly #failedAt: number[] = []

  add(upstream: Upstream, outcome: Outcome, now: number): void {
    this.tried.push(upstream)
    const askedMs = outcome.kind === 'response' ? outcome.retryAfterMs : undefined
    this.#notBefore.push(now + (askedMs ?? Number.NEGATIVE_INFINITY))
    this.#failedAt.push(now)
    this.records.push({ upstream: upstream.label, tier: upstream.endpoint.tier, outcome })
  }

  get count(): number {
    return this.records.length
  }

  /** The latest `Retry-After` of an upstream, on the clock: of any attempt that it answered, not only of the last. */
  notBefore(upstream: Upstream): number {
    return Math.max(...this.#notBefore.filter((_, index) => this.tried[index] === upstream))
  }

  /** When the last attempt began to which this upstream made no connection in time, on the clock; undefined: none did. */
  unconnectedSince(upstream: Upstream): number | undefined {
    const index = this.tried.lastIndexOf(upstream)
    const outcome = this.records[index]?.outcome
    if (outcome?.kind !== 'timeout' || outcome.phase !== 'connect') return undefined
    return (this.#failedAt[index] ?? 0) - outcome.latencyMs
  }

  /** Whether tasks may have gone that discovery still names: one took no connection, or those of two broke off. */
  get mayBeDepartures(): boolean {
    if (this.records.some(({ outcome }) => isConnectFailure(outcome))) return true
    return this.hasBrokenOffOnly && new Set(this.tried).size > 1
  }

  /** Whether a task did not answer on a port that discovery does not name. */
  get hasUnreachedPort(): boolean {
    return this.records.some(
      ({ tier, outcome }, index) =>
        tier === 0 && this.tried[index]?.endpoint.port === undefined && isUnreached(outcome),
    )
  }

  /** Whether all connections broke, as idle connections do that the other side has dropped. */
  get hasBrokenOffOnly(): boolean {
    return this.records.length > 0 && this.records.every(({ outcome }) => hasBrokenOff(outcome))
  }

  /** Whether two tasks failed with the same TLS error: so would a third, and only the load balancer may not. */
  get hasSameTlsError(): boolean {
    const codes = this.records.filter(({ tier }) => tier === 0).map(({ outcome }) => tlsCodeOf(outcome))
    return codes.some((code, index) => code !== undefined && codes.indexOf(code) < index)
  }
}

/** Nothing listens on the port, or no packet arrives. A wrong certificate comes from a port that answers. */
function isUnreached(outcome: Outcome): boolean {
  if (outcome.kind === 'timeout') return outcome.phase === 'connect'
  if (outcome.kind !== 'connect-error') return false
  return ['ECONNREFUSED', 'EHOSTUNREACH', 'ETIMEDOUT'].includes(errorCodeOf(outcome))
}

function hasBrokenOff(outcome: Outcome): boolean {
  if (outcome.kind === 'response') return outcome.connectionExpired === true
  if (outcome.kind !== 'transport-error' || outcome.ownFault === true) return false
  return !isStreamReset(outcome.error)
}

/** The code of a TLS error; undefined for any other failure. */
export function tlsCodeOf(outcome: Outcome): string | undefined {
  if (outcome.kind !== 'connect-error' || !isTlsError(outcome.error)) return undefined
  return (outcome.error as NodeJS.ErrnoException).code
}

import { LRUCache } from 'lru-cache'
import type { Clock } from '../core/clock.ts'
import { ClosedError, ResolutionFailedError } from '../core/errors.ts'
import { emit } from '../core/events.ts'
import { ApiStanding, failureOf } from './api-fallback.ts'
import { bareReason } from './bare-reason.ts'
import { CloudMapError } from './cloud-map/error.ts'
import type { Snapshot } from './endpoint.ts'
import { withHeadStart } from '../core/async/staggered.ts'
import type { Resolver } from './resolver.ts'
import type { ServiceName } from './service-name.ts'

export interface AutoOptions {
  /** The Cloud Map API: rejects with a `CloudMapError` where it knows why. Closed with this resolver. */
  readonly api: Resolver
  readonly dns: Resolver
  readonly clock: Clock
  /** How long a name is left to DNS before the API is asked again [60000]. */
  readonly retryApiMs?: number
  /** How long the API may fail for a name that it knew, before DNS is asked [60000]. */
  readonly outageMs?: number
  /** How long callers with nothing to go on wait for the API before DNS is asked beside it [1000]. */
  readonly headStartMs?: number
}

const MAX_NAMES = 1000

/**
 * The Cloud Map API where it can be used (it reports zones and ports, and changes show at once), DNS otherwise.
 *
 * - No credentials or region: DNS for all names. Denied, or a name that the API does not know: DNS for that
 *   name. Both are tried again after a minute.
 * - Throttled, broken, unreachable: DNS at once for a name that the API never answered for. If it has, the
 *   lookup fails, and the cache goes on with its last good set, which knows more than DNS does; after a minute
 *   of that DNS is asked, since tasks come and go.
 * - Slow with a name that it never answered for: after a second DNS is asked beside it, and the first to answer
 *   is believed.
 *
 * What the API reported of an address (port, zone, weight) holds for the same address out of DNS, so that no
 * connection is dropped on the way there or back. The events are `onehop:discovery.fell-back` and
 * `onehop:discovery.recovered`; the snapshot's `warning` has the reason.
 */
export function autoResolver(options: AutoOptions): Resolver {
  const { api, dns, clock, retryApiMs = 60_000, outageMs = 60_000, headStartMs = 1_000 } = options
  const standings = new LRUCache<string, ApiStanding>({
    max: MAX_NAMES,
    memoMethod: () => new ApiStanding({ retryApiMs, outageMs }),
  })
  const closing = new AbortController()
  /** Credentials are the same for all names. */
  let withoutCredentials: { readonly error: Error; readonly until: number } | undefined

  const askApi = async (service: ServiceName, signal: AbortSignal): Promise<Snapshot> => {
    const { host } = service
    const standing = standings.memo(host)
    const snapshot = await api.resolve(service, signal)
    standing.answered(snapshot)
    withoutCredentials = undefined
    if (standing.fellBack) {
      standing.fellBack = false
      emit('onehop:discovery.recovered', () => ({ host, from: 'dns', to: 'cloud-map' }))
    }
    return snapshot
  }

  /** Records a failure of the API. @returns whether DNS takes the lookup */
  const leaveToDns = (host: string, error: Error): boolean => {
    const standing = standings.memo(host)
    const now = clock.now()
    if (!standing.failed(error, now)) return false
    if (failureOf(error) === 'no-credentials' && standing.answer === undefined)
      withoutCredentials = { error, until: now + retryApiMs }
    if (!standing.fellBack) {
      standing.fellBack = true
      emit('onehop:discovery.fell-back', () => ({ host, from: 'cloud-map', to: 'dns', error }))
    }
    return true
  }

  /** What DNS says, in the light of what the API said. */
  const askDns = async (service: ServiceName, signal: AbortSignal): Promise<Snapshot> => {
    const { host } = service
    const standing = standings.memo(host)
    const why = standing.error ?? withoutCredentials?.error
    const fromDns = await dns.resolve(service, signal).catch((dnsError: unknown) => {
      if (signal.aborted || why === undefined) throw dnsError
      throw neitherKnows(host, why, dnsError)
    })
    if (why === undefined) return fromDns
    if (fromDns.endpoints.length === 0 && !standing.believesNothing())
      throw neitherKnows(host, why, new Error('knows no endpoints'))
    return {
      ...fromDns,
      endpoints: standing.completed(fromDns.endpoints),
      warning: `DNS is asked instead: ${bareReason(host, why)}`,
    }
  }

  /** When callers wait, with nothing to go on. */
  const askBoth = (service: ServiceName, signal: AbortSignal): Promise<Snapshot> => {
    const { host } = service
    let failure: Error | undefined
    return withHeadStart(
      { clock, headStartMs, signals: [signal, closing.signal] },
      (own) =>
        askApi(service, own).catch((cause: unknown) => {
          failure = asError(cause)
          if (!own.aborted) leaveToDns(host, failure)
          throw cause
        }),
      (own) => {
        const slow = `the Cloud Map API gave no answer in ${headStartMs} ms`
        if (failure === undefined) leaveToDns(host, new CloudMapError(host, 'outage', slow))
        return askDns(service, own)
      },
    )
  }

  return {
    async resolve(service, signal) {
      const { host, namespace } = service
      if (namespace === undefined) return dns.resolve(service, signal)
      const standing = standings.memo(host)
      const askAgainAt = Math.max(standing.askAgainAt, withoutCredentials?.until ?? standing.askAgainAt)
      if (clock.now() < askAgainAt) return askDns(service, signal)
      if (standing.answer === undefined) return askBoth(service, signal)
      try {
        return await askApi(service, signal)
      } catch (cause) {
        if (signal.aborted || !leaveToDns(host, asError(cause))) throw cause
        return askDns(service, signal)
      }
    },
    async close() {
      closing.abort(new ClosedError('the resolver'))
      await Promise.all([api.close?.(), dns.close?.()])
    },
  }
}

function asError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error(String(cause))
}

function neitherKnows(host: string, apiError: Error, dnsError: unknown): ResolutionFailedError {
  const reasons = `${bareReason(host, apiError)}; DNS: ${bareReason(host, dnsError)}`
  const both = new AggregateError([apiError, dnsError], 'neither the API nor DNS')
  return new ResolutionFailedError(host, `neither the Cloud Map API nor DNS knows: ${reasons}`, both)
}

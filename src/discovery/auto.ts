import { LRUCache } from 'lru-cache'
import type { Clock } from '../core/clock.ts'
import { ResolutionFailedError } from '../core/errors.ts'
import { emit } from '../core/events.ts'
import { bareReason } from './bare-reason.ts'
import { CloudMapError } from './cloud-map-error.ts'
import type { Snapshot } from './endpoint.ts'
import type { Resolver } from './resolver.ts'
import type { ServiceName } from './service-name.ts'

export interface AutoOptions {
  /** The Cloud Map API: rejects with a `CloudMapError` where it can tell why. Closed with this resolver. */
  readonly api: Resolver
  readonly dns: Resolver
  readonly clock: Clock
  /** How long a name is left to DNS after the API was denied or did not know it [60000]. */
  readonly retryApiMs?: number
}

/** What is known of one name's dealings with the API. */
interface ApiRecord {
  /** It has answered: the cache has a last good set to go on with. */
  answered: boolean
  /** The event that DNS is asked instead has been sent. */
  told: boolean
  askAgainAt: number
}

const MOST_NAMES = 1000

/**
 * The Cloud Map API where it can be used (it tells zones and ports, and changes show at once), DNS otherwise.
 *
 * - No credentials or region: DNS for all names. Denied, or a name that the API does not know: DNS for that
 *   name. Both are tried again after a minute, and told by `onehop:discovery.fell-back`, once a name.
 * - Throttled, broken, unreachable: DNS for this lookup if the API never answered for the name. If it has, the
 *   lookup fails, and the cache goes on with its last good set, which knows more than DNS does.
 */
export function autoResolver(options: AutoOptions): Resolver {
  const { api, dns, clock, retryApiMs = 60_000 } = options
  const records = new LRUCache<string, ApiRecord>({ max: MOST_NAMES })
  let credentialsAgainAt = Number.NEGATIVE_INFINITY

  const recordOf = (host: string): ApiRecord => {
    const known = records.get(host)
    if (known !== undefined) return known
    const record: ApiRecord = { answered: false, told: false, askAgainAt: Number.NEGATIVE_INFINITY }
    records.set(host, record)
    return record
  }

  const askApi = async (service: ServiceName, signal: AbortSignal): Promise<Snapshot> => {
    const record = recordOf(service.host)
    const snapshot = await api.resolve(service, signal)
    record.answered = true
    return snapshot
  }

  /** Whether to leave this lookup to DNS, noting for how long. */
  const shouldFallBack = (host: string, error: unknown): boolean => {
    const record = recordOf(host)
    const failure = error instanceof CloudMapError ? error.failure : 'outage'
    switch (failure) {
      case 'outage':
        return !record.answered
      case 'no-credentials':
        // Credentials that were there a while ago: an outage of what hands them out.
        if (record.answered) return false
        credentialsAgainAt = clock.now() + retryApiMs
        return true
      case 'denied':
      case 'unknown-name':
      case 'invalid-request':
        record.askAgainAt = clock.now() + retryApiMs
        return true
    }
  }

  const tell = (host: string, error: unknown): void => {
    const record = recordOf(host)
    if (record.told) return
    record.told = true
    const reason = error instanceof Error ? error : new Error(String(error))
    emit('onehop:discovery.fell-back', () => ({ host, from: 'cloud-map', to: 'dns', error: reason }))
  }

  return {
    async resolve(service, signal) {
      const { host, namespace } = service
      const againAt = Math.max(recordOf(host).askAgainAt, credentialsAgainAt)
      if (namespace === undefined || clock.now() < againAt) return dns.resolve(service, signal)
      try {
        return await askApi(service, signal)
      } catch (error) {
        if (signal.aborted || !shouldFallBack(host, error)) throw error
        tell(host, error)
        return await dns.resolve(service, signal).catch((dnsError: unknown) => {
          if (signal.aborted) throw dnsError
          const both = new AggregateError([error, dnsError], 'neither the API nor DNS')
          throw new ResolutionFailedError(
            host,
            `neither the Cloud Map API nor DNS can tell: ${bareReason(host, error)}; DNS: ${bareReason(host, dnsError)}`,
            both,
          )
        })
      }
    },
    async close() {
      await Promise.all([api.close?.(), dns.close?.()])
    },
  }
}

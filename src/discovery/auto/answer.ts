/** What callers get: what both sources say, what one of them says while the other fails, or why neither helps. */
import { ResolutionFailedError } from '../../core/errors.ts'
import { bareReason } from '../bare-reason.ts'
import { CloudMapError } from '../cloud-map/error.ts'
import type { Snapshot } from '../endpoint.ts'
import type { ServiceName } from '../service-name.ts'
import type { ApiStanding } from './api-fallback.ts'
import type { DnsStanding } from './dns-standing.ts'
import type { Picture } from './picture.ts'

/** As long as an answer of DNS may be fresh. */
const MAX_FRESH_MS = 60_000

/** What is known of one name. Times on the clock. */
export interface Known {
  readonly service: ServiceName
  readonly picture: Picture
  readonly api: ApiStanding
  /** Whether the API has answered, and was not given up. */
  readonly hasApi: boolean
  readonly apiDueAt: number
  /** Why the API does not answer; undefined while it does, or has not been asked to the end. */
  readonly apiError: Error | undefined
  readonly dns: DnsStanding
  readonly refreshAt: number
}

/** @throws ResolutionFailedError if neither source helps: the cache goes on with its last good set */
export function answerOf(known: Known, now: number): Snapshot {
  const { service, picture, api, hasApi, dns, apiDueAt, refreshAt } = known
  if (!hasApi || api.answer === undefined) return answerOfDns(known)
  const isWatched = dns.error === undefined && picture.isWatchedByDns
  if (api.error !== undefined && !isWatched) throw failureOfBoth(known, api.error)
  const expiresAt = isWatched && dns.answer !== undefined ? dns.answer.expiresAt : apiDueAt
  const why = dns.error === undefined ? undefined : bareReason(service.host, dns.error)
  return {
    ...api.answer,
    endpoints: picture.endpoints(),
    expiresAt: Math.min(expiresAt, now + MAX_FRESH_MS),
    refreshAt,
    warning: why === undefined ? undefined : `DNS fails, and the API is polled instead: ${why}`,
  }
}

/** What DNS says alone. */
function answerOfDns(known: Known): Snapshot {
  const { service, api, apiError, dns, refreshAt } = known
  if (dns.error !== undefined || dns.answer === undefined) {
    if (apiError !== undefined) throw failureOfBoth(known, apiError)
    throw dns.error ?? new ResolutionFailedError(service.host, 'no source has answered')
  }
  const endpoints = api.completed(dns.answer.endpoints)
  const isProof = dns.answer.endpoints.length === 0 && api.believesNothing()
  if (endpoints.length === 0 && !isProof) throw failureOfBoth(known, apiError ?? unanswered(service))
  const why = apiError === undefined ? undefined : bareReason(service.host, apiError)
  return {
    ...dns.answer,
    endpoints,
    refreshAt,
    warning: why === undefined ? undefined : `DNS is asked instead: ${why}`,
  }
}

function failureOfBoth({ service, dns }: Known, apiError: Error): Error {
  const { host } = service
  const dnsError = dns.error ?? (dns.answer === undefined ? undefined : new Error(lackOf(dns)))
  if (dnsError === undefined) return apiError
  const reasons = `${bareReason(host, apiError)}; DNS: ${bareReason(host, dnsError)}`
  const both = new AggregateError([apiError, dnsError], 'neither the API nor DNS')
  return new ResolutionFailedError(host, `neither the Cloud Map API nor DNS knows: ${reasons}`, both)
}

function lackOf({ namesTasks }: DnsStanding): string {
  return namesTasks ? 'does not show which instances match cloudMap.queryParameters' : 'knows no endpoints'
}

function unanswered({ host }: ServiceName): CloudMapError {
  return new CloudMapError(host, 'outage', 'the Cloud Map API has not answered')
}

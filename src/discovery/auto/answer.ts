/** What callers get: what both sources say, what one of them says while the other fails, or why neither helps. */
import { ResolutionFailedError } from '../../core/errors.ts'
import { bareReason } from '../bare-reason.ts'
import { CloudMapError } from '../cloud-map/error.ts'
import type { Snapshot } from '../endpoint.ts'
import type { ServiceName } from '../service-name.ts'
import type { ApiState } from './api-state.ts'
import type { DnsState } from './dns-state.ts'
import type { SourceMerger } from './source-merger.ts'

/** As long as an answer of DNS may be fresh. */
const MAX_FRESH_MS = 60_000

/** What both sources have said of one service. */
export interface Answers {
  readonly service: ServiceName
  readonly merger: SourceMerger
  readonly api: ApiState
  readonly dns: DnsState
  /** Whether the API has answered, and was not given up. */
  readonly hasApi: boolean
  /** When it is asked next, on the clock. */
  readonly apiDueAt: number
}

/** @throws ResolutionFailedError if neither source helps: the cache goes on with its last good set */
export function answerOf(answers: Answers, now: number): Snapshot {
  const { service, merger, api, dns, hasApi, apiDueAt } = answers
  if (!hasApi || api.answer === undefined) return answerOfDns(answers)
  const isWatched = dns.error === undefined && merger.isWatchedByDns
  if (api.error !== undefined && !isWatched) throw failureOfBoth(answers, api.error)
  const expiresAt = isWatched && dns.answer !== undefined ? dns.answer.expiresAt : apiDueAt
  const why = dns.error === undefined ? undefined : bareReason(service.host, dns.error)
  return {
    ...api.answer,
    endpoints: merger.endpoints(),
    expiresAt: Math.min(expiresAt, now + MAX_FRESH_MS),
    warning: why === undefined ? undefined : `DNS fails, and the API is polled instead: ${why}`,
  }
}

/** What DNS says alone. */
function answerOfDns(answers: Answers): Snapshot {
  const { service, api, dns } = answers
  const { reason } = api
  if (dns.error !== undefined || dns.answer === undefined) {
    if (reason !== undefined) throw failureOfBoth(answers, reason)
    throw dns.error ?? new ResolutionFailedError(service.host, 'no source has answered')
  }
  const endpoints = api.completed(dns.answer.endpoints)
  const isProof = dns.answer.endpoints.length === 0 && api.allowsEmpty()
  if (endpoints.length === 0 && !isProof) throw failureOfBoth(answers, reason ?? unanswered(service))
  const why = reason === undefined ? undefined : bareReason(service.host, reason)
  return {
    ...dns.answer,
    endpoints,
    warning: why === undefined ? undefined : `DNS is asked instead: ${why}`,
  }
}

function failureOfBoth({ service, dns }: Answers, apiError: Error): Error {
  const { host } = service
  const dnsError = dns.error ?? (dns.answer === undefined ? undefined : new Error(lackOf(dns)))
  if (dnsError === undefined) return apiError
  const reasons = `${bareReason(host, apiError)}; DNS: ${bareReason(host, dnsError)}`
  const both = new AggregateError([apiError, dnsError], 'neither the API nor DNS')
  return new ResolutionFailedError(host, `neither the Cloud Map API nor DNS knows: ${reasons}`, both)
}

function lackOf({ namesTasks }: DnsState): string {
  return namesTasks ? 'does not show which instances match cloudMap.queryParameters' : 'knows no endpoints'
}

function unanswered({ host }: ServiceName): CloudMapError {
  return new CloudMapError(host, 'outage', 'the Cloud Map API has not answered')
}

import { ResolutionFailedError, reasonOf } from '../../core/errors.ts'
import type { ServiceName } from '../service-name.ts'

/**
 * - `denied`: credentials are there, and not accepted or not allowed to
 * - `no-credentials`: credentials or region are missing
 * - `unknown-name`: the API knows no such namespace or service
 * - `invalid-request`: the API does not take what was asked (a name or parameter out of its rules)
 * - `outage`: throttling, 5xx, no connection, no answer in time; asking again may help at once
 */
export type CloudMapFailure = 'denied' | 'no-credentials' | 'unknown-name' | 'invalid-request' | 'outage'

/** A `ResolutionFailedError` with the reason, which `auto` decides by. */
export class CloudMapError extends ResolutionFailedError {
  readonly failure: CloudMapFailure

  constructor(host: string, failure: CloudMapFailure, message: string, cause?: unknown) {
    super(host, message, cause)
    this.failure = failure
  }
}

/** Codes of AWS Signature Version 4 and IAM, common to all of its APIs. */
const NOT_ALLOWED = /^(AccessDenied|NotAuthorized|OptInRequired|UnauthorizedOperation)/
const NOT_ACCEPTED =
  /^(UnrecognizedClient|InvalidClientTokenId|ExpiredToken|InvalidSignature|SignatureDoesNotMatch|IncompleteSignature|MissingAuthenticationToken|RequestTimeTooSkewed|RequestExpired)/
/** The last is of servers that are not AWS, and do not know all of its operations. */
const INVALID = /^(InvalidInput|Validation|SerializationException|UnknownOperation)/
const EXPIRED = /^(ExpiredToken|RequestExpired)/

/** Whether other credentials may do: these were good once. */
export function isExpired(error: unknown): boolean {
  return error instanceof Error && EXPIRED.test(error.name)
}

/** What went wrong with a call of `operation`, in terms of who can mend it. */
export function cloudMapError(service: ServiceName, operation: string, error: unknown): CloudMapError {
  const { host } = service
  if (error instanceof CloudMapError) return error
  const name = error instanceof Error ? error.name : ''
  const detail = name === '' || name === 'Error' ? reasonOf(error) : `${name}: ${reasonOf(error)}`
  if (NOT_ALLOWED.test(name))
    return new CloudMapError(
      host,
      'denied',
      `the Cloud Map API denies it (${detail}); the role of this task needs servicediscovery:${operation}`,
      error,
    )
  if (NOT_ACCEPTED.test(name))
    return new CloudMapError(
      host,
      'denied',
      `the Cloud Map API does not accept the credentials (${detail})`,
      error,
    )
  if (name === 'NamespaceNotFound')
    return new CloudMapError(
      host,
      'unknown-name',
      `Cloud Map knows no namespace "${service.namespace}"`,
      error,
    )
  if (name === 'ServiceNotFound')
    return new CloudMapError(
      host,
      'unknown-name',
      `Cloud Map knows no service "${service.service}" in namespace "${service.namespace}"`,
      error,
    )
  if (INVALID.test(name))
    return new CloudMapError(
      host,
      'invalid-request',
      `the Cloud Map API does not take the request (${detail})`,
      error,
    )
  return new CloudMapError(host, 'outage', `the Cloud Map API fails (${detail})`, error)
}

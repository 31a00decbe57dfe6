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

/** What the API, or the way to it, has thrown. */
export interface SdkFailure {
  readonly failure: CloudMapFailure
  /** `denied` because of the credentials themselves, and not because of what they allow. */
  readonly isUnaccepted: boolean
  /** AWS's name of the error, e.g. `ServiceNotFound`; empty for errors that are not AWS's. */
  readonly name: string
  /** For messages: name and text. */
  readonly detail: string
}

/** Sorts an error of the SDK by what can mend it. */
export function sdkFailure(error: unknown): SdkFailure {
  const given = error instanceof Error ? error.name : ''
  const name = given === 'Error' ? '' : given
  const detail = name === '' ? reasonOf(error) : `${name}: ${reasonOf(error)}`
  return { failure: failureOf(name), isUnaccepted: NOT_ACCEPTED.test(name), name, detail }
}

function failureOf(name: string): CloudMapFailure {
  if (NOT_ALLOWED.test(name) || NOT_ACCEPTED.test(name)) return 'denied'
  if (name === 'NamespaceNotFound' || name === 'ServiceNotFound') return 'unknown-name'
  return INVALID.test(name) ? 'invalid-request' : 'outage'
}

/** What went wrong with a call of `operation`, in terms of who can mend it. */
export function cloudMapError(service: ServiceName, operation: string, error: unknown): CloudMapError {
  if (error instanceof CloudMapError) return error
  const found = sdkFailure(error)
  return new CloudMapError(service.host, found.failure, messageOf(service, operation, found), error)
}

function messageOf(service: ServiceName, operation: string, found: SdkFailure): string {
  const { failure, isUnaccepted, name, detail } = found
  switch (failure) {
    case 'denied':
      return isUnaccepted
        ? `the Cloud Map API does not accept the credentials (${detail})`
        : `the Cloud Map API denies it (${detail}); the role of this task needs servicediscovery:${operation}`
    case 'unknown-name':
      return name === 'NamespaceNotFound'
        ? `Cloud Map knows no namespace "${service.namespace}"`
        : `Cloud Map knows no service "${service.service}" in namespace "${service.namespace}"`
    case 'invalid-request':
      return `the Cloud Map API does not take the request (${detail})`
    case 'no-credentials':
    case 'outage':
      return `the Cloud Map API fails (${detail})`
  }
}

import { sdkFailure } from '../../discovery/cloud-map/error.ts'
import { MissingConfigError } from '../../discovery/cloud-map/sdk-client.ts'
import { OnehopError, reasonOf } from '../../core/errors.ts'

/**
 * - `denied`: the role lacks the action, or the credentials are not accepted
 * - `no-credentials`: credentials or region are missing
 * - `unknown-service`: Cloud Map has no such service or namespace
 * - `invalid`: the service demands what this task does not have, Cloud Map does not take the instance, or the AWS SDK
 *   is not installed
 * - `conflict`: the id belongs to another task, or ECS itself registers this one; nothing was overwritten
 * - `full`: a quota of Cloud Map, such as 1,000 instances of a service
 * - `outage`: throttling, 5xx, silence, for as long as `registerMs`
 * - `operation-failed`: Cloud Map took the request, and its operation failed or did not end
 * - `not-ready`: the process did not become ready in time
 * - `cancelled`: deregistered, or aborted by `signal`, before it was registered
 */
export type RegistrationFailure =
  | 'denied'
  | 'no-credentials'
  | 'unknown-service'
  | 'invalid'
  | 'conflict'
  | 'full'
  | 'outage'
  | 'operation-failed'
  | 'not-ready'
  | 'cancelled'

/** Facts of a `RegistrationError`. */
export interface RegistrationFacts {
  /** IAM action that was refused, e.g. `servicediscovery:RegisterInstance`. */
  readonly action?: string | undefined
  /** What the action is needed on: the ARN of the service, or `*`. */
  readonly resource?: string | undefined
  /** Cloud Map's code of an operation that failed, e.g. `RESOURCE_LIMIT_EXCEEDED`. */
  readonly operationError?: string | undefined
  /** The reason. */
  readonly cause?: unknown
}

/** This process could not be registered in Cloud Map, or not be deregistered. */
export class RegistrationError extends OnehopError {
  readonly code = 'ONEHOP_REGISTRATION_FAILED'
  /** What kind of failure, to switch on. */
  readonly failure: RegistrationFailure
  /** Service as the option has it: `srv-…`, an ARN or a name. */
  readonly service: string
  /** IAM action that was refused; undefined for other failures. */
  readonly action: string | undefined
  /** What the action is needed on; undefined for other failures. */
  readonly resource: string | undefined
  /** Cloud Map's code of an operation that failed; undefined for other failures. */
  readonly operationError: string | undefined

  constructor(
    service: string,
    failure: RegistrationFailure,
    reason: string,
    { action, resource, operationError, cause }: RegistrationFacts = {},
  ) {
    super('ONEHOP_REGISTRATION_FAILED', `${service}: ${reason}`, cause)
    this.failure = failure
    this.service = service
    this.action = action
    this.resource = resource
    this.operationError = operationError
  }
}

/** Why a registration ended that its owner ended. */
export function cancelled(service: string): RegistrationError {
  return new RegistrationError(service, 'cancelled', 'deregistered before it was registered')
}

/** AWS's name of the error behind this one, e.g. `InstanceNotFound`; empty if there is none. */
export function awsName(error: unknown): string {
  return error instanceof RegistrationError ? sdkFailure(error.cause).name : ''
}

/** Whether one permission is missing: not so where the credentials themselves are not accepted. */
export function isDenied(error: unknown): error is RegistrationError {
  return error instanceof RegistrationError && error.failure === 'denied' && error.action !== undefined
}

/** What the SDK adds to its errors. */
interface SdkMetadata {
  readonly httpStatusCode?: number
  readonly clockSkewCorrected?: boolean
}

function metadataOf({ cause }: RegistrationError): SdkMetadata | undefined {
  return ((cause ?? {}) as { readonly $metadata?: SdkMetadata }).$metadata
}

/** No connection: nothing was sent. */
const UNSENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'])

/** Whether Cloud Map is known not to have acted: a 5xx, or silence, says nothing about that. */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof RegistrationError)) return false
  if (error.cause instanceof MissingConfigError) return true
  const { code = '' } = (error.cause ?? {}) as { readonly code?: string }
  const status = metadataOf(error)?.httpStatusCode ?? 0
  return UNSENT.has(code) || (status >= 400 && status < 500)
}

/** Answers that say how things stand: the same request has the same answer, unless something else is done first. */
const FINAL: ReadonlySet<string> = new Set(['DuplicateRequest', 'InstanceNotFound', 'CustomHealthNotFound'])

/** Whether the same request may succeed a moment later. */
export function isRetriable(error: unknown): boolean {
  if (!(error instanceof RegistrationError) || FINAL.has(awsName(error))) return false
  if (error.failure === 'outage' || error.failure === 'full') return true
  if (error.cause instanceof MissingConfigError) return error.cause.isTransient
  // The SDK has set its clock by the answer, and signs the next request by it.
  return metadataOf(error)?.clockSkewCorrected === true
}

const REMEDIES: Readonly<Record<MissingConfigError['missing'], string>> = {
  region: 'set AWS_REGION or cloudMap.region',
  credentials: 'give the task a role, or set cloudMap.credentials',
}

/** AWS names both in the text of `AccessDeniedException`, where it says so much. */
const DENIED_ACTION = /perform:? ([\w-]+:\w+)/
const DENIED_RESOURCE = /on resource:? (arn:[^\s,;]+|\*)/

/**
 * What went wrong with a call of Cloud Map, as a `RegistrationError`.
 * @param resource what IAM checks the operation on
 */
export function registrationError(
  service: string,
  operation: string,
  resource: string,
  error: unknown,
): RegistrationError {
  const fail = (
    failure: RegistrationFailure,
    reason: string,
    facts: RegistrationFacts = {},
  ): RegistrationError => new RegistrationError(service, failure, reason, { ...facts, cause: error })
  if (error instanceof MissingConfigError)
    return fail('no-credentials', `${error.message}; ${REMEDIES[error.missing]}`)
  if (isMissingModule(error))
    return fail(
      'invalid',
      `the AWS SDK cannot be loaded; install @aws-sdk/client-servicediscovery beside this program, or bundle it (${reasonOf(error)})`,
    )
  const { failure, isUnaccepted, name, detail } = sdkFailure(error)
  switch (failure) {
    case 'denied': {
      if (isUnaccepted) return fail('denied', `Cloud Map does not accept the credentials (${detail})`)
      const action = DENIED_ACTION.exec(detail)?.[1] ?? `servicediscovery:${operation}`
      const on = DENIED_RESOURCE.exec(detail)?.[1] ?? resource
      const needs = `the role of this task needs ${action} on ${on}`
      return fail('denied', `Cloud Map denies ${operation}; ${needs} (${detail})`, { action, resource: on })
    }
    case 'unknown-name':
      return fail('unknown-service', `Cloud Map has no such service in this account and Region (${detail})`)
    case 'invalid-request':
      return fail('invalid', `Cloud Map does not take ${operation} (${detail})`)
    // Missing credentials are a `MissingConfigError`.
    case 'no-credentials':
    case 'outage':
      return fail(name === 'ResourceLimitExceeded' ? 'full' : 'outage', `${operation} fails (${detail})`)
  }
}

/** By `import`, or by `require` in a bundle. */
function isMissingModule(error: unknown): boolean {
  const { code } = Object(error) as { readonly code?: unknown }
  return code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND'
}

/**
 * A failure that no code of the program asks for: a warning of the process shows it on stderr. Without the code in the
 * message: Node writes it before each warning.
 */
export function warn(error: Error, consequence = ''): void {
  const message = error.message.replace(/^\[\w+\] /, '') + consequence
  process.emitWarning(message, { code: 'ONEHOP_REGISTRATION_FAILED' })
}

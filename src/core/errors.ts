import { describeGiven, NO_SUCH_OPTION, withoutSecrets } from './check/given.ts'
import { describeAttempts, type AttemptRecord } from './error-text/describe-attempts.ts'
import { isError, reasonOf } from './error-text/reason-of.ts'
import { tlsAdvice } from './error-text/tls-advice.ts'

export { reasonOf }
export type { AttemptRecord }

/** What every error of this library is: a literal `code` to switch on, the facts in the message, a `cause`. */
export abstract class OnehopError extends Error {
  /** Stable name of the error, e.g. `ONEHOP_NO_ENDPOINTS`. */
  abstract readonly code: string

  /** Used by subclasses. The message becomes `[code] message`. */
  constructor(code: string, message: string, cause?: unknown) {
    super(`[${code}] ${message}`, cause === undefined ? undefined : { cause })
  }

  /** Name of the class, e.g. `NoEndpointsError`. */
  override get name(): string {
    return this.constructor.name
  }
}

/**
 * An option is unknown, of the wrong kind, or out of range. Thrown at once, by the function that takes the options. The
 * message shows neither secrets nor the contents of objects.
 */
export class InvalidOptionsError extends OnehopError {
  readonly code = 'ONEHOP_INVALID_OPTIONS'
  /** Path of the option, e.g. `services["orders.shop.local"].retry.attempts`. */
  readonly option: string

  /**
   * @param given the value, or `NO_SUCH_OPTION`
   * @param allowed everything that is accepted, e.g. `an integer from 1 to 10`; for `NO_SUCH_OPTION` what to do instead
   */
  constructor(option: string, given: unknown, allowed: string) {
    const path = withoutSecrets(option)
    const problem =
      given === NO_SUCH_OPTION
        ? `no such option; ${allowed}`
        : `got ${describeGiven(option, given)}; allowed: ${allowed}`
    super('ONEHOP_INVALID_OPTIONS', `${path}: ${problem}`)
    this.option = path
  }
}

/** Discovery could not find the endpoints of a service: timeouts, SERVFAIL, denied API calls, unreadable answers. */
export class ResolutionFailedError extends OnehopError {
  readonly code = 'ONEHOP_RESOLUTION_FAILED'
  /** Host of the service. */
  readonly host: string

  constructor(host: string, reason: string, cause?: unknown) {
    super('ONEHOP_RESOLUTION_FAILED', `${host}: ${reason}`, cause)
    this.host = host
  }
}

/** Discovery works, but no endpoint can take the call. The message says how many there are and why not. */
export class NoEndpointsError extends OnehopError {
  readonly code = 'ONEHOP_NO_ENDPOINTS'
  /** Host of the service. */
  readonly host: string

  constructor(host: string, reason: string, cause?: unknown) {
    super('ONEHOP_NO_ENDPOINTS', `${host}: ${reason}`, cause)
    this.host = host
  }
}

/** `maxPending` is reached: the call was refused at once, and nothing was sent. */
export class OverloadedError extends OnehopError {
  readonly code = 'ONEHOP_OVERLOADED'
  /** Host of the service. */
  readonly host: string

  constructor(host: string, reason: string) {
    super('ONEHOP_OVERLOADED', `${host}: ${reason}`)
    this.host = host
  }
}

/** A call waited for a connection that other calls of this client held all the time. Nothing was sent. */
export class QueueTimeoutError extends OnehopError {
  readonly code = 'ONEHOP_QUEUE_TIMEOUT'
  /** Host of the service. */
  readonly host: string
  /** `10.0.11.42:8080` */
  readonly upstream: string

  /** @param shortage what there was too little of, and which option has more */
  constructor(host: string, upstream: string, waitedMs: number, shortage: string) {
    super(
      'ONEHOP_QUEUE_TIMEOUT',
      `${host}: nothing was sent to ${upstream} within ${waitedMs} ms (timeouts.queueMs): ${shortage}`,
    )
    this.host = host
    this.upstream = upstream
  }
}

/** What explains that all attempts of a call failed, beside the attempts. */
interface ExhaustedContext {
  /** The scheme's default, which was tried since nothing names the port of the tasks. */
  readonly assumedPort?: number | undefined
  /** Why discovery does not name it. */
  readonly warning?: string | undefined
  /** Why the load balancer alone was tried. */
  readonly noTask?: string | undefined
}

/** The last attempt of a call failed with an error (the `cause`), and no further one was allowed. */
export class AttemptsExhaustedError extends OnehopError {
  readonly code = 'ONEHOP_ATTEMPTS_EXHAUSTED'
  /** Host of the service. */
  readonly host: string
  /** Every attempt of the call, in order. */
  readonly attempts: readonly AttemptRecord[]

  /** @param context what else explains the failure */
  constructor(
    host: string,
    why: string,
    attempts: readonly AttemptRecord[],
    cause: unknown,
    context: ExhaustedContext = {},
  ) {
    const count = `${attempts.length} ${attempts.length === 1 ? 'attempt' : 'attempts'} failed, ${why}`
    const advice = [noTaskTried(context), portAdvice(context), tlsAdvice(attempts)].filter(
      (text) => text !== undefined,
    )
    super(
      'ONEHOP_ATTEMPTS_EXHAUSTED',
      [`${host}: ${count} (${describeAttempts(attempts)})`, ...advice].join('. '),
      cause,
    )
    this.host = host
    this.attempts = attempts
  }
}

function noTaskTried({ noTask }: ExhaustedContext): string | undefined {
  return noTask === undefined ? undefined : `No task was tried: ${noTask}`
}

function portAdvice({ assumedPort, warning }: ExhaustedContext): string | undefined {
  if (assumedPort === undefined) return undefined
  const why = warning === undefined ? '' : ` (${warning})`
  return `Port ${assumedPort} is the default of the scheme, tried because neither discovery nor the URL names a port${why}: set the option port to the port of the tasks`
}

/** A call's deadline was over before its response was there to the last byte, whatever the number of attempts. */
export class DeadlineExceededError extends OnehopError {
  readonly code = 'ONEHOP_DEADLINE_EXCEEDED'
  /** Host of the service. */
  readonly host: string
  /** That of the last attempt, `10.0.11.42:8080`; undefined where none was begun. */
  readonly upstream: string | undefined

  /** @param status of the response that was being read; 0: there was none yet */
  constructor(host: string, deadlineMs: number, attempts: number, upstream?: string, status = 0) {
    const begun = `${attempts} ${attempts === 1 ? 'attempt' : 'attempts'} begun`
    const last = upstream === undefined ? '' : `${attempts > 1 ? ', the last' : ''} on ${upstream}`
    const what = status === 0 ? 'no response' : `the response (${status}) was not complete`
    super('ONEHOP_DEADLINE_EXCEEDED', `${host}: ${what} within ${deadlineMs} ms (${begun}${last})`)
    this.host = host
    this.upstream = upstream
  }
}

/** The client, or the part of it that was used, has been closed. */
export class ClosedError extends OnehopError {
  readonly code = 'ONEHOP_CLOSED'

  constructor(what: string) {
    super('ONEHOP_CLOSED', `${what} is closed`)
  }
}

/** What was thrown, or an error with it as its `cause`: anything can be thrown. */
export function asError(thrown: unknown): Error {
  return isError(thrown) ? thrown : new Error(reasonOf(thrown), { cause: thrown })
}

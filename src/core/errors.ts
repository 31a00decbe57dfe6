import type { Outcome } from './outcome.ts'

/** What every error of this library is: a literal `code` to switch on, the facts in the message, a `cause`. */
export abstract class OnehopError extends Error {
  abstract readonly code: string

  constructor(code: string, message: string, cause?: unknown) {
    super(`[${code}] ${message}`, cause === undefined ? undefined : { cause })
  }

  override get name(): string {
    return this.constructor.name
  }
}

/** An option is unknown, of the wrong kind, or out of range. Thrown at once, by whatever takes the options. */
export class InvalidOptionsError extends OnehopError {
  readonly code = 'ONEHOP_INVALID_OPTIONS'
  /** Path of the option, e.g. `services["orders.shop.local"].retry.attempts`. */
  readonly option: string

  /** @param allowed what would have been accepted, e.g. `an integer from 1 to 10` */
  constructor(option: string, given: unknown, allowed: string) {
    super('ONEHOP_INVALID_OPTIONS', `${option}: got ${describe(given)}; allowed: ${allowed}`)
    this.option = option
  }
}

/** Discovery could not tell where a service is: timeouts, SERVFAIL, denied API calls, unreadable answers. */
export class ResolutionFailedError extends OnehopError {
  readonly code = 'ONEHOP_RESOLUTION_FAILED'
  readonly host: string

  constructor(host: string, reason: string, cause?: unknown) {
    super('ONEHOP_RESOLUTION_FAILED', `${host}: ${reason}`, cause)
    this.host = host
  }
}

/** Discovery works, but no endpoint can take the call. The message says how many there are and why not. */
export class NoEndpointsError extends OnehopError {
  readonly code = 'ONEHOP_NO_ENDPOINTS'
  readonly host: string

  constructor(host: string, reason: string, cause?: unknown) {
    super('ONEHOP_NO_ENDPOINTS', `${host}: ${reason}`, cause)
    this.host = host
  }
}

/** `maxPending` is reached: the call was refused at once, and nothing was sent. */
export class OverloadedError extends OnehopError {
  readonly code = 'ONEHOP_OVERLOADED'
  readonly host: string

  constructor(host: string, reason: string) {
    super('ONEHOP_OVERLOADED', `${host}: ${reason}`)
    this.host = host
  }
}

/** A call waited for a connection that other calls of this client held all the time. Nothing was sent. */
export class QueueTimeoutError extends OnehopError {
  readonly code = 'ONEHOP_QUEUE_TIMEOUT'
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

/** One try of a call, as it is told in errors and events. */
export interface AttemptRecord {
  /** `10.0.11.42:8080` or `[2a05::1]:8080`. */
  readonly upstream: string
  readonly tier: 0 | 1
  readonly outcome: Outcome
}

/** The last attempt of a call failed with an error (the `cause`), and no further one was allowed. */
export class AttemptsExhaustedError extends OnehopError {
  readonly code = 'ONEHOP_ATTEMPTS_EXHAUSTED'
  readonly host: string
  readonly attempts: readonly AttemptRecord[]

  constructor(host: string, why: string, attempts: readonly AttemptRecord[], cause: unknown) {
    const told = attempts.map((attempt) => `${attempt.upstream} ${describeOutcome(attempt.outcome)}`)
    super(
      'ONEHOP_ATTEMPTS_EXHAUSTED',
      `${host}: ${attempts.length} ${attempts.length === 1 ? 'attempt' : 'attempts'} failed, ${why} (${told.join('; ')})`,
      cause,
    )
    this.host = host
    this.attempts = attempts
  }
}

/** A call's deadline was over before its response was there to the last byte, whatever the number of attempts. */
export class DeadlineExceededError extends OnehopError {
  readonly code = 'ONEHOP_DEADLINE_EXCEEDED'
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

/** `connection refused`, `503 in 4 ms`, `no headers in 250 ms`: an outcome for people. */
export function describeOutcome(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'response':
      return `${outcome.status} in ${Math.round(outcome.latencyMs)} ms`
    case 'connect-error':
      return `connect: ${reasonOf(outcome.error)}`
    case 'transport-error':
      return `${outcome.sent ? 'broke off' : 'broke off before anything was sent'}: ${reasonOf(outcome.error)}`
    case 'timeout':
      return `no ${outcome.phase === 'connect' ? 'connection' : outcome.phase} in ${Math.round(outcome.latencyMs)} ms`
    case 'queue-timeout':
      return `waited ${Math.round(outcome.waitedMs)} ms behind other calls of this client`
    case 'cancelled':
      return 'cancelled'
  }
}

/** An error's code where it has one, since that is what operators search for; its message else. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = (error as NodeJS.ErrnoException).code
  if (code !== undefined && !error.message.includes(code)) return `${code} ${error.message}`
  return error.message === '' ? error.name : error.message
}

function describe(value: unknown): string {
  if (value === undefined) return 'undefined'
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'number') return String(value)
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch {
    text = undefined
  }
  if (text === undefined) return Object.prototype.toString.call(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}

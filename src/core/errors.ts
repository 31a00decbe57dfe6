import { describeGiven, withoutSecrets, withoutUserInfo } from './check/given.ts'
import type { Outcome } from './outcome.ts'
import { tlsAdvice } from './tls-advice.ts'

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

/** Stands for the value of an unknown option, which can be anything, a secret too, and is not shown. */
export const NO_SUCH_OPTION: unique symbol = Symbol('no such option')

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

/** One try of a call, as errors and events report it. */
export interface AttemptRecord {
  /** `10.0.11.42:8080` or `[2a05::1]:8080`. */
  readonly upstream: string
  /** 0: a task. 1: the load balancer. */
  readonly tier: 0 | 1
  /** How it ended. */
  readonly outcome: Outcome
}

/** The last attempt of a call failed with an error (the `cause`), and no further one was allowed. */
export class AttemptsExhaustedError extends OnehopError {
  readonly code = 'ONEHOP_ATTEMPTS_EXHAUSTED'
  /** Host of the service. */
  readonly host: string
  /** Every attempt of the call, in order. */
  readonly attempts: readonly AttemptRecord[]

  /** @param assumedPort the scheme's default, which was tried since nothing names the port of the tasks */
  constructor(
    host: string,
    why: string,
    attempts: readonly AttemptRecord[],
    cause: unknown,
    assumedPort?: number,
  ) {
    const count = `${attempts.length} ${attempts.length === 1 ? 'attempt' : 'attempts'} failed, ${why}`
    const advice = [portAdvice(assumedPort), tlsAdvice(attempts)].filter((text) => text !== undefined)
    super(
      'ONEHOP_ATTEMPTS_EXHAUSTED',
      [`${host}: ${count} (${describeAttempts(attempts)})`, ...advice].join('. '),
      cause,
    )
    this.host = host
    this.attempts = attempts
  }
}

function portAdvice(assumedPort: number | undefined): string | undefined {
  if (assumedPort === undefined) return undefined
  return `Port ${assumedPort} is the default of the scheme, tried because neither discovery nor the URL names a port: set the option port to the port of the tasks`
}

/** Attempts in a row with the same outcome are one entry: `10.0.11.42:8080, 10.0.12.7:8080: connect ECONNREFUSED`. */
function describeAttempts(attempts: readonly AttemptRecord[]): string {
  const groups: { readonly places: Map<string, number>; readonly outcome: string }[] = []
  for (const { upstream, tier, outcome } of attempts) {
    const text = describeOutcome(outcome, upstream)
    const place = tier === 1 ? `load balancer ${upstream}` : upstream
    let group = groups.at(-1)
    if (group?.outcome !== text) {
      group = { places: new Map(), outcome: text }
      groups.push(group)
    }
    group.places.set(place, (group.places.get(place) ?? 0) + 1)
  }
  return groups.map(({ places, outcome }) => `${describePlaces(places)}: ${outcome}`).join('; ')
}

function describePlaces(places: ReadonlyMap<string, number>): string {
  return Array.from(places, ([place, times]) => (times === 1 ? place : `${place} (${times} times)`)).join(
    ', ',
  )
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

/**
 * `connect ECONNREFUSED`, `503 in 4 ms`, `no headers in 250 ms`: an outcome for people.
 * @param upstream its address is part of the message already, and is left out here
 */
function describeOutcome(outcome: Outcome, upstream: string): string {
  switch (outcome.kind) {
    case 'response':
      return `${outcome.status} in ${Math.round(outcome.latencyMs)} ms`
    case 'connect-error': {
      const reason = reasonAt(outcome.error, upstream)
      return reason.startsWith('connect ') ? reason : `connect: ${reason}`
    }
    case 'transport-error': {
      const reason = reasonAt(outcome.error, upstream)
      return `${outcome.sent ? 'broke off' : 'broke off before anything was processed'}: ${reason}`
    }
    case 'timeout':
      return `no ${outcome.phase === 'connect' ? 'connection' : outcome.phase} in ${Math.round(outcome.latencyMs)} ms`
    case 'queue-timeout':
      return `waited ${Math.round(outcome.waitedMs)} ms behind other calls of this client`
    case 'cancelled':
      return 'cancelled'
  }
}

/** Node ends the messages of connections with the address. */
function reasonAt(error: Error, upstream: string): string {
  return reasonOf(error).replace(` ${upstream}`, '')
}

/** An error's code where it has one, since that is what operators search for; its message else. In one line. */
export function reasonOf(error: unknown): string {
  try {
    if (!(error instanceof Error)) return withoutUserInfo(String(error))
    const { code } = error as NodeJS.ErrnoException
    const message = messageOf(error)
    if (message === '') return code ?? error.name
    return code !== undefined && !message.includes(code) ? `${code} ${message}` : message
  } catch {
    // Anything can be thrown, also an object that has no text.
    return 'an error without text'
  }
}

/** Node's advice on certificates is of no use here, where the connection has options of its own. */
const NODES_ADVICE = /; if the root CA is installed locally, try running Node\.js with --use-system-ca$/

function messageOf(error: Error): string {
  // OpenSSL's own: file names, line numbers, and a line break.
  const { reason } = error as { reason?: unknown }
  if (typeof reason === 'string' && /error:[0-9A-F]{8}:/.test(error.message)) return reason
  return withoutUserInfo(error.message.replaceAll(/\s+/g, ' ').trim().replace(NODES_ADVICE, ''))
}

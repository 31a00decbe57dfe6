/** One call as plain data: what `--json` prints, and the text shows. Times in ms. */
import type { Outcome } from '../../index.ts'
import { reasonOf } from '../../core/errors.ts'
import { inCommandWords } from '../terminal/command-words.ts'
import type { RecordedAttempt } from './recorder.ts'
import type { Way } from './arms.ts'

/** One attempt. */
export interface AttemptReport {
  readonly attempt: number
  /** `10.0.11.42:8080` */
  readonly upstream: string
  readonly tier: 0 | 1
  readonly zone: string | undefined
  readonly hedged: boolean
  readonly why: string
  /** For discovery, or as a backoff. */
  readonly waitMs: number
  /** `none`: it was not sent. */
  readonly connection: 'new' | 'reused' | 'none'
  /** TCP, of a new connection. */
  readonly connectMs: number | undefined
  /** Of a new connection with TLS. */
  readonly tlsMs: number | undefined
  /** From the request to the response headers. */
  readonly headersMs: number | undefined
  /** From the headers to the end of the body. */
  readonly bodyMs: number | undefined
  readonly totalMs: number | undefined
  readonly status: number | undefined
  /** Of the body. */
  readonly bytes: number
  /** How it ended: `response`, `connect-error`, `timeout`, ... */
  readonly outcome: Outcome['kind'] | undefined
  readonly error: string | undefined
}

/** One call with its attempts. */
export interface CallReport {
  /** From 1. */
  readonly call: number
  readonly via: Way
  readonly status: number | undefined
  readonly error: string | undefined
  readonly totalMs: number
  /** What is not as it should be about discovery, e.g. why it is DNS and not the API. */
  readonly warning: string | undefined
  readonly attempts: readonly AttemptReport[]
}

/** Whether it failed, or its response says that the service did. */
export function hasFailed({ status, error }: CallReport): boolean {
  return error !== undefined || (status ?? 0) >= 500
}

/** What was recorded of an attempt, as durations. */
export function attemptReport(recorded: RecordedAttempt): AttemptReport {
  const { trace, why, startedAt, sentAt, connection, headersAt, endedAt, status, bytes, tcpMs } = recorded
  const { attempt, upstream, tier, zone, hedged, waitMs, outcome, error } = trace
  // One that was made for an earlier attempt, or is not for this request alone.
  const isNew = connection !== undefined && connection.begunAt >= startedAt
  const setUpMs = isNew ? connection.madeAt - connection.begunAt : undefined
  const isTls = connection?.isTls === true
  return {
    ...{ attempt, upstream, tier, zone, hedged, why, waitMs, status, bytes },
    connection: sentAt === undefined ? 'none' : isNew ? 'new' : 'reused',
    connectMs: isTls && isNew ? tcpMs : setUpMs,
    tlsMs: isTls && setUpMs !== undefined && tcpMs !== undefined ? setUpMs - tcpMs : undefined,
    headersMs: between(sentAt, headersAt),
    bodyMs: between(headersAt, endedAt),
    totalMs: between(startedAt, endedAt),
    outcome: outcome?.kind,
    error: error === undefined ? undefined : inCommandWords(reasonOf(error)),
  }
}

function between(from: number | undefined, to: number | undefined): number | undefined {
  return from === undefined || to === undefined ? undefined : to - from
}

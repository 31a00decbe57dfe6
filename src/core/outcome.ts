import type { Classification } from './classification.ts'

/**
 * What became of one attempt on one upstream. Beside the begin and end of attempts, which the upstream counts, it is the
 * only thing that flows back from `dispatch/` to `cluster/`.
 */
export type Outcome =
  | {
      readonly kind: 'response'
      readonly status: number
      /** From the attempt's start to the response headers, less this process's own delay. */
      readonly latencyMs: number
      /** From `Retry-After`; undefined if the header is missing or invalid. */
      readonly retryAfterMs: number | undefined
      /**
       * The server closed an idle connection with 408 and `connection: close`, as a rule while the request was on its
       * way.
       */
      readonly connectionExpired?: true
      /** The task announced with this response that it is about to end. */
      readonly draining?: true
      /** What `classify` made of it; undefined: it counts by its status. */
      readonly classified?: Classification
      /**
       * `headers`: its trailers will say how it counts, in a second outcome. `trailers`: that one, whose latency has counted.
       * undefined: its headers say all.
       */
      readonly part?: 'headers' | 'trailers'
    }
  /** No connection: nothing was sent, so any method may be tried elsewhere. */
  | { readonly kind: 'connect-error'; readonly error: Error }
  /**
   * The connection broke. `sent: false`: no byte of the request was written, or the upstream reported that it has not
   * processed it. `ownFault`: this process broke it, or may have; that says nothing about the upstream.
   */
  | {
      readonly kind: 'transport-error'
      readonly error: Error
      readonly sent: boolean
      readonly ownFault?: true
    }
  | {
      readonly kind: 'timeout'
      readonly phase: 'connect' | 'headers' | 'body'
      readonly latencyMs: number
      readonly error: Error
    }
  /**
   * It waited for other calls of this process: no connection to the upstream was free in time, or another response came
   * first (HTTP/1.1 pipelining). Says nothing about the upstream. `sent: false`: no byte was written.
   */
  | {
      readonly kind: 'queue-timeout'
      readonly waitedMs: number
      readonly sent: boolean
      readonly error: Error
    }
  /** The caller aborted, or the request or a limit of this process was at fault. Says nothing about the upstream. */
  | {
      readonly kind: 'cancelled'
      /** 0 if there is an error: then the latency says nothing. */
      readonly latencyMs: number
      /** The fault of the request or this process; undefined if the caller aborted. */
      readonly error?: Error
      /** It was slow, and a later attempt of the call answered first. */
      readonly outrun?: true
    }

/** There was no answer, or it broke off. */
export type Failure = Extract<Outcome, { kind: 'connect-error' | 'transport-error' | 'timeout' }>

/** Whether the upstream, or the way to it, is at fault: not this process. */
export function isFailure(outcome: Outcome): outcome is Failure {
  if (outcome.kind === 'transport-error') return outcome.ownFault !== true
  return outcome.kind === 'connect-error' || outcome.kind === 'timeout'
}

/** `ECONNREFUSED` and the like; empty for an outcome without an error, or an error without a code. */
export function errorCodeOf(outcome: Outcome): string {
  return 'error' in outcome ? ((outcome.error as NodeJS.ErrnoException).code ?? '') : ''
}

/** Whether the attempt never reached the upstream: its connection was refused, impossible, or not made in time. */
export function isConnectFailure(outcome: Outcome): boolean {
  return outcome.kind === 'connect-error' || (outcome.kind === 'timeout' && outcome.phase === 'connect')
}

/** Whether the upstream said something, even if it refused or broke the connection. */
export function isAnswer(outcome: Outcome): boolean {
  if (outcome.kind === 'transport-error') return outcome.ownFault !== true
  return outcome.kind !== 'timeout' && outcome.kind !== 'cancelled' && outcome.kind !== 'queue-timeout'
}

/** Whether the latency of a response says something, and for the first time. */
export function isLatencySample({ classified, part }: Outcome & { kind: 'response' }): boolean {
  return part !== 'trailers' && classified?.kind !== 'ignored'
}

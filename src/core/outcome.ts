/**
 * What became of one attempt on one upstream. Beside the begin and end of attempts, which the upstream counts, it is the
 * only thing that flows back from `dispatch/` to `cluster/`.
 */
export type Outcome =
  | {
      readonly kind: 'response'
      readonly status: number
      /** From the attempt's start to the response headers, less the time that this process was late to hear them. */
      readonly latencyMs: number
      /** What `Retry-After` asks for; undefined when the header is missing or unreadable. */
      readonly retryAfterMs: number | undefined
      /**
       * Over a connection from before the attempt, the server said that it closes it because it had to wait too long for
       * a request (408 with `connection: close`): as a rule it did so while this one was on its way.
       */
      readonly connectionExpired?: true
      /** The task announced with this response that it is about to end. */
      readonly draining?: true
    }
  /** No connection: nothing was sent, so any method may be tried elsewhere. */
  | { readonly kind: 'connect-error'; readonly error: Error }
  /**
   * The connection broke. `sent: false` when not a byte of the request had been written, or the upstream said that it has
   * not processed it. `ownFault`: this process broke it, or may have; that says nothing about the upstream.
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
   * It waited for this process's own calls: no connection to the upstream was free in time, or its response was to come
   * behind another one (HTTP/1.1 pipelining). Says nothing about the upstream. `sent: false`: nothing of it was written.
   */
  | {
      readonly kind: 'queue-timeout'
      readonly waitedMs: number
      readonly sent: boolean
      readonly error: Error
    }
  /** The caller went away, or the request or a limit of this process was at fault: says nothing about the upstream. */
  | {
      readonly kind: 'cancelled'
      /** 0 where there is an error: how long it took says nothing then. */
      readonly latencyMs: number
      /** What the request, or this process, is at fault for; undefined when the caller went away. */
      readonly error?: Error
      /** It was late, and another attempt of the call, begun after it, answered first. */
      readonly outrun?: true
    }

/** Whether the attempt never reached the upstream: connection refused, unreachable, or not made in time. */
export function isConnectFailure(outcome: Outcome): boolean {
  return outcome.kind === 'connect-error' || (outcome.kind === 'timeout' && outcome.phase === 'connect')
}

/** Whether the upstream said something, even if it refused or broke the connection. */
export function isAnswer(outcome: Outcome): boolean {
  if (outcome.kind === 'transport-error') return outcome.ownFault !== true
  return outcome.kind !== 'timeout' && outcome.kind !== 'cancelled' && outcome.kind !== 'queue-timeout'
}

/** The outcome of an attempt that gets no response, or only a part of one, by how far it came. */
import { errors, type Dispatcher } from 'undici'
import type { Upstream } from '../../cluster/upstream.ts'
import { isLongConnect } from '../../core/async/connect-limit.ts'
import { QueueTimeoutError } from '../../core/errors.ts'
import type { Outcome } from '../../core/outcome.ts'
import { classifyAbort, classifyError, classifyLateness, type Lateness } from '../classify-outcome.ts'
import { isConnectError } from '../connections/connector.ts'
import type { ConnectionShare } from '../connections/connection-share.ts'
import type { OutgoingRequest } from '../request/outgoing-request.ts'
import type { Route } from '../route.ts'

/** How far an attempt came. */
export interface Progress {
  readonly call: { readonly route: Route; readonly request: OutgoingRequest }
  readonly upstream: Upstream
  /** undici's; undefined until there is a connection. */
  readonly controller: Dispatcher.DispatchController | undefined
  /** Its part of connections that others use, too; undefined where it gets one of its own. */
  readonly share: ConnectionShare | undefined
  /** Whether the task may have seen the request. */
  readonly headersSent: boolean
  /** Whether it is the turn in which undici gets it. */
  readonly isDispatching: boolean
  /** Milliseconds that the upstream took so far, without the time for which this process was busy. */
  elapsedMs(): number
}

/** undici ended it with an error. */
export function outcomeOfError(attempt: Progress, error: Error): Outcome {
  const { call, upstream, controller } = attempt
  // undici may have begun it before. Then it was not processed, or it may be sent again.
  const isConnected = controller !== undefined && !isConnectError(error)
  return classifyError(error, {
    latencyMs: attempt.elapsedMs(),
    isConnected,
    isSent: isConnected && attempt.headersSent,
    // In the turn of the dispatch no socket has spoken yet: undici found the error in the request.
    isRequestsFault: attempt.isDispatching || call.request.isToBlameFor(error, upstream.endpoint.origin),
  })
}

/** The caller does not want it any more. */
export function outcomeOfAbort(attempt: Progress, reason: Error): Outcome {
  const { call, upstream } = attempt
  if (attempt.controller !== undefined) return { kind: 'cancelled', latencyMs: attempt.elapsedMs() }
  // Waiting in the queue says nothing about the upstream.
  if (attempt.share?.isConnecting === false) return { kind: 'cancelled', latencyMs: 0 }
  return classifyAbort(reason, connectingMs(attempt), call.route.pools.connectLimitMs(upstream))
}

/** It has a connection, and got no response headers in time. */
export function headersOverdue(attempt: Progress): Lateness {
  const { route, request } = attempt.call
  const limitMs = request.headersTimeout ?? route.limits.attempt.limitMs
  const isBehind = attempt.share?.isBehind === true
  const why = isBehind ? ': another response was to come first on its connection (pool.pipelining)' : ''
  const error = new errors.HeadersTimeoutError(`no response headers in ${limitMs} ms${why}`)
  if (isBehind) return { kind: 'queue-timeout', waitedMs: limitMs, sent: true, error }
  return classifyLateness(error, attempt.elapsedMs(), true)
}

/** It got no connection in time, or, over HTTP/2, no stream. */
export function connectionOverdue(attempt: Progress): Lateness {
  const { call, upstream } = attempt
  const { host, limits, pools } = call.route
  const { label } = upstream
  const { limitMs } = limits.queue
  const isConnecting = attempt.share?.isConnecting === true
  if (isConnecting && isLongConnect(connectingMs(attempt), pools.connectLimitMs(upstream))) {
    const error = new errors.ConnectTimeoutError(`no connection to ${label} in ${limitMs} ms`)
    return { kind: 'timeout', phase: 'connect', latencyMs: limitMs, error }
  }
  if (isConnecting || attempt.share?.hasOthers === true) {
    const why = isConnecting ? 'its connection was still being made' : pools.shortage
    const error = new QueueTimeoutError(host, label, limitMs, why)
    return { kind: 'queue-timeout', waitedMs: limitMs, sent: false, error }
  }
  // A connection is open and carries no other request: the task accepts no requests.
  return classifyLateness(
    new errors.HeadersTimeoutError(`${label} took no request in ${limitMs} ms`),
    limitMs,
    false,
  )
}

/** For how long it has waited for a connection that is being made. */
function connectingMs(attempt: Progress): number {
  const elapsedMs = attempt.elapsedMs()
  return attempt.share?.connectingMs(elapsedMs, attempt.call.route.clock.now()) ?? elapsedMs
}

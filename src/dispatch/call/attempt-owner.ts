import type { AsyncResource } from 'node:async_hooks'
import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Upstream } from '../../cluster/upstream.ts'
import type { Outcome } from '../../core/outcome.ts'
import type { Attempt } from './attempt.ts'
import type { Route } from '../route.ts'

/** The call that an attempt belongs to: what the attempt asks of it and tells it. Also the caller's controller. */
export interface AttemptOwner extends Dispatcher.DispatchController {
  readonly route: Route
  /** The caller's async context. undici calls back in that of whoever opened the connection. */
  readonly context: AsyncResource
  /** The caller's. */
  readonly handler: Dispatcher.DispatchHandler
  /** Whether the request body reaches undici as a stream or an iterable. */
  readonly streamsBody: boolean
  /** Whether it has a request body at all. */
  readonly hasBody: boolean
  readonly maxDrainBytes: number
  /** Whether it may be sent again though a task may have acted upon it. */
  readonly idempotent: boolean
  /** The limit to response headers that the request itself has; 0: none, undefined: the service's. */
  readonly headersTimeout: number | undefined
  /** What an attempt is sent with that had to wait for a connection. */
  sentLater(options: Dispatcher.DispatchOptions): Dispatcher.DispatchOptions
  /** Whether the request itself is to blame: it is not sent again, and its upstream not held to account. */
  isCallersFault(error: Error, upstream: Upstream): boolean
  /** Takes a response for a failed attempt if the call goes on; if not, the response is the caller's. */
  retries(attempt: Attempt, outcome: Outcome): boolean
  /** The response of this attempt is the caller's. */
  acceptResponse(attempt: Attempt, latencyMs: number): void
  /** The attempt ended without a response. */
  attemptFailed(attempt: Attempt, outcome: Outcome, error: Error): void
  succeeded(trailers: IncomingHttpHeaders): void
  upgraded(statusCode: number, headers: IncomingHttpHeaders, socket: Duplex): void
  /** The response broke off. */
  failed(error: Error): void
}

/** What undici gets for one attempt. */
import type { Dispatcher } from 'undici'
import type { Upstream } from '../../cluster/upstream.ts'
import type { OutgoingRequest } from '../request/outgoing-request.ts'
import type { Route } from '../route.ts'
import type { CallDeadline } from './call-deadline.ts'

interface Sender {
  readonly route: Route
  readonly request: OutgoingRequest
  /** The request body failed where it must not throw: that ends the call. */
  bodyFailed(error: Error): void
}

/** @param deadline of the call: its header, if the service has one, carries the ms that are left */
export function optionsFor(
  call: Sender,
  upstream: Upstream,
  deadline: CallDeadline | undefined,
  now: number,
): Dispatcher.DispatchOptions {
  const { request, route } = call
  const reader = request.streamsBody
    ? {
        mayThrow: () => route.pools.bodyMayThrow(upstream),
        failed: (error: Error) => call.bodyFailed(error),
      }
    : undefined
  return withLeftMs(call, request.forAttempt(reader), deadline, now)
}

/** The same options with the time that is left now: an attempt that had to wait for a connection is sent later. */
export function withLeftMs(
  { request, route }: Sender,
  options: Dispatcher.DispatchOptions,
  deadline: CallDeadline | undefined,
  now: number,
): Dispatcher.DispatchOptions {
  const { deadlineHeader } = route
  if (deadlineHeader === undefined || deadline === undefined) return options
  return request.withHeader(options, deadlineHeader, String(deadline.leftMs(now)))
}

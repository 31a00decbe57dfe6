import type { Dispatcher } from 'undici'
import type { Upstream } from '../../cluster/upstream.ts'
import {
  attemptTracing,
  hasStartListeners,
  traceBegin,
  type AttemptTrace,
  type CallTrace,
} from '../../core/tracing.ts'
import type { Slots } from '../connections/slots.ts'
import type { OutgoingRequest } from '../request/outgoing-request.ts'
import type { Route } from '../route.ts'
import { Attempt, type AttemptOwner } from './attempt.ts'
import type { CallDeadline } from './call-deadline.ts'
import { ClassifiedAttempt } from './classified-attempt.ts'
import { FollowedAttempt, followsSending } from './followed-attempt.ts'
import { attemptTrace } from './traces.ts'

/** The attempt, not dispatched yet. It counts as pending at its upstream from now on. */
export function newAttempt(call: AttemptOwner, upstream: Upstream, now: number, number: number): Attempt {
  if (call.route.classify !== undefined)
    return new ClassifiedAttempt(call, upstream, now, number, call.route.classify)
  const Kind = call.streamsBody || followsSending(call.handler) ? FollowedAttempt : Attempt
  return new Kind(call, upstream, now, number)
}

/**
 * What undici gets for one attempt.
 * @param deadline of the call: its header, if the service has one, carries the ms that are left
 */
export function optionsFor(
  call: AttemptOwner,
  request: OutgoingRequest,
  upstream: Upstream,
  deadline: CallDeadline | undefined,
  now: number,
): Dispatcher.DispatchOptions {
  const { pools, deadlineHeader } = call.route
  const reader = request.streamsBody
    ? { mayThrow: () => pools.bodyMayThrow(upstream), failed: (error: Error) => call.bodyFailed(error) }
    : undefined
  if (deadlineHeader === undefined || deadline === undefined) return request.forAttempt(reader)
  return request.forAttemptWith(reader, deadlineHeader, String(deadline.leftMs(now)))
}

/** Sends it, with a trace if anything listens. */
export function dispatchAttempt(
  { host, pools, mayQueue }: Route,
  attempt: Attempt,
  pool: Dispatcher,
  options: Dispatcher.DispatchOptions,
  callTrace: CallTrace | undefined,
  isHedge: boolean,
  waitMs: number,
): void {
  const slots = mayQueue ? pools.slotsOf(pool) : undefined
  if (!attemptTracing.hasSubscribers) {
    attempt.dispatchOn(pool, options, slots)
    return
  }
  const trace = attemptTrace(callTrace, host, attempt, isHedge, waitMs)
  attempt.trace = trace
  if (hasStartListeners(attemptTracing)) dispatchTraced(trace, attempt, pool, options, slots)
  else attempt.dispatchOn(pool, options, slots)
}

function dispatchTraced(
  trace: AttemptTrace,
  attempt: Attempt,
  pool: Dispatcher,
  options: Dispatcher.DispatchOptions,
  slots: Slots | undefined,
): void {
  traceBegin(attemptTracing, trace, () => attempt.dispatchOn(pool, options, slots))
}

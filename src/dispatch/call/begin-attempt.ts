import type { Dispatcher } from 'undici'
import type { Upstream } from '../../cluster/upstream.ts'
import {
  attemptTracing,
  hasStartListeners,
  traceBegin,
  type AttemptTrace,
  type CallTrace,
} from '../../core/tracing.ts'
import type { Route } from '../route.ts'
import { Attempt, type AttemptOwner } from './attempt.ts'
import { ClassifiedAttempt } from './classified-attempt.ts'
import { FollowedAttempt, followsSending } from './followed-attempt.ts'
import { attemptTrace } from './traces.ts'

/** The attempt, not dispatched yet. It counts as pending at its upstream from now on. */
export function newAttempt(call: AttemptOwner, upstream: Upstream, now: number, number: number): Attempt {
  if (call.route.classify !== undefined)
    return new ClassifiedAttempt(call, upstream, now, number, call.route.classify)
  const Kind = call.request.streamsBody || followsSending(call.handler) ? FollowedAttempt : Attempt
  return new Kind(call, upstream, now, number)
}

/** Sends it, with a trace if anything listens. */
export function dispatchAttempt(
  route: Route,
  attempt: Attempt,
  pool: Dispatcher,
  options: Dispatcher.DispatchOptions,
  callTrace: CallTrace | undefined,
  isHedge: boolean,
  waitMs: number,
): void {
  if (!attemptTracing.hasSubscribers) {
    send(route, attempt, pool, options)
    return
  }
  const trace = attemptTrace(callTrace, route.host, attempt, isHedge, waitMs)
  attempt.trace = trace
  if (hasStartListeners(attemptTracing)) sendTraced(trace, route, attempt, pool, options)
  else send(route, attempt, pool, options)
}

function send(
  { mayQueue, pools }: Route,
  attempt: Attempt,
  pool: Dispatcher,
  options: Dispatcher.DispatchOptions,
): void {
  const slots = mayQueue ? pools.slotsOf(pool) : undefined
  if (slots === undefined) attempt.dispatchOn(pool, options)
  else attempt.dispatchWithin(slots, pool, options)
}

/** A function of its own: its closure is not made for the usual attempt. */
function sendTraced(
  trace: AttemptTrace,
  route: Route,
  attempt: Attempt,
  pool: Dispatcher,
  options: Dispatcher.DispatchOptions,
): void {
  traceBegin(attemptTracing, trace, () => send(route, attempt, pool, options))
}

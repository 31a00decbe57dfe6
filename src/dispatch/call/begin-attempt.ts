import type { Dispatcher } from 'undici'
import type { Upstream } from '../../cluster/upstream.ts'
import { attemptTracing, hasStartListeners, traceBegin, type AttemptTrace } from '../../core/tracing.ts'
import type { CallDeadline } from './call-deadline.ts'
import { Attempt, type AttemptOwner } from './attempt.ts'
import { ClassifiedAttempt } from './classified-attempt.ts'
import { FollowedAttempt, followsSending } from './followed-attempt.ts'

/** The attempt, not dispatched yet. It counts as pending at its upstream from now on. */
export function newAttempt(call: AttemptOwner, upstream: Upstream, now: number, number: number): Attempt {
  if (call.route.classify !== undefined)
    return new ClassifiedAttempt(call, upstream, now, number, call.route.classify)
  const Kind = call.request.streamsBody || followsSending(call.handler) ? FollowedAttempt : Attempt
  return new Kind(call, upstream, now, number)
}

/**
 * What undici gets for one attempt.
 * @param deadline of the call: its header, if the service has one, carries the ms that are left
 */
export function optionsFor(
  call: AttemptOwner,
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
  { request, route }: AttemptOwner,
  options: Dispatcher.DispatchOptions,
  deadline: CallDeadline | undefined,
  now: number,
): Dispatcher.DispatchOptions {
  const { deadlineHeader } = route
  if (deadlineHeader === undefined || deadline === undefined) return options
  return request.withHeader(options, deadlineHeader, String(deadline.leftMs(now)))
}

/** Sends it, with a trace if anything listens. */
export function dispatchAttempt(
  attempt: Attempt,
  pool: Dispatcher,
  options: Dispatcher.DispatchOptions,
  isHedge: boolean,
  waitMs: number,
): void {
  if (!attemptTracing.hasSubscribers) {
    send(attempt, pool, options)
    return
  }
  const trace = attemptTrace(attempt, isHedge, waitMs)
  attempt.trace = trace
  if (hasStartListeners(attemptTracing)) sendTraced(trace, attempt, pool, options)
  else send(attempt, pool, options)
}

function send(attempt: Attempt, pool: Dispatcher, options: Dispatcher.DispatchOptions): void {
  const { mayQueue, pools } = attempt.call.route
  const slots = mayQueue ? pools.slotsOf(pool) : undefined
  if (slots === undefined) attempt.dispatchOn(pool, options)
  else attempt.dispatchWithin(slots, pool, options)
}

/** A function of its own: its closure is not made for the usual attempt. */
function sendTraced(
  trace: AttemptTrace,
  attempt: Attempt,
  pool: Dispatcher,
  options: Dispatcher.DispatchOptions,
): void {
  traceBegin(attemptTracing, trace, () => send(attempt, pool, options))
}

/** Sets the number of attempts of the call's trace, too. */
function attemptTrace(
  { call: owner, upstream, number }: Attempt,
  hedged: boolean,
  waitMs: number,
): AttemptTrace {
  const { trace: call, route } = owner
  if (call !== undefined) call.attempts = number
  const { address, tier, zone } = upstream.endpoint
  return {
    call,
    host: route.host,
    attempt: number,
    hedged,
    upstream: upstream.label,
    address,
    port: upstream.port,
    tier,
    zone,
    waitMs,
    outcome: undefined,
    durationMs: undefined,
    error: undefined,
  }
}

/**
 * Calls and their attempts as `diagnostics_channel` tracing channels, for those who make spans of them. Node's
 * conventions for what is asynchronous hold: `start` and `end` around the beginning, then, when it is over, `error`
 * if it failed, `asyncStart` and `asyncEnd`. The same object is published each time, and is filled in meanwhile.
 *
 *     import { tracing } from 'onehop'
 *     tracing.attempt.subscribe({ asyncEnd: ({ upstream, outcome }) => ... })
 *
 * An `AsyncLocalStorage` bound to `start` holds for all that undici begins within the call or the attempt. Nothing is
 * built unless there is a listener.
 */
import {
  tracingChannel,
  type Channel,
  type TracingChannel,
  type TracingChannelSubscribers,
} from 'node:diagnostics_channel'
import type { Outcome } from './outcome.ts'

/** Of the channel `onehop:call`: from the request to the end of its response. */
export interface CallTrace {
  /** Host of the service, without the port. */
  readonly host: string
  /** Scheme, host and port as the caller wrote them. */
  readonly origin: string
  /** As the caller wrote it, e.g. `GET`. */
  readonly method: string
  /** With the query, unless the caller gave it as the `query` option. */
  readonly path: string
  /** Begun so far, a hedge included. */
  attempts: number
  /** Of the response that the caller got; undefined where there was none. */
  statusCode: number | undefined
  /** Why the call failed; undefined until then. */
  error: Error | undefined
}

/** Of the channel `onehop:attempt`: from the pick of an upstream to the end of its response, or failure. */
export interface AttemptTrace {
  /** The call that the attempt belongs to; undefined if only attempts have a listener. */
  readonly call: CallTrace | undefined
  /** Host of the service, without the port. */
  readonly host: string
  /** From 1. */
  readonly attempt: number
  /** Whether it began beside another that was late. */
  readonly hedged: boolean
  /** `10.0.11.42:8080` */
  readonly upstream: string
  /** IP address, or the load balancer's host name. */
  readonly address: string
  /** Port of the connection. */
  readonly port: number
  /** 0: a task. 1: the load balancer. */
  readonly tier: 0 | 1
  /** Availability zone; undefined where discovery does not report it. */
  readonly zone: string | undefined
  /** Since the call began, or its last attempt failed: for discovery, or as a backoff. */
  readonly waitMs: number
  /** undefined until it is known. */
  outcome: Outcome | undefined
  /** Why the attempt failed; undefined until then. */
  error: Error | undefined
}

/** Those of the five that have a subscriber. */
export type TraceListeners<Trace extends object> = Partial<TracingChannelSubscribers<Trace>>

/** Node's `TracingChannel`, whose types ask for a listener to each of the five. */
export interface Traced<Trace extends object> extends Record<
  keyof TracingChannelSubscribers<Trace>,
  Channel<unknown, Trace>
> {
  /** Adds listeners. */
  subscribe(listeners: TraceListeners<Trace>): void
  /**
   * Removes listeners.
   * @param listeners the object that was subscribed
   */
  unsubscribe(listeners: TraceListeners<Trace>): void
}

export const callTracing: TracingChannel<unknown, CallTrace> = tracingChannel('onehop:call')
export const attemptTracing: TracingChannel<unknown, AttemptTrace> = tracingChannel('onehop:attempt')

/** The channels, for those who listen: Node's own, as `tracingChannel('onehop:call')` has them too. */
export const tracing: { readonly call: Traced<CallTrace>; readonly attempt: Traced<AttemptTrace> } = {
  call: callTracing,
  attempt: attemptTracing,
}

/** Runs what begins a call or an attempt. */
export function traceBegin<Trace extends object>(
  channel: TracingChannel<unknown, Trace>,
  trace: Trace,
  begin: () => void,
): void {
  channel.start.runStores(trace, begin)
  channel.end.publish(trace)
}

/** It is over, with the error that stands in the trace or without. */
export function traceOver<Trace extends { error: Error | undefined }>(
  channel: TracingChannel<unknown, Trace>,
  trace: Trace,
): void {
  if (trace.error !== undefined) channel.error.publish(trace)
  channel.asyncStart.publish(trace)
  channel.asyncEnd.publish(trace)
}

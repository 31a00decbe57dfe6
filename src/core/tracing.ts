/**
 * Calls and their attempts as `diagnostics_channel` tracing channels, e.g. for spans. Node's conventions for asynchronous
 * work hold: `start` and `end` around the beginning, then, when it is over, `error` if it failed, `asyncStart` and
 * `asyncEnd`. The same object is published each time, and is filled in meanwhile.
 *
 *     import { tracing } from 'onehop'
 *     tracing.attempt.subscribe({ asyncEnd: ({ upstream, outcome }) => ... })
 *
 * An `AsyncLocalStorage` bound to `start` holds for all that undici begins within the call or the attempt. Nothing is
 * built unless there is a listener.
 */
import type { AsyncLocalStorage } from 'node:async_hooks'
import { tracingChannel } from 'node:diagnostics_channel'
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
  /** From the request to the end of its response, in ms; undefined until then. */
  durationMs: number | undefined
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
  /** Whether it began beside another that was slow. */
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
  /** From the pick to the end of its response, or its failure, in ms; undefined until then. */
  durationMs: number | undefined
  /** Why the attempt failed; undefined until then. */
  error: Error | undefined
}

/** Listeners to some of the five events of a tracing channel. */
export interface TraceListeners<Trace extends object> {
  /** Before the call or attempt begins. */
  readonly start?: (trace: Trace) => void
  /** When its beginning has returned. */
  readonly end?: (trace: Trace) => void
  /** When it is over, before `asyncEnd`. */
  readonly asyncStart?: (trace: Trace) => void
  /** When it is over. */
  readonly asyncEnd?: (trace: Trace) => void
  /** When it failed, before `asyncStart`. */
  readonly error?: (trace: Trace) => void
}

// Own declarations and not Node's `Channel`: its type parameters changed places between @types/node 24 and 26.

/** One event of a tracing channel: Node's `Channel`, as far as listeners need it. */
export interface TraceEvent<Trace extends object> {
  /** Whether there is a listener. */
  readonly hasSubscribers: boolean
  /** Adds a listener. */
  subscribe(listener: (trace: Trace, name: string | symbol) => void): void
  /**
   * Removes a listener.
   * @returns whether it was subscribed
   */
  unsubscribe(listener: (trace: Trace, name: string | symbol) => void): boolean
  /** Sets a store for everything that begins within the event's `runStores`: for `start`. */
  bindStore<Store>(store: AsyncLocalStorage<Store>, transform?: (trace: Trace) => Store): void
  /**
   * Undoes `bindStore`.
   * @returns whether the store was bound
   */
  unbindStore<Store>(store: AsyncLocalStorage<Store>): boolean
}

/** Node's `TracingChannel`, as far as listeners need it. */
export interface Traced<Trace extends object> {
  /** Before the call or attempt begins. */
  readonly start: TraceEvent<Trace>
  /** When its beginning has returned. */
  readonly end: TraceEvent<Trace>
  /** When it is over, before `asyncEnd`. */
  readonly asyncStart: TraceEvent<Trace>
  /** When it is over. */
  readonly asyncEnd: TraceEvent<Trace>
  /** When it failed, before `asyncStart`. */
  readonly error: TraceEvent<Trace>
  /** Whether one of the five has a listener. */
  readonly hasSubscribers: boolean
  /** Adds listeners. */
  subscribe(listeners: TraceListeners<Trace>): void
  /**
   * Removes listeners.
   * @param listeners the object that was subscribed
   */
  unsubscribe(listeners: TraceListeners<Trace>): void
}

/** What publishes an event. */
interface Publisher<Trace extends object> extends TraceEvent<Trace> {
  publish(trace: Trace): void
  runStores(trace: Trace, run: () => void): void
}

/** The same channel for the code that publishes its events. */
export type Tracing<Trace extends object> = Traced<Trace> & {
  readonly [Event in 'start' | 'end' | 'asyncStart' | 'asyncEnd' | 'error']: Publisher<Trace>
}

export const callTracing: Tracing<CallTrace> = channel('onehop:call')
export const attemptTracing: Tracing<AttemptTrace> = channel('onehop:attempt')

function channel<Trace extends object>(name: string): Tracing<Trace> {
  return tracingChannel(name) as unknown as Tracing<Trace>
}

/** The channels, for listeners. They are Node's own: `tracingChannel('onehop:call')` returns the same. */
export const tracing: { readonly call: Traced<CallTrace>; readonly attempt: Traced<AttemptTrace> } = {
  call: callTracing,
  attempt: attemptTracing,
}

/** Whether the beginning of a call or an attempt has listeners or stores: else it needs no async context of its own. */
export function hasStartListeners<Trace extends object>({ start, end }: Tracing<Trace>): boolean {
  return start.hasSubscribers || end.hasSubscribers
}

/** Runs the beginning of a call or an attempt between `start` and `end`. */
export function traceBegin<Trace extends object>(
  { start, end }: Tracing<Trace>,
  trace: Trace,
  begin: () => void,
): void {
  start.runStores(trace, begin)
  end.publish(trace)
}

/** Publishes the end of a call or an attempt, with its error if it has one. */
export function traceOver<Trace extends { error: Error | undefined }>(
  { error, asyncStart, asyncEnd }: Tracing<Trace>,
  trace: Trace,
): void {
  if (trace.error !== undefined) error.publish(trace)
  asyncStart.publish(trace)
  asyncEnd.publish(trace)
}

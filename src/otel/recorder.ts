import type { Attributes, Histogram } from '@opentelemetry/api'
import { onEvent, type FallbackCause } from '../core/events.ts'
import type { Outcome } from '../core/outcome.ts'
import { tracing, type AttemptTrace, type CallTrace } from '../core/tracing.ts'
import type { ServiceInspection } from '../index.ts'
import {
  ERROR_TYPE,
  errorTypeOf,
  errorTypeOfOutcome,
  METHOD,
  methodOf,
  peerOf,
  portOf,
  SERVER_ADDRESS,
  SERVER_PORT,
  STATUS_CODE,
  tierOf,
} from './attributes.ts'
import type { Instruments } from './metrics.ts'
import type { Observation } from './observed-clients.ts'

const RETRIED: readonly Outcome['kind'][] = [
  ...(['response', 'connect-error', 'transport-error', 'timeout', 'queue-timeout'] as const),
]
const CAUSES = ['refuses', 'fails', 'drains'] as const
const FALLBACK_CAUSES: readonly FallbackCause[] = [
  ...(['discovery-failed', 'no-tasks', 'tasks-ejected', 'tasks-short', 'tasks-full'] as const),
  ...(['retry', 'probe'] as const),
]

/** One call or attempt, until it is handed over. */
interface Measurement {
  readonly histogram: Histogram
  readonly value: number
  readonly attributes: Attributes
}

const MAX_KEPT = 256

/** Records what happens to the calls of the observed clients, while it has subscribed. */
export class Recorder {
  readonly #instruments: Instruments
  readonly #ownerOf: (host: string) => Observation | undefined
  readonly #onCall = { asyncEnd: (trace: CallTrace): void => this.#call(trace) }
  readonly #onAttempt = { asyncEnd: (trace: AttemptTrace): void => this.#attempt(trace) }
  /** Recording costs less where many are recorded in a row: the SDK's code and data are in the CPU's caches. */
  readonly #kept: Measurement[] = []
  #unsubscribe: readonly (() => void)[] = []

  /** @param ownerOf the observed client that calls a host */
  constructor(instruments: Instruments, ownerOf: (host: string) => Observation | undefined) {
    this.#instruments = instruments
    this.#ownerOf = ownerOf
  }

  subscribe(): void {
    const { retries, retriesDenied, hedges, fallbacks, ejections, panics } = this.#instruments
    const isObserved = (host: string): boolean => this.#ownerOf(host) !== undefined
    tracing.call.subscribe(this.#onCall)
    tracing.attempt.subscribe(this.#onAttempt)
    this.#unsubscribe = [
      () => tracing.call.unsubscribe(this.#onCall),
      () => tracing.attempt.unsubscribe(this.#onAttempt),
      onEvent('onehop:call.retried', ({ host, outcome }) => {
        if (isObserved(host)) retries.add(1, { [SERVER_ADDRESS]: host, outcome: outcome.kind })
      }),
      onEvent('onehop:retry.over-budget', ({ host }) => {
        if (isObserved(host)) retriesDenied.add(1, { [SERVER_ADDRESS]: host })
      }),
      onEvent('onehop:call.hedged', ({ host }) => {
        if (isObserved(host)) hedges.add(1, { [SERVER_ADDRESS]: host })
      }),
      onEvent('onehop:call.fell-back', ({ host, cause }) => {
        if (isObserved(host)) fallbacks.add(1, { [SERVER_ADDRESS]: host, reason: cause })
      }),
      onEvent('onehop:upstream.ejected', ({ host, upstream, cause }) => {
        const owner = this.#ownerOf(host)
        if (owner === undefined) return
        const peer = owner.perUpstream ? peerOf(upstream) : undefined
        ejections.add(1, { [SERVER_ADDRESS]: host, cause, ...peer })
      }),
      onEvent('onehop:cluster.panicked', ({ host }) => {
        if (isObserved(host)) panics.add(1, { [SERVER_ADDRESS]: host })
      }),
    ]
  }

  unsubscribe(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    this.#unsubscribe = []
    this.flush()
  }

  /**
   * Sets the counters of a service to 0. Without it a first event makes a series that begins with 1, and `increase()` of
   * Prometheus, which compares, does not see it.
   */
  begin(host: string, { origins }: ServiceInspection, { perUpstream }: Observation): void {
    const { retries, retriesDenied, hedges, fallbacks, overloads, ejections, panics } = this.#instruments
    const service = { [SERVER_ADDRESS]: host }
    for (const counter of [retriesDenied, hedges, overloads, panics]) counter.add(0, service)
    for (const outcome of RETRIED) retries.add(0, { ...service, outcome })
    if (!perUpstream) for (const cause of CAUSES) ejections.add(0, { ...service, cause })
    const all = Object.values(origins).flatMap(({ upstreams }) => upstreams)
    if (all.some(({ tier }) => tier === 1))
      for (const reason of FALLBACK_CAUSES) fallbacks.add(0, { ...service, reason })
  }

  /** Hands over what is kept. */
  flush(): void {
    for (const { histogram, value, attributes } of this.#kept.splice(0)) histogram.record(value, attributes)
  }

  #record(histogram: Histogram, value: number, attributes: Attributes): void {
    if (this.#kept.push({ histogram, value, attributes }) >= MAX_KEPT) this.flush()
  }

  #call({ host, method, statusCode, durationMs, error }: CallTrace): void {
    if (this.#ownerOf(host) === undefined) return
    const attributes: Attributes = { [SERVER_ADDRESS]: host, [METHOD]: methodOf(method) }
    if (statusCode !== undefined) attributes[STATUS_CODE] = statusCode
    const errorType = errorTypeOf(error, statusCode)
    if (errorType !== undefined) attributes[ERROR_TYPE] = errorType
    this.#record(this.#instruments.callDuration, (durationMs ?? 0) / 1000, attributes)
    if (errorType === 'ONEHOP_OVERLOADED') this.#instruments.overloads.add(1, { [SERVER_ADDRESS]: host })
  }

  #attempt(trace: AttemptTrace): void {
    const { host, outcome, tier, zone, upstream, waitMs, durationMs = 0 } = trace
    const owner = this.#ownerOf(host)
    if (owner === undefined) return
    const { attemptDuration, attemptWait } = this.#instruments
    const attributes: Attributes = { [SERVER_ADDRESS]: host, tier: tierOf(tier) }
    if (outcome !== undefined) attributes['outcome'] = outcome.kind
    if (zone !== undefined) attributes['zone'] = zone
    if (owner.perUpstream) Object.assign(attributes, peerOf(upstream))
    this.#record(attemptDuration, durationMs / 1000, attributes)
    // Nearly all wait for nothing, and recording is what metrics cost a call.
    if (waitMs > 0) attemptWait.record(waitMs / 1000, { [SERVER_ADDRESS]: host })
    if (owner.httpMetrics) this.#httpRequest(trace)
  }

  /** As instrumentation-undici has it: one request for each attempt, by the name that the caller wrote. */
  #httpRequest({ call, host, outcome, durationMs = 0 }: AttemptTrace): void {
    const attributes: Attributes = { [SERVER_ADDRESS]: host }
    if (call !== undefined) {
      attributes[METHOD] = methodOf(call.method)
      attributes[SERVER_PORT] = portOf(call.origin)
    }
    if (outcome?.kind === 'response') attributes[STATUS_CODE] = outcome.status
    const errorType = outcome === undefined ? undefined : errorTypeOfOutcome(outcome)
    if (errorType !== undefined) attributes[ERROR_TYPE] = errorType
    this.#instruments.httpDuration.record(durationMs / 1000, attributes)
  }
}

import type { Attributes, Counter } from '@opentelemetry/api'
import type { FallbackCause } from '../core/event-payloads.ts'
import { onEvent } from '../core/events.ts'
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
import { SeriesTable, type Histograms } from './series.ts'

const RETRIED: readonly Outcome['kind'][] = [
  ...(['response', 'connect-error', 'transport-error', 'timeout', 'queue-timeout'] as const),
]
const CAUSES = ['refuses', 'fails', 'drains'] as const
const FALLBACK_CAUSES: readonly FallbackCause[] = [
  ...(['discovery-failed', 'no-tasks', 'tasks-ejected', 'tasks-short', 'tasks-full'] as const),
  ...(['retry', 'probe'] as const),
]

type Optional<Value> = Value | undefined

/** Records what happens to the calls of the observed clients, while it has subscribed. */
export class Recorder {
  readonly #instruments: Instruments
  readonly #ownerOf: (host: string) => Observation | undefined
  readonly #onCall = { asyncEnd: (trace: CallTrace): void => this.#call(trace) }
  readonly #onAttempt = { asyncEnd: (trace: AttemptTrace): void => this.#attempt(trace) }
  readonly #histograms: Histograms
  readonly #calls: SeriesTable<string, Optional<number>, Optional<string>>
  readonly #attempts: SeriesTable<0 | 1, Optional<string>, Optional<string>, Optional<string>>
  readonly #waits: SeriesTable
  readonly #httpRequests: SeriesTable<Optional<string>, Optional<string>, Optional<number>, Optional<string>>
  #unsubscribe: readonly (() => void)[] = []

  /** @param ownerOf the observed client that calls a host */
  constructor(
    instruments: Instruments,
    histograms: Histograms,
    ownerOf: (host: string) => Observation | undefined,
  ) {
    this.#instruments = instruments
    this.#histograms = histograms
    this.#ownerOf = ownerOf
    this.#calls = new SeriesTable(histograms, 'callDuration', (host, method, status, errorType) =>
      known({ [SERVER_ADDRESS]: host, [METHOD]: method, [STATUS_CODE]: status, [ERROR_TYPE]: errorType }),
    )
    this.#attempts = new SeriesTable(histograms, 'attemptDuration', (host, tier, outcome, zone, peer) =>
      known({
        ...{ [SERVER_ADDRESS]: host, tier: tierOf(tier), outcome, zone },
        ...(peer !== undefined && peerOf(peer)),
      }),
    )
    this.#waits = new SeriesTable(histograms, 'attemptWait', (host) => ({ [SERVER_ADDRESS]: host }))
    this.#httpRequests = new SeriesTable(
      histograms,
      'httpDuration',
      (host, origin, method, status, errorType) =>
        known({
          ...{ [SERVER_ADDRESS]: host, [SERVER_PORT]: origin === undefined ? undefined : portOf(origin) },
          ...{ [METHOD]: method, [STATUS_CODE]: status, [ERROR_TYPE]: errorType },
        }),
    )
  }

  subscribe(): void {
    const { retries, retriesDenied, hedges, fallbacks, ejections, panics } = this.#instruments
    const count = (counter: Counter, host: string, attributes?: Attributes): void => {
      if (this.#ownerOf(host) !== undefined) counter.add(1, { [SERVER_ADDRESS]: host, ...attributes })
    }
    tracing.call.subscribe(this.#onCall)
    tracing.attempt.subscribe(this.#onAttempt)
    this.#unsubscribe = [
      () => tracing.call.unsubscribe(this.#onCall),
      () => tracing.attempt.unsubscribe(this.#onAttempt),
      onEvent('onehop:call.retried', ({ host, outcome }) => count(retries, host, { outcome: outcome.kind })),
      onEvent('onehop:retry.over-budget', ({ host }) => count(retriesDenied, host)),
      onEvent('onehop:call.hedged', ({ host }) => count(hedges, host)),
      onEvent('onehop:call.fell-back', ({ host, cause }) => count(fallbacks, host, { reason: cause })),
      onEvent('onehop:upstream.ejected', ({ host, upstream, cause }) => {
        const peer = this.#ownerOf(host)?.perUpstream === true && peerOf(upstream)
        count(ejections, host, { cause, ...peer })
      }),
      onEvent('onehop:cluster.panicked', ({ host }) => count(panics, host)),
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
    this.#histograms.flush()
  }

  #call({ host, method, statusCode, durationMs, error }: CallTrace): void {
    if (this.#ownerOf(host) === undefined) return
    const errorType = errorTypeOf(error, statusCode)
    const series = this.#calls.of(host, methodOf(method), statusCode, errorType, undefined)
    series.record((durationMs ?? 0) / 1000)
    if (errorType === 'ONEHOP_OVERLOADED') this.#instruments.overloads.add(1, { [SERVER_ADDRESS]: host })
  }

  #attempt(trace: AttemptTrace): void {
    const { host, outcome, tier, zone, upstream, waitMs, durationMs = 0 } = trace
    const owner = this.#ownerOf(host)
    if (owner === undefined) return
    const peer = owner.perUpstream ? upstream : undefined
    this.#attempts.of(host, tier, outcome?.kind, zone, peer).record(durationMs / 1000)
    // Nearly all wait for nothing.
    if (waitMs > 0) this.#waits.of(host, undefined, undefined, undefined, undefined).record(waitMs / 1000)
    if (owner.httpMetrics) this.#httpRequest(trace)
  }

  /** As instrumentation-undici has it: one request for each attempt, by the name that the caller wrote. */
  #httpRequest({ call, host, outcome, durationMs = 0 }: AttemptTrace): void {
    const method = call === undefined ? undefined : methodOf(call.method)
    const status = outcome?.kind === 'response' ? outcome.status : undefined
    const errorType = outcome === undefined ? undefined : errorTypeOfOutcome(outcome)
    this.#httpRequests.of(host, call?.origin, method, status, errorType).record(durationMs / 1000)
  }
}

/** Without those that are undefined. */
function known(attributes: Attributes): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined))
}

import type {
  Counter,
  Histogram,
  Meter,
  MetricOptions,
  ObservableCounter,
  ObservableGauge,
  ObservableUpDownCounter,
} from '@opentelemetry/api'

/** In seconds. From half a millisecond: a hop within a VPC takes less than two. */
const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** Of `http.client.request.duration`, by the semantic conventions. */
const HTTP_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]

/** What the API calls the kinds of instruments. */
export type Kind = 'histogram' | 'counter' | 'observable counter' | 'observable updown' | 'gauge'

/** One metric, as the meter gets it. */
export interface Metric {
  readonly name: string
  readonly kind: Kind
  /** By UCUM: `s`, `1` for ratios, `{call}` for counts. */
  readonly unit: string
  readonly description: string
}

/** The instruments of one meter. */
export interface Instruments {
  readonly callDuration: Histogram
  readonly attemptDuration: Histogram
  readonly attemptWait: Histogram
  readonly httpDuration: Histogram
  readonly callActive: ObservableUpDownCounter
  readonly retries: Counter
  readonly retriesDenied: Counter
  readonly hedges: Counter
  readonly fallbacks: Counter
  readonly overloads: Counter
  readonly upstreams: ObservableUpDownCounter
  readonly ejections: Counter
  readonly panics: Counter
  readonly directShare: ObservableGauge
  readonly localShare: ObservableGauge
  readonly lookups: ObservableCounter
  readonly age: ObservableGauge
}

/** Every metric. Dashboards and alert rules take their names from here (scripts/observability.ts). */
export const METRICS: Readonly<Record<keyof Instruments, Metric>> = {
  callDuration: {
    name: 'onehop.call.duration',
    kind: 'histogram',
    unit: 's',
    description: 'Calls, from the request to the end of the response, with all attempts.',
  },
  attemptDuration: {
    name: 'onehop.attempt.duration',
    kind: 'histogram',
    unit: 's',
    description: 'Attempts on one upstream, from the pick to the end of the response or the failure.',
  },
  attemptWait: {
    name: 'onehop.attempt.wait',
    kind: 'histogram',
    unit: 's',
    description: 'What calls waited before an attempt, for discovery or as a backoff, if they waited at all.',
  },
  httpDuration: {
    name: 'http.client.request.duration',
    kind: 'histogram',
    unit: 's',
    description: 'Duration of HTTP client requests.',
  },
  callActive: {
    name: 'onehop.call.active',
    kind: 'observable updown',
    unit: '{call}',
    description: 'Calls that have begun and not ended.',
  },
  retries: {
    name: 'onehop.call.retries',
    kind: 'counter',
    unit: '{retry}',
    description: 'Attempts that followed a failed one.',
  },
  retriesDenied: {
    name: 'onehop.call.retries_denied',
    kind: 'counter',
    unit: '{retry}',
    description: 'Retries that the budget did not allow.',
  },
  hedges: {
    name: 'onehop.call.hedges',
    kind: 'counter',
    unit: '{hedge}',
    description: 'Attempts that began beside a slow one.',
  },
  fallbacks: {
    name: 'onehop.call.fallbacks',
    kind: 'counter',
    unit: '{attempt}',
    description: 'Attempts that went to the load balancer.',
  },
  overloads: {
    name: 'onehop.call.overloads',
    kind: 'counter',
    unit: '{call}',
    description: 'Calls that maxPending refused.',
  },
  upstreams: {
    name: 'onehop.upstream.count',
    kind: 'observable updown',
    unit: '{upstream}',
    description: 'Tasks and load balancers in use, by state.',
  },
  ejections: {
    name: 'onehop.upstream.ejections',
    kind: 'counter',
    unit: '{ejection}',
    description: 'Tasks or load balancers that stopped getting calls for a while.',
  },
  panics: {
    name: 'onehop.cluster.panics',
    kind: 'counter',
    unit: '{panic}',
    description: 'Times when all tasks were ejected, and there was no load balancer.',
  },
  directShare: {
    name: 'onehop.cluster.direct_share',
    kind: 'gauge',
    unit: '1',
    description: 'Share of the calls that goes straight to tasks.',
  },
  localShare: {
    name: 'onehop.zone.local_share',
    kind: 'gauge',
    unit: '1',
    description: "Share of the direct calls that stays in the caller's zone.",
  },
  lookups: {
    name: 'onehop.discovery.lookups',
    kind: 'observable counter',
    unit: '{lookup}',
    description: 'Lookups that ended.',
  },
  age: {
    name: 'onehop.discovery.age',
    kind: 'gauge',
    unit: 's',
    description: 'Time since the last lookup that succeeded.',
  },
}

export function createInstruments(meter: Meter): Instruments {
  const entries = Object.entries(METRICS).map(([key, metric]) => [key, createInstrument(meter, metric)])
  return Object.fromEntries(entries)
}

/** The upper bounds of a histogram's buckets, in seconds. */
export function bucketsOf({ name }: Metric): readonly number[] {
  return name.startsWith('http.') ? HTTP_BUCKETS : BUCKETS
}

function createInstrument(meter: Meter, metric: Metric): object {
  const { name, kind, unit, description } = metric
  const options: MetricOptions = { unit, description }
  switch (kind) {
    case 'histogram': {
      const explicitBucketBoundaries = [...bucketsOf(metric)]
      return meter.createHistogram(name, { ...options, advice: { explicitBucketBoundaries } })
    }
    case 'counter':
      return meter.createCounter(name, options)
    case 'observable counter':
      return meter.createObservableCounter(name, options)
    case 'observable updown':
      return meter.createObservableUpDownCounter(name, options)
    case 'gauge':
      return meter.createObservableGauge(name, options)
  }
}

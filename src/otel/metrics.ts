import type {
  Counter,
  Histogram,
  Meter,
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

const metricOf =
  (kind: Kind) =>
  (name: string, unit: string, description: string): Metric => ({ name, kind, unit, description })
const histogram = metricOf('histogram')
const counter = metricOf('counter')
const observableCounter = metricOf('observable counter')
const observableUpDown = metricOf('observable updown')
const gauge = metricOf('gauge')

/** Every metric. Dashboards and alert rules take their names from here (scripts/observability.ts). */
export const METRICS: Readonly<Record<keyof Instruments, Metric>> = {
  callDuration: histogram(
    'onehop.call.duration',
    's',
    'Calls, from the request to the end of the response, with all attempts.',
  ),
  attemptDuration: histogram(
    'onehop.attempt.duration',
    's',
    'Attempts on one upstream, from the pick to the end of the response or the failure.',
  ),
  attemptWait: histogram(
    'onehop.attempt.wait',
    's',
    'What calls waited before an attempt, for discovery or as a backoff, if they waited at all.',
  ),
  httpDuration: histogram('http.client.request.duration', 's', 'Duration of HTTP client requests.'),
  callActive: observableUpDown('onehop.call.active', '{call}', 'Calls that have begun and not ended.'),
  retries: counter('onehop.call.retries', '{retry}', 'Attempts that followed a failed one.'),
  retriesDenied: counter('onehop.call.retries_denied', '{retry}', 'Retries that the budget did not allow.'),
  hedges: counter('onehop.call.hedges', '{hedge}', 'Attempts that began beside a slow one.'),
  fallbacks: counter('onehop.call.fallbacks', '{attempt}', 'Attempts that went to the load balancer.'),
  overloads: counter('onehop.call.overloads', '{call}', 'Calls that maxPending refused.'),
  upstreams: observableUpDown(
    'onehop.upstream.count',
    '{upstream}',
    'Tasks and load balancers in use, by state.',
  ),
  ejections: counter(
    'onehop.upstream.ejections',
    '{ejection}',
    'Tasks or load balancers that stopped getting calls for a while.',
  ),
  panics: counter(
    'onehop.cluster.panics',
    '{panic}',
    'Times when all tasks were ejected, and there was no load balancer.',
  ),
  directShare: gauge('onehop.cluster.direct_share', '1', 'Share of the calls that goes straight to tasks.'),
  localShare: gauge(
    'onehop.zone.local_share',
    '1',
    "Share of the direct calls that stays in the caller's zone.",
  ),
  lookups: observableCounter('onehop.discovery.lookups', '{lookup}', 'Lookups that ended.'),
  age: gauge('onehop.discovery.age', 's', 'Time since the last lookup that succeeded.'),
}

/** What makes them. */
const METHODS = {
  histogram: 'createHistogram',
  counter: 'createCounter',
  'observable counter': 'createObservableCounter',
  'observable updown': 'createObservableUpDownCounter',
  gauge: 'createObservableGauge',
} as const satisfies Readonly<Record<Kind, keyof Meter>>

export function createInstruments(meter: Meter): Instruments {
  const entries = Object.entries(METRICS).map(([key, one]) => {
    const { name, kind, unit, description } = one
    const advice = kind === 'histogram' && { advice: { explicitBucketBoundaries: [...bucketsOf(one)] } }
    return [key, meter[METHODS[kind]](name, { unit, description, ...advice })] as const
  })
  return Object.fromEntries(entries) as unknown as Instruments
}

/** The upper bounds of a histogram's buckets, in seconds. */
export function bucketsOf({ name }: Metric): readonly number[] {
  return name.startsWith('http.') ? HTTP_BUCKETS : BUCKETS
}

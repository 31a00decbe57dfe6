/**
 * OpenTelemetry for a client: metrics, and attributes for the spans of others. `@opentelemetry/api` is a peer dependency.
 *
 * - `observe.ts`: `observe(client)`. The clients of one meter share their instruments (`observer.ts`).
 * - `metrics.ts`: names, units and buckets.
 * - `series.ts`: measurements on their way to the SDK's histograms.
 * - `histogram-producer.ts`: histograms of our own, for those to whom the SDK's cost too much.
 * - `recorder.ts`: counters and histograms, from the events and the tracing channels of the process.
 * - `observed-clients.ts`: the client that an event belongs to, by the host of the service.
 * - `readings.ts`: gauges and observable counters, from one `inspect()` of each client per collection.
 * - `attributes.ts`: attributes with closed sets of values, so that no caller can make new series.
 * - `attempt-attributes.ts`: `http.request.resend_count`, for the spans of instrumentations.
 * @module onehop/otel
 */
export {
  histogramProducer,
  type HistogramData,
  type HistogramPoint,
  type HistogramProducer,
  type HistogramProducerOptions,
} from './histogram-producer.ts'
export { observe, type ObserveOptions } from './observe.ts'
export { attemptAttributes, type AttemptAttributes } from './attempt-attributes.ts'

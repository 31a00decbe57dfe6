import { METRICS, type Metric } from '../../src/otel/metrics.ts'

/**
 * How metrics reach Prometheus. `exporter`: scraped from `@opentelemetry/exporter-prometheus`. `otlp`: by OTLP, into
 * Prometheus itself, Mimir, or a collector's `prometheusremotewrite`, with their default names.
 */
export type Flavour = 'exporter' | 'otlp'

export const FLAVOURS: readonly Flavour[] = ['exporter', 'otlp']

/** The name of a metric in PromQL, without `_bucket`, `_count` and `_sum` of histograms. */
export function promName({ name, kind, unit }: Metric, flavour: Flavour): string {
  const words = [name.replaceAll('.', '_')]
  // The exporter adds no units; OTLP ingestion adds those of UCUM, and none for `{call}` and the like.
  if (flavour === 'otlp' && unit === 's') words.push('seconds')
  if (flavour === 'otlp' && unit === '1' && kind === 'gauge') words.push('ratio')
  if (kind === 'counter' || kind === 'observable counter') words.push('total')
  return words.join('_')
}

/** Replaces `<callDuration>` by the name of that metric. */
export function expressionFor(template: string, flavour: Flavour): string {
  return template.replaceAll(/<(\w+)>/g, (_match, key: string) => {
    const metric = METRICS[key as keyof typeof METRICS] as Metric | undefined
    if (metric === undefined) throw new Error(`there is no metric ${key}: ${template}`)
    return promName(metric, flavour)
  })
}

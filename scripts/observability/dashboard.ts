import { expressionFor, promName, type Flavour } from './names.ts'
import { METRICS } from '../../src/otel/metrics.ts'

export interface Panel {
  readonly title: string
  /** Of Grafana, e.g. `s`, `reqps`, `percentunit`. */
  readonly unit: string
  /** Legends and PromQL. `<callDuration>` stands for the name of that metric, `$by` for the service that is shown. */
  readonly queries: Readonly<Record<string, string>>
}

interface Row {
  readonly title: string
  readonly panels: readonly Panel[]
}

function quantiles(metric: string): Panel['queries'] {
  const at = (quantile: number): string =>
    `histogram_quantile(${quantile}, sum by (le) (rate(<${metric}>_bucket{$by}[$__rate_interval])))`
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}

function rateBy(metric: string, ...labels: readonly string[]): Panel['queries'] {
  const legend = labels.map((label) => `{{${label}}}`).join(' ')
  return { [legend]: `sum by (${labels.join(', ')}) (rate(<${metric}>{$by}[$__rate_interval]))` }
}

function histogramRateBy(metric: string, ...labels: readonly string[]): Panel['queries'] {
  const legend = labels.map((label) => `{{${label}}}`).join(' ')
  return { [legend]: `sum by (${labels.join(', ')}) (rate(<${metric}>_count{$by}[$__rate_interval]))` }
}

export const ROWS: readonly Row[] = [
  {
    title: 'Calls: what callers see',
    panels: [
      {
        title: 'Calls by status',
        unit: 'reqps',
        queries: histogramRateBy('callDuration', 'server_address', 'http_response_status_code'),
      },
      {
        title: 'Failed calls by error',
        unit: 'reqps',
        queries: {
          '{{server_address}} {{error_type}}':
            'sum by (server_address, error_type) (rate(<callDuration>_count{$by,error_type!=""}[$__rate_interval]))',
        },
      },
      { title: 'Duration of calls', unit: 's', queries: quantiles('callDuration') },
      {
        title: 'Calls under way',
        unit: 'short',
        queries: { '{{server_address}}': 'sum by (server_address) (<callActive>{$by})' },
      },
      {
        title: 'Calls refused by maxPending',
        unit: 'reqps',
        queries: rateBy('overloads', 'server_address'),
      },
    ],
  },
  {
    title: 'Attempts: what it takes',
    panels: [
      {
        title: 'Attempts by outcome',
        unit: 'reqps',
        queries: histogramRateBy('attemptDuration', 'tier', 'outcome'),
      },
      {
        title: 'p99 of attempts by zone',
        unit: 's',
        queries: {
          '{{zone}}':
            'histogram_quantile(0.99, sum by (zone, le) (rate(<attemptDuration>_bucket{$by}[$__rate_interval])))',
        },
      },
      { title: 'Wait before attempts that waited', unit: 's', queries: quantiles('attemptWait') },
      {
        title: 'Retries by outcome, and denied ones',
        unit: 'reqps',
        queries: {
          ...rateBy('retries', 'outcome'),
          'denied by the budget': 'sum (rate(<retriesDenied>{$by}[$__rate_interval]))',
        },
      },
      { title: 'Hedges', unit: 'reqps', queries: rateBy('hedges', 'server_address') },
      { title: 'Fallbacks by reason', unit: 'reqps', queries: rateBy('fallbacks', 'reason') },
    ],
  },
  {
    title: 'Tasks and discovery',
    panels: [
      {
        title: 'Tasks and load balancers by state',
        unit: 'short',
        queries: { '{{tier}} {{state}}': 'sum by (tier, state) (<upstreams>{$by})' },
      },
      { title: 'Ejections by cause', unit: 'reqps', queries: rateBy('ejections', 'cause') },
      {
        title: 'Panics',
        unit: 'short',
        queries: {
          '{{server_address}}': 'sum by (server_address) (increase(<panics>{$by}[$__rate_interval]))',
        },
      },
      {
        title: 'Share of calls straight to tasks',
        unit: 'percentunit',
        queries: { '{{server_address}}': 'avg by (server_address) (<directShare>{$by})' },
      },
      {
        title: "Share of direct calls in the caller's zone",
        unit: 'percentunit',
        queries: { '{{server_address}}': 'avg by (server_address) (<localShare>{$by})' },
      },
      { title: 'Lookups', unit: 'ops', queries: rateBy('lookups', 'server_address', 'result') },
      {
        title: 'Age of the last good lookup',
        unit: 's',
        queries: { '{{server_address}} {{source}}': 'max by (server_address, source) (<age>{$by})' },
      },
    ],
  },
]

/** As Grafana sends it to Prometheus, but for its own variables. */
export function panelExpression(template: string, flavour: Flavour): string {
  return expressionFor(template, flavour).replaceAll('$by', 'server_address=~"$service"')
}

/** A dashboard for Grafana's import. */
export function dashboard(flavour: Flavour): object {
  const source = { type: 'prometheus', uid: '${datasource}' }
  const panels: object[] = []
  let y = 0
  for (const { title, panels: inRow } of ROWS) {
    panels.push({ type: 'row', title, collapsed: false, gridPos: { x: 0, y, w: 24, h: 1 }, panels: [] })
    y++
    for (const [index, panel] of inRow.entries()) {
      const gridPos = { x: (index % 3) * 8, y: y + Math.floor(index / 3) * 8, w: 8, h: 8 }
      panels.push({
        type: 'timeseries',
        title: panel.title,
        datasource: source,
        gridPos,
        fieldConfig: { defaults: { unit: panel.unit, min: 0 }, overrides: [] },
        targets: Object.entries(panel.queries).map(([legendFormat, template], target) => ({
          refId: String.fromCodePoint(65 + target),
          datasource: source,
          expr: panelExpression(template, flavour),
          legendFormat,
        })),
      })
    }
    y += Math.ceil(inRow.length / 3) * 8
  }
  return {
    title: 'onehop',
    uid: `onehop-${flavour}`,
    tags: ['onehop'],
    schemaVersion: 39,
    editable: true,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    templating: {
      list: [
        { name: 'datasource', type: 'datasource', query: 'prometheus', label: 'Data source' },
        {
          name: 'service',
          type: 'query',
          label: 'Service',
          datasource: source,
          query: `label_values(${promName(METRICS.callActive, flavour)}, server_address)`,
          refresh: 2,
          multi: true,
          includeAll: true,
          allValue: '.*',
          current: { text: 'All', value: '$__all' },
        },
      ],
    },
    panels: panels.map((panel, index) => ({ id: index + 1, ...panel })),
  }
}

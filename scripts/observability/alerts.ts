import { expressionFor, type Flavour } from './names.ts'

export interface Alert {
  readonly name: string
  /** PromQL without the comparison. `<callDuration>` stands for the name of that metric. */
  readonly value: string
  readonly comparison: string
  /** How long it has to hold, e.g. `5m`. */
  readonly for: string
  readonly severity: 'critical' | 'warning'
  readonly summary: string
  readonly description: string
}

/** Failures that are not the caller's own: no 4xx, no aborts. */
const FAILED = 'error_type!~"|4..|AbortError"'

export const ALERTS: readonly Alert[] = [
  {
    name: 'OnehopCallsFail',
    value: `sum by (server_address) (rate(<callDuration>_count{${FAILED}}[5m])) / sum by (server_address) (rate(<callDuration>_count[5m]))`,
    comparison: '> 0.05',
    for: '5m',
    severity: 'critical',
    summary: 'More than 5 % of the calls to {{ $labels.server_address }} fail.',
    description:
      'After retries and the fallback, {{ $value | humanizePercentage }} of the calls fail. Panel "Failed calls by error" names the errors.',
  },
  {
    name: 'OnehopCallsSlow',
    value: 'histogram_quantile(0.99, sum by (server_address, le) (rate(<callDuration>_bucket[5m])))',
    comparison: '> 1',
    for: '10m',
    severity: 'warning',
    summary: 'Calls to {{ $labels.server_address }} are slow.',
    description:
      'One call in a hundred takes longer than {{ $value | humanizeDuration }}. Set the limit to what your service promises.',
  },
  {
    name: 'OnehopNothingAvailable',
    // The state and not the counter of panics: one that began before the first scrape is no increase.
    value:
      'sum by (server_address) (<upstreams>{state!="available"}) / sum by (server_address) (<upstreams>)',
    comparison: '>= 1',
    for: '30s',
    severity: 'critical',
    summary: 'No task of {{ $labels.server_address }} works, and no fallback.',
    description:
      'All known tasks are ejected, and so is the load balancer if there is one. Calls are tried on any of them. Check whether the service runs, and whether its security group lets the caller in.',
  },
  {
    name: 'OnehopTasksEjected',
    value:
      'sum by (server_address) (<upstreams>{tier="task",state!="available"}) / sum by (server_address) (<upstreams>{tier="task"})',
    comparison: '>= 0.5',
    for: '2m',
    severity: 'warning',
    summary: 'Half of the tasks of {{ $labels.server_address }} get no calls.',
    description:
      '{{ $value | humanizePercentage }} of the tasks are ejected. Panel "Ejections by cause" says whether they refuse connections, fail or drain.',
  },
  {
    name: 'OnehopFallbackInUse',
    value: 'avg by (server_address) (<directShare>)',
    comparison: '< 0.5',
    for: '5m',
    severity: 'warning',
    summary: 'Most calls to {{ $labels.server_address }} go to the load balancer.',
    description:
      'Only {{ $value | humanizePercentage }} of the calls go straight to tasks. Panel "Fallbacks by reason" says why.',
  },
  {
    name: 'OnehopRetriesDenied',
    value:
      'sum by (server_address) (rate(<retriesDenied>[5m])) / sum by (server_address) (rate(<callDuration>_count[5m]))',
    comparison: '> 0.01',
    for: '5m',
    severity: 'warning',
    summary: 'The retry budget for {{ $labels.server_address }} is spent.',
    description:
      'For {{ $value | humanizePercentage }} of the calls a failure was handed on although a retry was allowed. More retries would add load to a service that fails.',
  },
  {
    name: 'OnehopOverloaded',
    value: 'sum by (server_address) (increase(<overloads>[5m]))',
    comparison: '> 0',
    for: '1m',
    severity: 'warning',
    summary: 'Calls to {{ $labels.server_address }} are refused by maxPending.',
    description: 'About {{ $value | humanize }} calls in five minutes were refused at once, and not sent.',
  },
  {
    name: 'OnehopDiscoveryFails',
    // The age grows for services that are not called, too: they are not looked up.
    value:
      'max by (server_address) (<age>) and on (server_address) sum by (server_address) (increase(<lookups>{result="failure"}[5m])) > 0',
    comparison: '> 120',
    for: '1m',
    severity: 'warning',
    summary: 'Lookups of {{ $labels.server_address }} fail.',
    description:
      'The last lookup that succeeded was {{ $value | humanizeDuration }} ago. Calls go on with the tasks that were known then, for an hour.',
  },
]

/** The whole expression of an alert. */
export function alertExpression({ value, comparison }: Alert, flavour: Flavour): string {
  return `(${expressionFor(value, flavour)}) ${comparison}`
}

/** A rule file of Prometheus, as YAML. */
export function ruleFile(flavour: Flavour): string {
  const rules = ALERTS.flatMap((alert) => [
    `      - alert: ${alert.name}`,
    `        expr: ${quoted(alertExpression(alert, flavour))}`,
    `        for: ${alert.for}`,
    `        labels: { severity: ${alert.severity} }`,
    '        annotations:',
    `          summary: ${quoted(alert.summary)}`,
    `          description: ${quoted(alert.description)}`,
  ])
  return [
    '# Made by `npm run observability` from scripts/observability/: change it there.',
    'groups:',
    '  - name: onehop',
    '    rules:',
    ...rules,
    '',
  ].join('\n')
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

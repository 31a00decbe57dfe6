import { digits } from '../../src/bench/report/numbers.ts'
import type { ArmReport, BenchReport } from '../../src/bench/report/report.ts'

/** One run. */
export interface Compared {
  readonly balancer: string
  readonly tls: boolean
  readonly report: BenchReport
}

const SHARES = [0.5, 0.9, 0.99]

/** In Markdown: percentiles of each arm, and the differences with their intervals. */
export function comparisonTable(compared: readonly Compared[], network: string): string {
  const rows = compared.flatMap(({ balancer, tls, report }) => [
    ...report.arms.map((arm) => [
      arm === report.arms[0] ? `${balancer}, ${tls ? 'TLS' : 'HTTP'}` : '',
      arm.label,
      ...SHARES.map((share) => percentile(arm, share)),
      ...SHARES.map((share) => difference(report, arm, share)),
    ]),
  ])
  const [first] = compared
  const load = first?.report.load
  return [
    `Network: ${network}. ${load?.perSecond} calls a second over all arms, seed ${load?.seed}. In ms; the intervals hold the true difference in 95 of 100 runs.`,
    '',
    '| against | arm | p50 | p90 | p99 | p50 − balancer | p90 − balancer | p99 − balancer |',
    '|---|---|--:|--:|--:|---|---|---|',
    ...rows.map((cells) => `| ${cells.join(' | ')} |`),
  ].join('\n')
}

function percentile({ latency }: ArmReport, share: number): string {
  const ms = latency.find((one) => one.share === share)?.ms ?? null
  return ms === null ? 'cannot tell' : digits(ms)
}

function difference({ comparisons }: BenchReport, { name }: ArmReport, share: number): string {
  const comparison = comparisons.find(({ arm }) => arm === name)
  const found = comparison?.percentiles.find((one) => one.share === share)
  if (comparison === undefined || found === undefined) return ''
  return `${comparison.isControl ? 'copy: ' : ''}${found.sentence}`
}

import type { Report } from '../../chaos/run.ts'
import { KINDS } from '../../chaos/tally.ts'

const COLUMNS = [
  'scenario',
  'client',
  'calls',
  'failed',
  ...KINDS.map((kind) => `of ${kind}`),
  'p50',
  'p99',
  'max',
  'p99 of control',
  'attempts',
  'late p99',
]

export const header: string = [
  line(COLUMNS),
  line(COLUMNS.map((_, index) => (index < 2 ? '---' : '--:'))),
].join('\n')

/** Times in ms. */
export function row({ scenario, client, tally, control, attempts, lateP99Ms }: Report): string {
  return line([
    scenario,
    client,
    tally.calls(),
    tally.failures.length,
    ...KINDS.map((kind) => tally.failedOf(kind).length),
    tally.latencyMs(0.5).toFixed(1),
    tally.latencyMs(0.99).toFixed(1),
    tally.latencyMs(1).toFixed(0),
    control?.latencyMs(0.99).toFixed(1) ?? '',
    attempts ?? '',
    lateP99Ms.toFixed(1),
  ])
}

function line(cells: readonly (string | number)[]): string {
  return `| ${cells.join(' | ')} |`
}

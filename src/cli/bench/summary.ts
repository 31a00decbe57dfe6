/** The report in a terminal. */
import { latenessSentence, PATH_LABELS } from '../../bench/report/conclusions.ts'
import { count, digits, dollars, duration } from '../../bench/report/numbers.ts'
import type { BenchReport } from '../../bench/report/report.ts'
import {
  countTable,
  latencyTable,
  setUpTable,
  taskTable,
  type Cell,
  type Table,
} from '../../bench/report/tables.ts'
import { percentileName } from '../../bench/statistics/percentiles.ts'
import type { Output } from '../terminal/output.ts'
import { table } from '../terminal/table.ts'

export function summaryLines(report: BenchReport, { style }: Output): string[] {
  const { title, notices, conclusions, lateness, worse, limits, assertions, command } = report
  const section = (name: string, lines: readonly string[]): string[] => ['', style('bold', name), ...lines]
  const counts = countTable(report, {
    perCallHead: 'bytes a call',
    kindsHead: 'kinds',
    perCall: count,
    kind: (kind, calls) => `${kind} ${calls}`,
  })
  const results = assertions.map(({ text, holds, values }) => {
    const word = holds === null ? 'cannot tell' : holds ? 'holds' : 'fails'
    return `${style(holds === true ? 'green' : 'red', word)}: ${text} (${values})`
  })
  return [
    style('bold', title),
    ...notices.map((notice) => style('yellow', notice)),
    ...settingLines(report),
    ...section('Result', listed(conclusions)),
    ...section('Latency in ms, from when a call was due to its last byte', textTable(latencyTable(report))),
    ...section('Differences', [...differenceLines(report), latenessSentence(lateness, 'max')]),
    ...section('New connections, in ms', textTable(setUpTable(report))),
    ...section('By task', textTable(taskTable(report))),
    ...section('Errors, retries, connections', textTable(counts)),
    ...section('Cost, in dollars a month', costLines(report)),
    ...section('What is worse on the direct path', listed(worse)),
    ...section('What this run cannot tell', listed(limits)),
    ...(results.length > 0 ? section('Assertions', results) : []),
    ...section('To repeat it', [command]),
  ]
}

function listed(lines: readonly string[]): string[] {
  return lines.map((line) => `- ${line}`)
}

/** All columns but the first one are to the right. */
function textTable({ heads, rows }: Table): string[] {
  return table([heads, ...rows.map((row) => row.map(textOf))], { right: [...heads.keys()].slice(1) })
}

function textOf(cell: Cell): string {
  if (cell === null) return '-'
  if (typeof cell === 'string') return cell
  if (typeof cell === 'number') return digits(cell)
  if ('medianMs' in cell) return digits(cell.medianMs)
  const { ms: value, interval } = cell
  if (value === null) return 'cannot tell'
  return digits(value) + (interval === null ? '' : ` (${digits(interval.low)}–${digits(interval.high)})`)
}

function settingLines({ where, load }: BenchReport): string[] {
  const place =
    where.task === null ? `this machine (${where.platform}, ${where.cpus} CPUs)` : `task ${where.task}`
  const zone = where.zone === null ? '' : ` in ${where.zone}`
  return [
    `${load.method} ${where.url} from ${place}${zone}, ${where.startedAt}`,
    `${count(load.calls)} calls, ${load.perSecond}/s (${load.arrivals}, seed ${load.seed}), ${duration(load.durationMs - load.cutMs)} after ${duration(load.cutMs)} of warm-up; onehop ${where.onehop}, Node ${where.node}`,
  ]
}

function differenceLines({ comparisons }: BenchReport): string[] {
  return comparisons.flatMap(({ arm, baseline, isControl, percentiles }) => [
    `${arm} − ${baseline}${isControl ? ' (control: must not differ)' : ''}`,
    ...table(
      percentiles.map(({ share, sentence }) => [percentileName(share), sentence]),
      { indent: '  ' },
    ),
  ])
}

function costLines({ cost }: BenchReport): string[] {
  const rows = cost.paths.flatMap(({ path, perMonth, items }) => [
    [PATH_LABELS[path], dollars(perMonth), ''],
    ...items.map(({ name, perMonth: part, because }) => [`  ${name}`, dollars(part), because]),
  ])
  return table(rows, { right: [1] })
}

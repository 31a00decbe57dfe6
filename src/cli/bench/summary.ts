/** The report in a terminal. */
import type { ArmReport, BenchReport, PercentileReport, Spread } from '../../bench/report/report.ts'
import { PATH_LABELS } from '../../bench/report/conclusions.ts'
import { COUNT_COLUMNS, countsOf } from '../../bench/report/counts.ts'
import { count, digits, dollars, duration, ms, percent } from '../../bench/report/numbers.ts'
import { percentileName } from '../../bench/statistics/percentiles.ts'
import type { Io } from '../terminal/io.ts'
import { table } from '../terminal/table.ts'

export function printSummary(report: BenchReport, io: Io): void {
  const heading = (text: string): void => io.line(`\n${io.out.style('bold', text)}`)
  io.line(io.out.style('bold', report.title))
  for (const notice of report.notices) io.line(io.out.style('yellow', notice))
  io.line(setting(report))

  heading('Result')
  for (const conclusion of report.conclusions) io.line(`- ${conclusion}`)

  heading('Latency in ms, from when a call was due to its last byte')
  print(io, latencyRows(report))

  heading('Differences')
  for (const { arm, baseline, isControl, percentiles } of report.comparisons) {
    io.line(`${arm} − ${baseline}${isControl ? ' (control: must not differ)' : ''}`)
    print(
      io,
      percentiles.map(({ share, sentence }) => [percentileName(share), sentence]),
      '  ',
      [],
    )
  }
  io.line(lateness(report))

  heading('New connections, in ms')
  print(io, setUpRows(report))

  heading('By task')
  print(io, upstreamRows(report.arms))

  heading('Errors, retries, connections')
  print(io, countRows(report.arms))

  heading('Cost, in dollars a month')
  print(io, costRows(report), '', [1])

  heading('What is worse on the direct path')
  for (const line of report.worse) io.line(`- ${line}`)
  heading('What this run cannot tell')
  for (const line of report.limits) io.line(`- ${line}`)

  if (report.assertions.length > 0) heading('Assertions')
  for (const { text, holds, values } of report.assertions) {
    const [format, word] =
      holds === true
        ? (['green', 'holds'] as const)
        : (['red', holds === null ? 'cannot tell' : 'fails'] as const)
    io.line(`${io.out.style(format, word)}: ${text} (${values})`)
  }
  heading('To repeat it')
  io.line(report.command)
}

function print(io: Io, rows: readonly (readonly string[])[], indent = '', right?: readonly number[]): void {
  const numbers = right ?? (rows[0] ?? []).map((_, index) => index).slice(1)
  for (const line of table(rows, { right: numbers, indent })) io.line(line)
}

function setting({ where, load }: BenchReport): string {
  const place =
    where.task === null ? `this machine (${where.platform}, ${where.cpus} CPUs)` : `task ${where.task}`
  const zone = where.zone === null ? '' : ` in ${where.zone}`
  return [
    `${load.method} ${where.url} from ${place}${zone}, ${where.startedAt}`,
    `${count(load.calls)} calls, ${load.perSecond}/s (${load.arrivals}, seed ${load.seed}), ${duration(load.durationMs - load.cutMs)} after ${duration(load.cutMs)} of warm-up; onehop ${where.onehop}, Node ${where.node}`,
  ].join('\n')
}

function latencyRows({ arms }: BenchReport): string[][] {
  const shares = arms[0]?.latency ?? []
  return [
    ['arm', ...shares.map(({ share }) => percentileName(share)), 'max', 'service p50', 'calls'],
    ...arms.map(({ label, latency, maxMs, service, calls }) => [
      label,
      ...latency.map(cell),
      maxMs === null ? '-' : digits(maxMs),
      service[0] === undefined ? '-' : cell(service[0]),
      count(calls),
    ]),
  ]
}

function cell({ ms: value, interval }: PercentileReport): string {
  if (value === null) return 'cannot tell'
  return interval === null
    ? digits(value)
    : `${digits(value)} (${digits(interval.low)}–${digits(interval.high)})`
}

function lateness({ lateness: { percentiles, maxMs } }: BenchReport): string {
  const parts = percentiles
    .filter(({ ms: value }) => value !== null)
    .map(({ share, ms: value }) => `${percentileName(share)} ${ms(value ?? 0)}`)
  if (maxMs !== null) parts.push(`max ${ms(maxMs)}`)
  return `The generator sent late by: ${parts.join(', ')}.`
}

function setUpRows({ setUp }: BenchReport): string[][] {
  const text = (spread: Spread | null): string => (spread === null ? '-' : digits(spread.medianMs))
  return [
    ['arm', 'lookup', 'TCP', 'TLS', 'TLS resumed', 'first call', 'second call', 'failed'],
    ...setUp.map((way) => [
      way.label,
      ...[way.lookup, way.tcp, way.tls, way.tlsResumed, way.coldCall, way.warmCall].map(text),
      count(way.failed),
    ]),
  ]
}

function upstreamRows(arms: readonly ArmReport[]): string[][] {
  const orDash = (value: number | null): string => (value === null ? '-' : digits(value))
  return [
    ['arm', 'task', 'zone', 'calls', 'share', 'p50', 'p99'],
    ...arms.flatMap(({ label, byUpstream }) =>
      byUpstream.map(({ name, zone, calls, share, p50Ms, p99Ms }) => [
        label,
        name,
        zone ?? 'unknown',
        count(calls),
        percent(share),
        orDash(p50Ms),
        orDash(p99Ms),
      ]),
    ),
  ]
}

function countRows(arms: readonly ArmReport[]): string[][] {
  return [
    ['arm', ...COUNT_COLUMNS, 'bytes a call', 'kinds'],
    ...arms.map((arm) => [
      arm.label,
      ...countsOf(arm).map(count),
      arm.bytes.perCall === null ? '-' : count(arm.bytes.perCall),
      arm.failures.map(({ kind, calls }) => `${kind} ${calls}`).join(', '),
    ]),
  ]
}

function costRows({ cost }: BenchReport): string[][] {
  return cost.paths.flatMap(({ path, perMonth, items }) => [
    [PATH_LABELS[path], dollars(perMonth), ''],
    ...items.map(({ name, perMonth: part, because }) => [`  ${name}`, dollars(part), because]),
  ])
}

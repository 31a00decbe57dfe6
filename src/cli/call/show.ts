import type { Output } from '../terminal/output.ts'
import { table } from '../terminal/table.ts'
import { hasFailed, type AttemptReport, type CallReport } from './report.ts'

/** Wide enough for what is usual: the rows are printed one after the other. */
const COLUMNS = [
  ['CALL', 4],
  ['TRY', 4],
  ['TASK', -21],
  ['ZONE', -11],
  ['WAIT', 8],
  ['CONNECT', 8],
  ['TLS', 8],
  ['HEADERS', 8],
  ['BODY', 8],
  ['TOTAL', 8],
  ['RESULT', -1],
] as const

/** The line above the calls. */
export function headLine(out: Output): string {
  return out.style('dim', cells(COLUMNS.map(([name]) => name)))
}

/** The attempts of a call, each with why its task was picked; then what the call came to, if that is not the same. */
export function callLines(report: CallReport, out: Output): string[] {
  const { call, via, attempts, error } = report
  const lines = attempts.flatMap((attempt, index) => [
    attemptLine(index === 0 ? String(call) : '', attempt, out),
    out.style('dim', `${' '.repeat(10)}${via === 'client' ? '' : `${via}: `}${attempt.why}`),
  ])
  if (error !== undefined) lines.push(`${String(call).padStart(4)}  ${out.style('red', error)}`)
  return lines
}

function attemptLine(call: string, attempt: AttemptReport, out: Output): string {
  const { zone = '-', connection } = attempt
  const connect = connection === 'reused' ? 'reused' : ms(attempt.connectMs)
  const line = cells([
    call,
    String(attempt.attempt),
    attempt.upstream,
    zone,
    ms(attempt.waitMs),
    connect,
    ms(attempt.tlsMs),
    ms(attempt.headersMs),
    ms(attempt.bodyMs),
    ms(attempt.totalMs),
    '',
  ])
  return `${line}  ${resultOf(attempt, out)}`
}

function resultOf({ status, bytes, error, outcome }: AttemptReport, out: Output): string {
  if (error !== undefined) return out.style('red', error)
  if (status === undefined) return out.style('yellow', outcome ?? 'under way')
  const isGood = status < 500
  return `${out.style(isGood ? 'green' : 'red', String(status))}  ${bytes} bytes${outcome === 'cancelled' ? ', cancelled' : ''}`
}

/** What several calls came to, by way. */
export function summaryLines(reports: readonly CallReport[], out: Output): string[] {
  const ways = [...new Set(reports.map(({ via }) => via))]
  const rows = ways.map((way) => {
    const calls = reports.filter(({ via }) => via === way)
    const attempts = calls.flatMap((one) => one.attempts)
    const times = calls.map(({ totalMs }) => totalMs).toSorted((one, other) => one - other)
    return [
      way,
      String(calls.length),
      String(calls.filter(hasFailed).length),
      String(
        attempts.filter(({ hedged }) => !hedged).length -
          calls.filter((one) => one.attempts.length > 0).length,
      ),
      String(attempts.filter(({ hedged }) => hedged).length),
      String(attempts.filter(({ tier }) => tier === 1).length),
      ms(times[0]),
      ms(times[Math.floor((times.length - 1) / 2)]),
      ms(times.at(-1)),
    ]
  })
  const head = ['VIA', 'CALLS', 'FAILED', 'RETRIES', 'HEDGES', 'TO BALANCER', 'MIN', 'MEDIAN', 'MAX']
  const [first = '', ...rest] = table([head, ...rows], { right: [1, 2, 3, 4, 5, 6, 7, 8] })
  return ['', out.style('dim', first), ...rest, ...byTask(reports, out)]
}

function byTask(reports: readonly CallReport[], out: Output): string[] {
  const answered = new Map<string, number>()
  for (const { attempts } of reports)
    for (const { upstream, status } of attempts)
      if (status !== undefined) answered.set(upstream, (answered.get(upstream) ?? 0) + 1)
  if (answered.size === 0) return []
  const rows = [...answered].toSorted(([one], [other]) => one.localeCompare(other, 'en', { numeric: true }))
  return [
    '',
    out.style('dim', 'answers by task'),
    ...table(
      rows.map(([task, count]) => [task, String(count)]),
      { right: [1] },
    ),
  ]
}

function ms(time: number | undefined): string {
  return time === undefined ? '-' : time.toFixed(1)
}

function cells(texts: readonly string[]): string {
  return texts
    .map((text, index) => {
      const width = COLUMNS[index]?.[1] ?? 0
      return width < 0 ? text.padEnd(-width) : text.padStart(width)
    })
    .join('  ')
    .trimEnd()
}

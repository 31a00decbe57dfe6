import type { Output } from '../terminal/output.ts'
import { table } from '../terminal/table.ts'
import { hasFailed, type AttemptReport, type CallReport } from './report.ts'

interface Column {
  readonly head: string
  /** Wide enough for what is usual: the rows are printed one after the other. Below zero: to the left. */
  readonly width: number
  readonly text: (attempt: AttemptReport) => string
}

/** Between the number of the call and the result. */
const COLUMNS: readonly Column[] = [
  { head: 'TRY', width: 4, text: ({ attempt }) => String(attempt) },
  { head: 'TASK', width: -21, text: ({ upstream }) => upstream },
  { head: 'ZONE', width: -11, text: ({ zone = '-' }) => zone },
  { head: 'WAIT', width: 8, text: ({ waitMs }) => ms(waitMs) },
  {
    head: 'CONNECT',
    width: 8,
    text: ({ connection, connectMs }) => (connection === 'reused' ? 'reused' : ms(connectMs)),
  },
  { head: 'TLS', width: 8, text: ({ tlsMs }) => ms(tlsMs) },
  { head: 'HEADERS', width: 8, text: ({ headersMs }) => ms(headersMs) },
  { head: 'BODY', width: 8, text: ({ bodyMs }) => ms(bodyMs) },
  { head: 'TOTAL', width: 8, text: ({ totalMs }) => ms(totalMs) },
]

/** The line above the calls. */
export function headLine(out: Output): string {
  return out.style(
    'dim',
    lineOf('CALL', ({ head }) => head, 'RESULT'),
  )
}

/** The attempts of a call, each with why its task was picked; then what the call came to, if that is not the same. */
export function callLines(report: CallReport, out: Output): string[] {
  const { call, via, attempts, error } = report
  const lines = attempts.flatMap((attempt, index) => [
    lineOf(index === 0 ? String(call) : '', ({ text }) => text(attempt), resultOf(attempt, out)),
    out.style('dim', `${' '.repeat(10)}${via === 'client' ? '' : `${via}: `}${attempt.why}`),
  ])
  if (error !== undefined) lines.push(`${String(call).padStart(4)}  ${out.style('red', error)}`)
  return lines
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

function lineOf(call: string, textOf: (column: Column) => string, result: string): string {
  const cells = COLUMNS.map((column) => {
    const [text, { width }] = [textOf(column), column]
    return width < 0 ? text.padEnd(-width) : text.padStart(width)
  })
  return [call.padStart(4), ...cells, result].join('  ')
}

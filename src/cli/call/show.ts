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
  const rows = Array.from(
    Map.groupBy(reports, ({ via }) => via),
    ([way, calls]) => {
      const attempts = calls.flatMap((one) => one.attempts)
      const firsts = calls.filter((one) => one.attempts.length > 0).length
      const hedges = attempts.filter(({ hedged }) => hedged).length
      const toBalancer = attempts.filter(({ tier }) => tier === 1).length
      const failed = calls.filter(hasFailed).length
      const times = calls.map(({ totalMs }) => totalMs).toSorted((one, other) => one - other)
      return [
        way,
        ...[calls.length, failed, attempts.length - firsts - hedges, hedges, toBalancer].map(String),
        ...[times[0], times[Math.floor((times.length - 1) / 2)], times.at(-1)].map(ms),
      ]
    },
  )
  const head = ['VIA', 'CALLS', 'FAILED', 'RETRIES', 'HEDGES', 'TO BALANCER', 'MIN', 'MEDIAN', 'MAX']
  const layout = { right: [1, 2, 3, 4, 5, 6, 7, 8], head: (line: string) => out.style('dim', line) }
  return ['', ...table([head, ...rows], layout), ...byTask(reports, out)]
}

function byTask(reports: readonly CallReport[], out: Output): string[] {
  const answered = reports.flatMap(({ attempts }) => attempts).filter(({ status }) => status !== undefined)
  if (answered.length === 0) return []
  const rows = [...Map.groupBy(answered, ({ upstream }) => upstream)]
    .map(([task, { length }]) => [task, String(length)] as const)
    .toSorted(([one], [other]) => one.localeCompare(other, 'en', { numeric: true }))
  return ['', out.style('dim', 'answers by task'), ...table(rows, { right: [1] })]
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

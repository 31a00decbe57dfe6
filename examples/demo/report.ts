import { percentile, type Shot } from './load.ts'

/** The result of one phase of the demo. Times in ms unless the name says otherwise. */
export interface PhaseReport {
  readonly requests: number
  /** Failed requests, without `inFlightOnKilled`. */
  readonly failed: number
  readonly seconds: number
  /** POSTs that a killed task had received and not answered. It may have executed them, so they are not repeated. */
  readonly inFlightOnKilled: number
  readonly viaFallback: number
  readonly endpoints: readonly string[]
  /** Requests by the task that answered, as a share of all. */
  readonly shares: Readonly<Record<string, number>>
  readonly p50Ms: number
  readonly p99Ms: number
  /** Through the load balancer, where the phase compares. */
  readonly balancerP50Ms?: number
  readonly balancerP99Ms?: number
  /** Further observations, in words. */
  readonly notes: readonly string[]
  /** What did not happen as it should; empty if all went well. */
  readonly problems: readonly string[]
}

export interface DemoReport {
  readonly balancer: string
  readonly phases: Readonly<Record<string, PhaseReport>>
  readonly ok: boolean
}

export function phaseReport(
  shots: readonly Shot[],
  seconds: number,
  seen: Partial<PhaseReport> & { readonly wasInFlight?: (shot: Shot) => boolean },
): PhaseReport {
  const { wasInFlight = () => false, problems = [], notes = [], endpoints = [], ...rest } = seen
  const answered = shots.filter((shot) => shot.error === undefined)
  const inFlightOnKilled = shots.filter((shot) => shot.error !== undefined && wasInFlight(shot)).length
  const failed = shots.length - answered.length - inFlightOnKilled
  const times = answered.map((shot) => shot.ms)
  const counts = new Map<string, number>()
  for (const { task = '' } of answered) counts.set(task, (counts.get(task) ?? 0) + 1)
  const why = shots.find((shot) => shot.error !== undefined && !wasInFlight(shot))?.error
  return {
    requests: shots.length,
    failed,
    seconds: round(seconds, 1),
    inFlightOnKilled,
    viaFallback: answered.filter((shot) => shot.viaBalancer).length,
    endpoints,
    shares: Object.fromEntries([...counts].map(([task, count]) => [task, round(count / answered.length, 3)])),
    p50Ms: round(percentile(times, 0.5), 2),
    p99Ms: round(percentile(times, 0.99), 2),
    notes,
    ...rest,
    problems: failed === 0 ? problems : [...problems, `${failed} requests failed: ${causes(why)}`],
  }
}

const COLUMNS = 92

/**
 * The table at the end, what each column means, and the observations of each phase. Fits 92 columns.
 * @param explanations by the name of the phase
 */
export function table(report: DemoReport, explanations: Readonly<Record<string, string>>): string {
  const head = ['phase', 'requests', 'failed', 'in flight', 'via LB', 'p50 ms', 'p99 ms', 'seconds']
  const phases = Object.entries(report.phases)
  const rows = phases.map(([name, phase]) => [
    name,
    String(phase.requests),
    String(phase.failed),
    String(phase.inFlightOnKilled),
    String(phase.viaFallback),
    phase.requests === 0 ? '' : phase.p50Ms.toFixed(2),
    phase.requests === 0 ? '' : phase.p99Ms.toFixed(2),
    phase.seconds.toFixed(1),
  ])
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  )
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd()
  const legend = [
    'failed: requests that ended in an error, without those of the next column.',
    'in flight: POSTs that the killed task had received and not answered. It may have executed ' +
      'them, so onehop does not send them again; the caller gets the error and decides.',
    `via LB: answered through the load balancer, which is ${report.balancer} on loopback.`,
  ]
  const details = phases.flatMap(([name, { notes }]) => [
    '',
    name,
    ...notes.flatMap((note) => wrapped(note, '  - ', '    ')),
    ...wrapped(explanations[name] ?? '', '  ', '  '),
  ])
  return [
    line(head),
    widths.map((width) => '-'.repeat(width)).join('  '),
    ...rows.map(line),
    '',
    ...legend.flatMap((text) => wrapped(text, '', '  ')),
    ...details,
  ].join('\n')
}

/** Lines of at most `COLUMNS`, the first after `first`, the others after `indent`. */
export function wrapped(text: string, first: string, indent: string): string[] {
  const lines: string[] = []
  let line = first
  for (const word of text.split(' ')) {
    const isStart = line === first || line === indent
    if (!isStart && line.length + 1 + word.length > COLUMNS) {
      lines.push(line)
      line = indent + word
    } else line += isStart ? word : ` ${word}`
  }
  return [...lines, line]
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}

function causes(error: Error | undefined): string {
  const messages: string[] = []
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) messages.push(cause.message)
  return messages.join(' <- ')
}

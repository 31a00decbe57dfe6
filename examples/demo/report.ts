import { percentile, type Shot } from './load.ts'

/** What one phase of the demo did. Times in ms unless the name says otherwise. */
export interface PhaseReport {
  readonly requests: number
  /** Apart from POSTs that were in flight on a task when it was killed. */
  readonly failed: number
  readonly seconds: number
  /** POSTs in flight on a killed task: they may have been executed, so nobody can send them again. */
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
  /** What a person wants to read beside the numbers. */
  readonly notes: readonly string[]
  /** Why the phase did not do what it says; empty when it did. */
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

/** The table that a person reads at the end, with what was seen below it. Fits 80 columns. */
export function table(report: DemoReport): string {
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
  const seen = phases.flatMap(([name, { notes }]) => notes.map((note) => `${name}: ${note}`))
  return [
    line(head),
    widths.map((width) => '-'.repeat(width)).join('  '),
    ...rows.map(line),
    '',
    ...seen,
    '',
    'failed: apart from POSTs that were in flight on the killed task, which nobody may send again.',
    `via LB: through the load balancer (${report.balancer}).`,
  ].join('\n')
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}

function causes(error: Error | undefined): string {
  const told: string[] = []
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) told.push(cause.message)
  return told.join(' <- ')
}

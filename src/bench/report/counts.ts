/** The counts of an arm, in the order in which the terminal and the page show them. */
import type { ArmReport } from './report.ts'

export const COUNT_COLUMNS: readonly string[] = [
  'failed',
  'not sent',
  'retries',
  'hedges',
  'fallbacks',
  'opened after warm-up',
  'most open',
]

/** One number for each of `COUNT_COLUMNS`. */
export function countsOf(arm: ArmReport): number[] {
  const { notSent, retries, hedges, fallbacks, connections } = arm
  return [failedCalls(arm), notSent, retries, hedges, fallbacks, connections.opened, connections.peak]
}

/** Of all kinds together. */
export function failedCalls({ failures }: ArmReport): number {
  return failures.reduce((sum, { calls }) => sum + calls, 0)
}

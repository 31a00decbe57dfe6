/** One run in numbers. */
import type { MonthPlan, MonthResult } from './run.ts'
import type { Cause } from './service.ts'

/** The scenario of the issue that led to decision 018, for one service. */
export const PLAN: Omit<MonthPlan, 'mode' | 'days' | 'processes' | 'ttlMs'> = {
  tasks: 6,
  deploymentsPerDay: 5,
  crashesPerHour: 1,
  illnessesPerHour: 1,
  apiLagMs: 500,
  dnsLagMs: 500,
  seed: 7,
}

/** For one process and service; times in s. */
export interface Summary {
  readonly apiCallsPerMonth: number
  readonly readsPerMonth: number
  readonly dnsQueriesPerMonth: number
  readonly p50: number
  readonly p99: number
  readonly deploymentP50: number
  readonly crashP50: number
  readonly healthP50: number
  readonly attemptsAtDeadPerDay: number
  readonly failedCalls: number
  /** Endpoints that joined or left the set, for each change of the service. */
  readonly movesPerChange: number
}

export function summaryOf(plan: MonthPlan, result: MonthResult): Summary {
  const { calls, sights } = result
  const perDay = (count: number): number => count / plan.processes / plan.days
  const quantile = (share: number, causes?: readonly Cause[]): number => {
    const some = causes === undefined ? sights : sights.filter(({ cause }) => causes.includes(cause))
    return (some[Math.floor(some.length * share)]?.delayMs ?? Number.NaN) / 1_000
  }
  return {
    apiCallsPerMonth: 30 * perDay(calls.reads + calls.revisions),
    readsPerMonth: 30 * perDay(calls.reads),
    dnsQueriesPerMonth: 30 * perDay(calls.dns),
    p50: quantile(0.5),
    p99: quantile(0.99),
    deploymentP50: quantile(0.5, ['deployment']),
    crashP50: quantile(0.5, ['crash', 'successor']),
    healthP50: quantile(0.5, ['health']),
    attemptsAtDeadPerDay: perDay(result.attemptsAtDead),
    failedCalls: result.failedCalls,
    movesPerChange: result.moves / plan.processes / result.changes,
  }
}

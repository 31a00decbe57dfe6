/**
 * What discovery costs over days, and how soon it sees changes: the real views, resolvers and clusters on virtual time.
 * A few processes of one service stand for a fleet, since neither processes nor services share anything.
 */
import { seededRandom } from '../../src/testing/fakes/seeded-random.ts'
import { VirtualTime } from '../virtual-time.ts'
import { SimulatedProcess, type Sight } from './process.ts'
import { SimulatedService, type ServicePlan } from './service.ts'
import type { Calls, Mode } from './sources.ts'

const A_DAY_MS = 86_400_000

export interface MonthPlan extends ServicePlan {
  readonly mode: Mode
  readonly days: number
  readonly processes: number
  /** Of the DNS records. */
  readonly ttlMs: number
  readonly seed: number
}

/** Over all processes. */
export interface MonthResult {
  readonly calls: Calls
  /** Tasks that joined or left the service. */
  readonly changes: number
  /** What the processes saw, the soonest first. */
  readonly sights: readonly Sight[]
  readonly unseen: number
  readonly attemptsAtDead: number
  readonly failedCalls: number
  readonly moves: number
}

export async function runMonth(plan: MonthPlan): Promise<MonthResult> {
  const time = new VirtualTime()
  const calls: Calls = { dns: 0, reads: 0, revisions: 0, readAt: [] }
  const processes: SimulatedProcess[] = []
  const service = new SimulatedService(plan, time, seededRandom(plan.seed), {
    changed: (...change) => processes.forEach((process) => process.expect(...change)),
    died: () => processes.forEach((process) => process.callWhileSomeAreDead()),
  })
  for (let index = 1; index <= plan.processes; index++) {
    const random = seededRandom(plan.seed * 1_000 + index)
    processes.push(new SimulatedProcess(plan.mode, { time, random, ttlMs: plan.ttlMs, service, calls }))
  }
  await Promise.all(processes.map((process) => process.start()))
  const until = plan.days * A_DAY_MS
  while (time.runNext(until)) {
    if (!processes.some(({ isBusy }) => isBusy)) continue
    // Every chain of promises that waits for no timer runs to its end.
    await new Promise((resolve) => setImmediate(resolve))
    for (const process of processes) process.look()
  }
  const sum = (count: (process: SimulatedProcess) => number): number =>
    processes.reduce((total, process) => total + count(process), 0)
  const result: MonthResult = {
    calls,
    changes: service.changes,
    sights: processes.flatMap(({ sights }) => sights).toSorted((one, other) => one.delayMs - other.delayMs),
    unseen: sum(({ unseen }) => unseen),
    attemptsAtDead: sum(({ attemptsAtDead }) => attemptsAtDead),
    failedCalls: sum(({ failedCalls }) => failedCalls),
    moves: sum(({ moves }) => moves),
  }
  await Promise.all(processes.map((process) => process.close()))
  return result
}

/** A month of a fleet: what discovery costs, and how soon it sees changes. */
import { runMonth } from '../../simulation/month/run.ts'
import type { Mode } from '../../simulation/month/sources.ts'
import { PLAN, summaryOf } from '../../simulation/month/summary.ts'
import type { Effort, Report, Row } from './report.ts'

/** 100 processes that call 10 services. */
const VIEWS = 1_000
const DOLLARS_PER_CALL = 1e-6

interface Run {
  readonly mode: Mode
  readonly ttlSeconds: number
}

const RUNS: readonly Run[] = [
  { mode: 'dns', ttlSeconds: 5 },
  { mode: 'api', ttlSeconds: 5 },
  { mode: 'auto before', ttlSeconds: 5 },
  { mode: 'auto', ttlSeconds: 5 },
  { mode: 'auto', ttlSeconds: 10 },
  { mode: 'auto', ttlSeconds: 60 },
  { mode: 'http namespace', ttlSeconds: 5 },
]

export async function month({ quick }: Effort): Promise<Report> {
  const days = quick ? 1 : 30
  const rows: Row[] = []
  for (const { mode, ttlSeconds } of RUNS) {
    const plan = { ...PLAN, mode, days, processes: 1, ttlMs: ttlSeconds * 1_000 }
    const { apiCallsPerMonth, ...summary } = summaryOf(plan, await runMonth(plan))
    rows.push({
      discovery: mode === 'dns' || mode === 'auto' ? `${mode}, TTL ${ttlSeconds} s` : mode,
      calls: (apiCallsPerMonth * VIEWS) / 1e6,
      dollars: apiCallsPerMonth * VIEWS * DOLLARS_PER_CALL,
      reads: (summary.readsPerMonth * VIEWS) / 1e6,
      dns: (summary.dnsQueriesPerMonth * VIEWS) / 1e6,
      p50: summary.p50,
      p99: summary.p99,
      deployment: summary.deploymentP50,
      crash: summary.crashP50,
      health: summary.healthP50,
      dead: summary.attemptsAtDeadPerDay,
      failed: summary.failedCalls,
      moves: summary.movesPerChange,
    })
  }
  return {
    name: 'month',
    title: '4d. A month of 100 processes that call 10 services of 6 tasks',
    columns: {
      discovery: 'discovery',
      calls: 'API calls, M',
      dollars: '$',
      reads: 'reads of them, M',
      dns: 'DNS queries, M',
      p50: 'seen after s: p50',
      p99: 'p99',
      deployment: 'p50: deployments',
      crash: 'crashes',
      health: 'health',
      dead: 'attempts at dead tasks',
      failed: 'failed calls',
      moves: 'moves per change',
    },
    rows,
    notes: [
      `Virtual time; the real cache, resolvers and clusters. One process of one service for ${days} days, times ${VIEWS.toLocaleString('en')}: processes and services share nothing.`,
      'Each service: 5 deployments a day (12 changes each), a crash an hour (ECS notices it within 5 to 15 s, the successor comes after 30 to 60 s), a health check an hour that fails for 1 to 3 minutes. 10 calls a second while a known task is dead.',
      'A change is seen when the set of endpoints has it. "attempts at dead tasks": a day, process and service; each call then succeeds on another task. "moves per change": 1 if no endpoint goes back and forth.',
      '"auto before" polled the API as "api" does. "http namespace": auto where DNS knows nothing.',
      '$1 for a million calls of either operation; that of DiscoverInstancesRevision is not confirmed.',
    ],
  }
}

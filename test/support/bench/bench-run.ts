/** A run of the benchmark that was never made: latencies from a seed, so that reports of it are the same each time. */
import { makeArm } from '../../../src/bench/arms/make-arm.ts'
import { newSetUp } from '../../../src/bench/arms/set-up.ts'
import type { ArmName, Way } from '../../../src/bench/arms/arm.ts'
import { CLOUD_MAP_CALLS_PER_MINUTE } from '../../../src/bench/cost/cost.ts'
import { DEFAULT_PRICES } from '../../../src/bench/cost/prices.ts'
import { NOT_SENT, Recording, SUCCEEDED } from '../../../src/bench/load/recording.ts'
import { scheduleOf } from '../../../src/bench/load/schedule.ts'
import { buildReport } from '../../../src/bench/report/build.ts'
import type { BenchReport } from '../../../src/bench/report/report.ts'
import type { BenchSettings } from '../../../src/bench/settings.ts'
import { systemClock, type Random } from '../../../src/core/clock.ts'
import { seededRandom } from '../../../src/core/seeded-random.ts'

export interface MadeUpRun {
  /** Changes to the settings. */
  readonly settings?: Partial<BenchSettings>
  /** In ms, of each arm in turn: dns, api, fallback, undici, control. */
  readonly medians?: readonly number[]
  /** Names of the three tasks. */
  readonly tasks?: readonly string[]
  /** The caller's; null: unknown. */
  readonly zone?: string | null
  /** The kind of failures. */
  readonly failure?: string
  /** [0.001] */
  readonly failedShare?: number
  /** Until when calls fail, and are slow, in ms since the start [to the end, and not slower]. */
  readonly failsUntilMs?: number
  readonly latenessMs?: number
  readonly wasInterrupted?: boolean
}

const WAYS: readonly Way[] = ['dns', 'api', 'fallback', 'undici']

export function madeUpSettings(changes: Partial<BenchSettings> = {}): BenchSettings {
  return {
    url: new URL('http://orders.shop.local:8080/health'),
    fallback: new URL('http://internal-orders.eu-west-1.elb.amazonaws.com'),
    ways: WAYS,
    optional: new Set(),
    control: 'dns',
    baseline: 'fallback',
    request: { method: 'GET', headers: [] },
    client: { namespaces: ['shop.local'] },
    tls: {},
    allowH2: false,
    arrivals: 'poisson',
    perSecond: 1_000,
    durationMs: 65_000,
    warmUpMs: 2_000,
    maxInFlight: 1_000,
    timeoutMs: 10_000,
    seed: 1,
    setUpTries: 3,
    volume: {
      callsPerSecond: 1_000,
      callers: 20,
      albRules: 1,
      cloudMapCallsPerMinute: CLOUD_MAP_CALLS_PER_MINUTE,
      bytesPerCall: 3_000,
      remoteShare: undefined,
      connectionsPerCall: 0.001,
    },
    prices: DEFAULT_PRICES,
    zone: undefined,
    title: undefined,
    notices: [],
    command: 'onehop bench http://orders.shop.local:8080/health --seed 1',
    ...changes,
  }
}

export async function madeUpReport(made: MadeUpRun = {}): Promise<BenchReport> {
  const settings = madeUpSettings(made.settings)
  const {
    medians = [0.9, 0.85, 1.3, 1.25, 0.9],
    tasks = ['10.0.11.5:8080', '10.0.12.7:8080', '10.0.13.9:8080'],
  } = made
  const random = seededRandom(7)
  const names: ArmName[] = [
    ...settings.ways,
    ...(settings.control === undefined ? [] : (['control'] as const)),
  ]
  const arms = names.map((name) =>
    makeArm(name === 'control' ? (settings.control ?? 'dns') : name, settings, systemClock, name),
  )
  const { arrivals, perSecond, warmUpMs, durationMs } = settings
  const schedule = scheduleOf(
    { arrivals, perSecond, durationMs: warmUpMs + durationMs, arms: arms.length },
    seededRandom(1),
  )
  const recording = new Recording(schedule)
  recording.count = schedule.dueMs.length
  let drift = 0
  let second = 0
  for (let call = 0; call < recording.count; call++) {
    const due = recording.dueMs[call] ?? 0
    if (Math.floor(due / 1_000) > second) {
      second++
      drift = 0.7 * drift + 0.1 * normal(random)
    }
    const arm = recording.arm[call] ?? 0
    const cold = second < 2 || due < (made.failsUntilMs ?? 0) ? 2 : 1
    const slow = random.next() < 0.02 ? 4 : 1
    const sent = due + (made.latenessMs ?? 0.02) * random.next()
    recording.sentMs[call] = sent
    recording.endMs[call] = sent + (medians[arm] ?? 1) * cold * slow * Math.exp(drift + 0.3 * normal(random))
    recording.outcome[call] = random.next() < 0.000_05 ? NOT_SENT : SUCCEEDED
    if (
      made.failure !== undefined &&
      due < (made.failsUntilMs ?? Number.POSITIVE_INFINITY) &&
      random.next() < (made.failedShare ?? 0.001)
    )
      recording.setFailure(call, made.failure)
    recording.attempts[call] = recording.outcome[call] === NOT_SENT ? 0 : 1
    const isTask = arm !== 2 && arm !== 3
    if (isTask) recording.setUpstream(call, tasks[Math.floor(random.next() * tasks.length)] ?? '')
  }
  const setUp = newSetUp()
  setUp.ms.lookup.push(2.1, 2.4, 3.2)
  setUp.ms.tcp.push(0.4, 0.5, 0.6)
  setUp.ms.tls.push(2.4, 2.2, 3.1)
  setUp.ms.coldCall.push(5.1, 4.8, 6.2)
  setUp.ms.warmCall.push(1.1, 0.9, 1.2)
  const zones = new Map(
    tasks.map((task, index) => [task, ['eu-west-1a', 'eu-west-1b', 'eu-west-1c'][index] ?? '']),
  )
  try {
    return buildReport(
      {
        arms,
        recording,
        zones,
        setUp: new Map(settings.ways.map((way) => [way, setUp])),
        startedAt: 0,
        wasInterrupted: made.wasInterrupted ?? false,
        notes: [],
      },
      settings,
      {
        startedAt: '2026-11-27T12:00:00.000Z',
        onehop: '0.1.0',
        node: 'v24.21.0',
        platform: 'linux x64',
        cpus: 2,
        task: 'shop/bench/5f0c2a9b7d1e4c38',
        zone: made.zone === undefined ? 'eu-west-1a' : made.zone,
      },
    )
  } finally {
    await Promise.all(arms.map((arm) => arm.close()))
  }
}

function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())
}

/**
 * The open loop of `onehop bench` beside a load generator of others, on the same server in the same seconds: both must see the
 * same latencies.
 */
import { execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { Pool } from 'undici'
import { expect, test } from 'vitest'
import { OpenLoop } from '../../../src/bench/load/open-loop.ts'
import { SUCCEEDED } from '../../../src/bench/load/recording.ts'
import type { Schedule } from '../../../src/bench/load/schedule.ts'
import { Resampled, type ArmSamples } from '../../../src/bench/statistics/bootstrap.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { seededRandom } from '../../../src/core/seeded-random.ts'

const SERVER = new URL('../../support/processes/delaying-server.ts', import.meta.url)
const SECONDS = 42
/** The first ones are a warm-up: connections, V8. */
const WARM_UP_SECONDS = 2
const PER_SECOND = 250
const CONNECTIONS = 25
/** Between two calls of a worker. */
const EVERY_MS = (1_000 * CONNECTIONS) / PER_SECOND
const SHARES = [0.5, 0.9, 0.99]
/** hey rounds to 0.1 ms, and of 25 answers that come together the last waits for 24 others: 20 µs each, on our one thread. */
const APART_MS = 0.1 + 24 * 0.02

/**
 * On a busy machine both generators read answers late, each by its own. How late this process is in the same seconds is
 * measured: an answer that comes while it does not read waits for the rest of that time.
 */
class Lateness {
  readonly #pauses: number[] = []
  readonly #timer: NodeJS.Timeout

  constructor() {
    let last = performance.now()
    this.#timer = setInterval(() => {
      const now = performance.now()
      // A timer of 1 ms.
      this.#pauses.push(Math.max(0, now - last - 1))
      last = now
    }, 1)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** How long that share of the answers waits at most, in ms, if they come at any time. */
  percentile(share: number): number {
    const total = this.#pauses.reduce((sum, ms) => sum + ms + 1, 0)
    let waitMs = 0
    const longer = (): number => this.#pauses.reduce((sum, ms) => sum + Math.max(0, ms - waitMs), 0)
    while (longer() > (1 - share) * total) waitMs += 0.1
    return waitMs
  }
}

/** hey, which is written in Go, and which Debian has (not so wrk2, oha, k6, fortio): one CSV line for each response, with its time and when it was sent, in seconds. */
async function byHey(origin: string): Promise<ArmSamples> {
  const perWorker = String(PER_SECOND / CONNECTIONS)
  const args = ['-z', `${SECONDS}s`, '-c', String(CONNECTIONS), '-q', perWorker, '-o', 'csv', origin]
  const { stdout } = await promisify(execFile)('hey', args, { maxBuffer: 100_000_000 }).catch(
    (error: Error) => {
      throw new Error('hey is needed: apt-get install hey', { cause: error })
    },
  )
  const rows = stdout
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(',').map(Number))
    .map(([seconds = 0, , , , , , status, offset = 0]) => ({
      ms: seconds * 1_000,
      status,
      second: Math.floor(offset),
    }))
  expect(rows.every(({ status }) => status === 200)).toBe(true)
  // Nearly as many calls as were asked for. A worker that waits for an answer misses its ticks.
  const missed = rows.reduce((sum, { ms }) => sum + Math.floor(ms / EVERY_MS), 0)
  expect(rows.length + missed).toBeGreaterThan(0.95 * PER_SECOND * SECONDS)
  return samplesOf(rows)
}

/** hey's own schedule: each of its workers has a ticker, and all of them tick together. */
function asHey(): Schedule {
  const calls = Array.from({ length: PER_SECOND * SECONDS }, (_, call) => call)
  return {
    dueMs: Float64Array.from(calls, (call) => Math.floor(call / CONNECTIONS) * EVERY_MS),
    arm: new Uint8Array(calls.length),
  }
}

async function byOpenLoop(origin: string): Promise<ArmSamples> {
  const pool = new Pool(origin)
  const loop = new OpenLoop({
    targets: [{ dispatcher: pool, request: { origin, path: '/', method: 'GET' } }],
    schedule: asHey(),
    // On a machine that has no time for 250 calls a second, all of them wait, and none is lost.
    maxInFlight: PER_SECOND * SECONDS,
    timeoutMs: 60_000,
    clock: systemClock,
    signal: new AbortController().signal,
  })
  await loop.run()
  await pool.close()
  const { dueMs, sentMs, endMs, outcome } = loop.recording
  expect(outcome.every((one) => one === SUCCEEDED)).toBe(true)
  return samplesOf(
    Array.from(endMs, (end, call) => ({
      // hey, too, counts from when it sends.
      ms: end - (sentMs[call] ?? 0),
      second: Math.floor((dueMs[call] ?? 0) / 1_000),
    })),
  )
}

function samplesOf(rows: readonly { readonly ms: number; readonly second: number }[]): ArmSamples {
  const counted = rows.filter(({ second }) => second >= WARM_UP_SECONDS && second < SECONDS)
  return {
    values: Float64Array.from(counted, ({ ms }) => ms),
    blocks: Uint32Array.from(counted, ({ second }) => second - WARM_UP_SECONDS),
  }
}

test('p50, p90 and p99 agree with those of hey within their intervals', async () => {
  const server = fork(SERVER, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  try {
    const [port] = (await once(server, 'message')) as [number]
    const origin = `http://127.0.0.1:${port}`
    const lateness = new Lateness()
    const arms = await Promise.all([byOpenLoop(origin), byHey(origin)])
    lateness.stop()
    expect(arms[0].values).toHaveLength(PER_SECOND * (SECONDS - WARM_UP_SECONDS))
    const resampled = new Resampled(arms, SECONDS - WARM_UP_SECONDS, SHARES, seededRandom(1))
    for (const share of SHARES) {
      const [own, heys] = [resampled.interval(0, share), resampled.interval(1, share)]
      // It is added to slow answers, too: what moves a percentile comes from above it.
      const apartMs = APART_MS + lateness.percentile((1 + share) / 2)
      expect(own?.low, `p${share * 100}`).toBeLessThanOrEqual((heys?.high ?? 0) + apartMs)
      expect(own?.high, `p${share * 100}`).toBeGreaterThanOrEqual((heys?.low ?? 0) - apartMs)
    }
  } finally {
    server.disconnect()
  }
}, 180_000)

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
const SHARES = [0.5, 0.9, 0.99]
/** hey rounds to 0.1 ms, and of 25 answers that come together the last waits for 24 others: 20 µs each, on our one thread. */
const APART_MS = 0.1 + 24 * 0.02

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
  return samplesOf(rows)
}

/** hey's own schedule: each of its workers has a ticker, and all of them tick together. */
function asHey(): Schedule {
  const calls = Array.from({ length: PER_SECOND * SECONDS }, (_, call) => call)
  const everyMs = (1_000 * CONNECTIONS) / PER_SECOND
  return {
    dueMs: Float64Array.from(calls, (call) => Math.floor(call / CONNECTIONS) * everyMs),
    arm: new Uint8Array(calls.length),
  }
}

async function byOpenLoop(origin: string): Promise<ArmSamples> {
  const pool = new Pool(origin)
  const loop = new OpenLoop({
    targets: [{ dispatcher: pool, request: { origin, path: '/', method: 'GET' } }],
    schedule: asHey(),
    maxInFlight: 1_000,
    timeoutMs: 10_000,
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
    const arms = await Promise.all([byOpenLoop(origin), byHey(origin)])
    // Nearly as many calls as were asked for.
    for (const { values } of arms)
      expect(values.length).toBeGreaterThan(0.95 * PER_SECOND * (SECONDS - WARM_UP_SECONDS))
    const resampled = new Resampled(arms, SECONDS - WARM_UP_SECONDS, SHARES, seededRandom(1))
    for (const share of SHARES) {
      const [own, heys] = [resampled.interval(0, share), resampled.interval(1, share)]
      expect(own?.low, `p${share * 100}`).toBeLessThanOrEqual((heys?.high ?? 0) + APART_MS)
      expect(own?.high, `p${share * 100}`).toBeGreaterThanOrEqual((heys?.low ?? 0) - APART_MS)
    }
  } finally {
    server.disconnect()
  }
}, 90_000)

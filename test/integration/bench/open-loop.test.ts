import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Pool } from 'undici'
import { expect, test } from 'vitest'
import { OpenLoop } from '../../../src/bench/load/open-loop.ts'
import { scheduleOf } from '../../../src/bench/load/schedule.ts'
import { SUCCEEDED } from '../../../src/bench/load/recording.ts'
import { percentileOf } from '../../../src/bench/statistics/percentiles.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { seededRandom } from '../../../src/core/seeded-random.ts'

const SERVER = new URL('../../support/processes/stalling-server.ts', import.meta.url)
const SECONDS = 12
const PER_SECOND = 200

/** One call after the other, as many load generators do. */
async function closedLoop(pool: Pool, signal: AbortSignal): Promise<number[]> {
  const latencies: number[] = []
  while (!signal.aborted) {
    const start = performance.now()
    const { body } = await pool.request({ path: '/', method: 'GET' })
    await body.dump()
    latencies.push(performance.now() - start)
    // At most as many as the open loop sends.
    await new Promise((resolve) => setTimeout(resolve, 1_000 / PER_SECOND))
  }
  return latencies
}

test('a stall of 200 ms shows at p99; a closed loop beside it hides it', async () => {
  const server = fork(SERVER, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const [port] = (await once(server, 'message')) as [number]
  const origin = `http://127.0.0.1:${port}`
  const [open, closed] = [new Pool(origin), new Pool(origin)]
  const ended = new AbortController()
  try {
    const schedule = scheduleOf(
      { arrivals: 'poisson', perSecond: PER_SECOND, durationMs: SECONDS * 1_000, arms: 1 },
      seededRandom(1),
    )
    const loop = new OpenLoop({
      targets: [{ dispatcher: open, request: { origin, path: '/', method: 'GET' } }],
      schedule,
      maxInFlight: 1_000,
      timeoutMs: 5_000,
      clock: systemClock,
      signal: ended.signal,
    })
    const beside = closedLoop(closed, ended.signal)
    await loop.run()
    ended.abort()
    const { dueMs, endMs, outcome, count } = loop.recording
    expect(outcome.every((one) => one === SUCCEEDED)).toBe(true)
    expect(count).toBe(dueMs.length)
    const latencies = endMs.map((end, call) => end - (dueMs[call] ?? 0)).toSorted()
    const hidden = Float64Array.from(await beside).toSorted()
    // A twentieth of the time is stall: of 100 calls that are due, five wait for its end, the slowest of them 200 ms.
    expect(percentileOf(latencies, 0.99)).toBeGreaterThan(100)
    // Three stalls are fewer than one call in a hundred.
    expect(hidden.length).toBeGreaterThan(400)
    expect(hidden.at(-1)).toBeGreaterThan(150)
    expect(percentileOf(hidden, 0.99)).toBeLessThan(percentileOf(latencies, 0.99) / 2)
  } finally {
    server.disconnect()
    await Promise.all([open.destroy(), closed.destroy()])
  }
})

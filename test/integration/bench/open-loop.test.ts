import { createServer, type ServerResponse } from 'node:http'
import { manualClock, type ManualClock } from 'onehop/testing'
import { Pool } from 'undici'
import { expect, test } from 'vitest'
import { OpenLoop } from '../../../src/bench/load/open-loop.ts'
import { scheduleOf } from '../../../src/bench/load/schedule.ts'
import { SUCCEEDED } from '../../../src/bench/load/recording.ts'
import { percentileOf } from '../../../src/bench/statistics/percentiles.ts'
import { sleep } from '../../../src/core/clock.ts'
import { seededRandom } from '../../../src/core/seeded-random.ts'
import { resources } from '../../support/resources.ts'
import { LoopbackServer } from '../../support/loopback-server.ts'

const { keep } = resources()
const SECONDS = 12
const PER_SECOND = 200
const STALL_EVERY_MS = 4_000
const STALL_MS = 200

/** A server that stands still for a part of the virtual time. What it takes and answers goes over real sockets. */
async function stallingServer(clock: ManualClock) {
  const held: ServerResponse[] = []
  const isStalled = (): boolean => clock.now() % STALL_EVERY_MS >= STALL_EVERY_MS - STALL_MS
  const server = createServer((_request, response) => {
    if (isStalled()) held.push(response)
    else response.end('fine')
  })
  const { label } = keep(await new LoopbackServer(server).listen('127.0.0.1'))
  return {
    origin: `http://${label}`,
    held,
    goOn(): void {
      if (!isStalled()) for (const response of held.splice(0)) response.end('fine')
    },
  }
}

/** One call after the other, as many load generators do. */
async function closedLoop(pool: Pool, clock: ManualClock, signal: AbortSignal): Promise<number[]> {
  const latencies: number[] = []
  while (!signal.aborted) {
    const start = clock.now()
    const { body } = await pool.request({ path: '/', method: 'GET' })
    await body.dump()
    latencies.push(clock.now() - start)
    // At most as many as the open loop sends.
    await sleep(clock, 1_000 / PER_SECOND)
  }
  return latencies
}

test('a stall of 200 ms shows at p99; a closed loop beside it hides it', async () => {
  const clock = manualClock()
  const { origin, held, goOn } = await stallingServer(clock)
  const [open, closed] = [new Pool(origin), new Pool(origin)]
  const ended = new AbortController()
  try {
    const schedule = scheduleOf(
      { arrivals: 'constant', perSecond: PER_SECOND, durationMs: SECONDS * 1_000, arms: 1 },
      seededRandom(1),
    )
    const loop = new OpenLoop({
      targets: [{ dispatcher: open, request: { origin, path: '/', method: 'GET' } }],
      schedule,
      maxInFlight: 1_000,
      timeoutMs: 5_000,
      clock,
      signal: ended.signal,
    })
    const beside = closedLoop(closed, clock, ended.signal)
    const sent = loop.run().then(() => ended.abort())
    while (!ended.signal.aborted) {
      await clock.advance(1)
      goOn()
      // A ms is over when all that the server does not hold is answered.
      do await new Promise(setImmediate)
      while (open.stats.size + closed.stats.size > held.length)
    }
    await sent
    const { dueMs, endMs, outcome, count } = loop.recording
    expect(outcome.every((one) => one === SUCCEEDED)).toBe(true)
    expect(count).toBe(dueMs.length)
    const latencies = endMs.map((end, call) => end - (dueMs[call] ?? 0)).toSorted()
    await clock.advance(1_000 / PER_SECOND)
    const hidden = Float64Array.from(await beside).toSorted()
    // A twentieth of the time is stall: of 100 calls that are due, five wait for its end, the slowest of them 200 ms.
    expect(percentileOf(latencies, 0.99)).toBeGreaterThan(100)
    // Three stalls are fewer than one call in a hundred.
    expect(hidden.length).toBeGreaterThan(400)
    expect(hidden.at(-1)).toBeGreaterThan(150)
    expect(percentileOf(hidden, 0.99)).toBeLessThan(percentileOf(latencies, 0.99) / 2)
  } finally {
    await Promise.all([open.destroy(), closed.destroy()])
  }
}, 60_000)

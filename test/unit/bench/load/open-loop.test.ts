import { Dispatcher } from 'undici'
import { expect, test } from 'vitest'
import { manualClock } from 'onehop/testing'
import { NOT_SENT } from '../../../../src/bench/load/recording.ts'
import { OpenLoop, type LoadOptions } from '../../../../src/bench/load/open-loop.ts'
import { scheduleOf } from '../../../../src/bench/load/schedule.ts'
import { seededRandom } from '../../../../src/core/seeded-random.ts'

type Clock = ReturnType<typeof manualClock>

/** Answers each call after so many ms, in the order in which they came. */
class Answering extends Dispatcher {
  readonly #clock: Clock
  readonly #answerAfterMs: (call: number) => number
  readonly aborted: unknown[] = []
  calls = 0

  constructor(clock: Clock, answerAfterMs: (call: number) => number) {
    super()
    this.#clock = clock
    this.#answerAfterMs = answerAfterMs
  }

  override dispatch(_options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const controller = { abort: (reason: Error) => this.aborted.push(reason) } as never
    handler.onRequestStart?.(controller, {})
    this.#clock.setTimer(
      () => {
        handler.onResponseStart?.(controller, 200, {})
        handler.onResponseEnd?.(controller, {})
      },
      this.#answerAfterMs(this.calls++),
    )
    return true
  }
}

function loop(clock: Clock, dispatcher: Dispatcher, options: Partial<LoadOptions> = {}): OpenLoop {
  const schedule = scheduleOf(
    { arrivals: 'constant', perSecond: 100, durationMs: 1_000, arms: 1 },
    seededRandom(1),
  )
  return new OpenLoop({
    targets: [{ dispatcher, request: { origin: 'http://orders', path: '/', method: 'GET' } }],
    schedule,
    maxInFlight: 1_000,
    timeoutMs: 5_000,
    clock,
    signal: new AbortController().signal,
    ...options,
  })
}

async function play(clock: Clock, running: Promise<void>, ms: number): Promise<void> {
  for (let elapsed = 0; elapsed < ms; elapsed++) await clock.advance(1)
  await running
}

test('calls are sent when they are due, however long the others take', async () => {
  const clock = manualClock()
  // A stall: what is sent in the third tenth of a second is answered at its end.
  const dispatcher = new Answering(clock, (call) => (call >= 20 && call < 30 ? (30 - call) * 10 : 1))
  const load = loop(clock, dispatcher)
  await play(clock, load.run(), 1_200)
  const { dueMs, sentMs, endMs } = load.recording
  expect(load.recording.count).toBe(100)
  for (let call = 0; call < 100; call++) expect((sentMs[call] ?? 0) - (dueMs[call] ?? 0)).toBeLessThan(1.5)
  const latencies = Array.from(endMs, (end, call) => end - (dueMs[call] ?? 0))
  expect(latencies.filter((ms) => ms > 5)).toHaveLength(10)
  expect(Math.max(...latencies)).toBeGreaterThanOrEqual(100)
})

test('what is due beyond the cap is not sent, and counted', async () => {
  const clock = manualClock()
  const load = loop(clock, new Answering(clock, () => 100), { maxInFlight: 5 })
  await play(clock, load.run(), 1_500)
  const notSent = load.recording.outcome.filter((outcome) => outcome === NOT_SENT).length
  // Five at a time, each for a tenth of a second: half of the 100.
  expect(notSent).toBeGreaterThan(40)
  expect(notSent).toBeLessThan(60)
})

test('a call that takes too long is a failure, and is aborted', async () => {
  const clock = manualClock()
  const dispatcher = new Answering(clock, (call) => (call === 3 ? 60_000 : 1))
  const load = loop(clock, dispatcher, { timeoutMs: 200 })
  await play(clock, load.run(), 1_500)
  expect(load.recording.failureOf(3)).toBe('timeout')
  expect(dispatcher.aborted).toHaveLength(1)
  expect(load.recording.failures).toEqual(['timeout'])
})

test('a signal ends it: no more calls, and those under way are failures, since their latencies are not known', async () => {
  const clock = manualClock()
  const ended = new AbortController()
  const load = loop(clock, new Answering(clock, () => 60_000), { signal: ended.signal })
  const running = load.run()
  for (let ms = 0; ms < 300; ms++) await clock.advance(1)
  ended.abort()
  await play(clock, running, 100)
  expect(load.recording.count).toBeGreaterThan(20)
  expect(load.recording.count).toBeLessThan(40)
  expect(load.recording.failureOf(0)).toBe('interrupted')
  expect(load.recording.failures).toEqual(['interrupted'])
})

test('a dispatcher that throws is a failure of the call', async () => {
  const clock = manualClock()
  class Throwing extends Dispatcher {
    override dispatch(): boolean {
      throw Object.assign(new Error('refused'), { code: 'ERR_REFUSED' })
    }
  }
  const load = loop(clock, new Throwing())
  await play(clock, load.run(), 1_200)
  expect(load.recording.failures).toEqual(['ERR_REFUSED'])
  expect(load.lastError?.message).toBe('refused')
})

/**
 * Calls against a scripted undici: whatever it tells, in whatever order, a caller hears of one request that ends
 * once, and no upstream is left with a call that is over.
 */
import fc from 'fast-check'
import type { Dispatcher } from 'undici'
import { expect, test } from 'vitest'
import type { Clock } from '../../../../src/core/clock.ts'
import { Call } from '../../../../src/dispatch/call/call.ts'
import { InFlight } from '../../../../src/dispatch/in-flight.ts'
import { HedgePolicy } from '../../../../src/dispatch/hedge/hedge-policy.ts'
import type { Pools } from '../../../../src/dispatch/connections/pools.ts'
import { RetryBudget } from '../../../../src/dispatch/retry/budget.ts'
import type { Route } from '../../../../src/dispatch/route.ts'
import { TimeLimit } from '../../../../src/dispatch/call/time-limit.ts'
import { DEFAULT_RETRY } from '../../../../src/config/defaults.ts'
import { seededRandom } from '../../../../src/testing/fakes/seeded-random.ts'
import { FALLBACK, testCluster } from '../../../support/clusters.ts'

type Step =
  | { kind: 'start' | 'info' | 'data' | 'end' | 'abort' | 'upgrade' }
  | { kind: 'headers'; status: number }
  | { kind: 'error'; code: string }
  | { kind: 'wait'; ms: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.constantFrom<Step>({ kind: 'start' }, { kind: 'info' }, { kind: 'data' }, { kind: 'end' }),
  fc.constantFrom(200, 204, 404, 429, 500, 503).map((status): Step => ({ kind: 'headers', status })),
  fc
    .constantFrom(
      'ECONNREFUSED',
      'ECONNRESET',
      'UND_ERR_HEADERS_TIMEOUT',
      'UND_ERR_CONNECT_TIMEOUT',
      'UND_ERR_INVALID_ARG',
    )
    .map((code): Step => ({ kind: 'error', code })),
  fc.nat({ max: 400 }).map((ms): Step => ({ kind: 'wait', ms })),
  fc.constantFrom<Step>({ kind: 'start' }, { kind: 'abort' }, { kind: 'upgrade' }),
)

/** undici's side of one attempt. Keeps to its contract: nothing after the end, headers only after a start. */
class ScriptedAttempt {
  readonly handler: Dispatcher.DispatchHandler
  phase: 'queued' | 'started' | 'headers' | 'over' = 'queued'
  readonly controller: Dispatcher.DispatchController = {
    aborted: false,
    paused: false,
    reason: null,
    pause: () => undefined,
    resume: () => undefined,
    abort: (reason: Error) => this.fail(reason),
  }

  constructor(handler: Dispatcher.DispatchHandler) {
    this.handler = handler
  }

  fail(error: Error): void {
    if (this.phase === 'over') return
    const started = this.phase !== 'queued'
    this.phase = 'over'
    this.handler.onResponseError?.((started ? this.controller : undefined) as never, error)
  }

  play(move: Step): void {
    if (this.phase === 'over') return
    if (move.kind === 'error') return this.fail(Object.assign(new Error(move.code), { code: move.code }))
    if (this.phase === 'queued') {
      if (move.kind !== 'start') return
      this.phase = 'started'
      try {
        this.handler.onRequestStart?.(this.controller, null)
      } catch (error) {
        // It takes such a request out of its queue.
        this.fail(error as Error)
      }
    } else if (this.phase === 'started') {
      if (move.kind === 'info') this.handler.onResponseStart?.(this.controller, 103, {}, '')
      if (move.kind === 'upgrade') {
        this.phase = 'over'
        this.handler.onRequestUpgrade?.(this.controller, 101, {}, { destroy: () => undefined } as never)
      }
      if (move.kind === 'headers') {
        this.phase = 'headers'
        this.handler.onResponseStart?.(this.controller, move.status, {}, '')
      }
    } else if (move.kind === 'data') {
      this.handler.onResponseData?.(this.controller, Buffer.alloc(30_000))
    } else if (move.kind === 'end') {
      this.phase = 'over'
      this.handler.onResponseEnd?.(this.controller, {})
    }
  }
}

const TWO_UNDER_WAY: readonly [Step, null][] = [
  [{ kind: 'start' }, null],
  [{ kind: 'wait', ms: 20 }, null],
  [{ kind: 'start' }, null],
]

/** What knows that calls take 10 ms. */
function hedgingOf(clock: Clock): HedgePolicy {
  const budget = { ratio: 1, minPerSecond: 100 }
  const hedging = new HedgePolicy({ percentile: 95, minMs: 1, budget }, clock.now())
  for (let call = 0; call < 100; call++) hedging.observe(10, clock.now())
  return hedging
}

async function routeOf(
  attempts: ScriptedAttempt[],
  seed: number,
  isHedged = false,
): Promise<{ route: Route; clock: Awaited<ReturnType<typeof testCluster>>['clock'] }> {
  const { cluster, clock } = await testCluster(['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'], {
    fallback: FALLBACK,
  })
  const pool = {
    dispatch(_options: unknown, handler: Dispatcher.DispatchHandler) {
      attempts.push(new ScriptedAttempt(handler))
      return true
    },
  }
  const route: Route = {
    lag: { at: () => 0 },
    host: 'orders.shop.local',
    cluster,
    keyOf: undefined,
    pools: {
      get: () => pool,
      speaksHttp2: () => false,
      connectLimitMs: () => 300,
      mayBeHttp2: false,
      fellSilent: () => undefined,
    } as unknown as Pools,
    retry: DEFAULT_RETRY,
    budget: new RetryBudget(DEFAULT_RETRY.budget, clock.now()),
    connectMs: 1_000,
    tcpConnectMs: 300,
    classify: undefined,
    hedgePolicy: isHedged ? hedgingOf(clock) : undefined,
    deadlineHeader: undefined,
    limits: { queue: new TimeLimit(clock, 15_000), attempt: new TimeLimit(clock, 15_000) },
    mayQueue: false,
    deadlineMs: undefined,
    inFlight: new InFlight(),
    maxPending: { perTask: Number.POSITIVE_INFINITY, perOrigin: Number.POSITIVE_INFINITY },
    clock,
    random: seededRandom(seed),
  }
  return { route, clock }
}

test('a call ends once, and leaves nothing behind, whatever undici calls and whenever the caller aborts', async () => {
  await fc.assert(
    fc.asyncProperty(
      // To all attempts that are under way, or to one of them.
      fc.array(fc.tuple(step, fc.option(fc.nat({ max: 2 }))), { maxLength: 40 }),
      fc.integer(),
      fc.constantFrom('GET', 'POST'),
      fc.boolean(),
      async (steps, seed, method, isHedged) => {
        const attempts: ScriptedAttempt[] = []
        const { route, clock } = await routeOf(attempts, seed, isHedged)
        const timers = clock.pendingTimers
        let started = 0
        let ends = 0
        let headers = 0
        const handler: Dispatcher.DispatchHandler = {
          onRequestStart: () => void started++,
          onResponseStart: (_controller, status) => void (headers += status >= 200 ? 1 : 0),
          onResponseData: () => expect(ends).toBe(0),
          onResponseEnd: () => void ends++,
          onResponseError: () => void ends++,
          onRequestUpgrade: () => void ends++,
        }
        const call = new Call(
          route,
          { origin: 'http://orders.shop.local', path: '/', method },
          handler,
          false,
        )
        call.start()
        for (const [move, which] of isHedged ? [...TWO_UNDER_WAY, ...steps] : steps) {
          if (move.kind === 'wait') await clock.advance(move.ms)
          else if (move.kind === 'abort') call.abort(new Error('left'))
          else if (which === null) for (const attempt of [...attempts]) attempt.play(move)
          else attempts[which]?.play(move)
        }
        call.abort(new Error('the test is over'))
        // Responses that nobody wants are read for a second, and no longer.
        await clock.advance(1_000)
        // One for all attempts, and whichever is under way.
        route.limits.attempt.close()
        expect(clock.pendingTimers).toBe(timers)
        const { cluster } = route
        for (const upstream of [...cluster.tasks, cluster.fallback]) expect(upstream?.pending).toBe(0)
        // Connections that come up after all: undici starts them, and they have to leave.
        for (const attempt of attempts) attempt.play({ kind: 'start' })
        for (const attempt of attempts) attempt.play({ kind: 'end' })
        for (const attempt of attempts) attempt.fail(new Error('closed'))

        expect(started).toBe(1)
        expect(ends).toBe(1)
        expect(headers).toBeLessThanOrEqual(1)
        expect(attempts.length).toBeLessThanOrEqual(DEFAULT_RETRY.attempts)
        expect(route.inFlight.count).toBe(0)
        for (const upstream of [...cluster.tasks, cluster.fallback]) expect(upstream?.pending).toBe(0)
        for (const upstream of cluster.tasks) expect(upstream.ejection.state).not.toBe('probing')
      },
    ),
    { numRuns: 400 },
  )
})

test('a handler that throws in onRequestStart fails the call, and does not delay close', async () => {
  const { route } = await routeOf([], 1)
  const errors: Error[] = []
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart() {
      throw new Error('a bug of the caller')
    },
    onResponseError: (_controller, error) => void errors.push(error),
  }
  new Call(route, { origin: 'http://orders.shop.local', path: '/', method: 'GET' }, handler, false).start()
  expect(errors.map((error) => error.message)).toEqual(['a bug of the caller'])
  expect(route.inFlight.count).toBe(0)
})

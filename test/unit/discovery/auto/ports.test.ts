/** A records have no port, and the API knows it: how long a lookup waits for it that a call without a port needs. */
import { describe, expect, test } from 'vitest'
import { autoResolver } from '../../../../src/discovery/auto/resolver.ts'
import { CloudMapError } from '../../../../src/discovery/cloud-map/error.ts'
import { taskEndpoint, type Snapshot } from '../../../../src/discovery/endpoint.ts'
import type { LookupReason } from '../../../../src/discovery/resolver.ts'
import { parseServiceName, type ServiceName } from '../../../../src/discovery/service-name.ts'
import { manualClock, type ManualClock } from '../../../../src/testing/fakes/manual-clock.ts'
import {
  scriptedResolver,
  type ScriptedAnswer,
  type ScriptedResolver,
} from '../../../../src/testing/fakes/scripted-resolver.ts'
import { seededRandom } from '../../../../src/testing/fakes/seeded-random.ts'

const ORDERS = parseServiceName('orders.shop.local', ['shop.local'])
const CARTS = parseServiceName('carts.shop.local', ['shop.local'])
const ADDRESS = '10.0.0.1'
const PLACE = '10.0.0.1:8080'
/** That the API has at first, whatever callers need. */
const HEAD_START_MS = 1_000
/** From then on, or from when the SDK is loaded. */
const PORTS_MS = 3_000

interface Bench {
  readonly clock: ManualClock
  readonly api: ScriptedResolver
  readonly dns: ScriptedResolver
  /** Resolves with what `clock` says when the lookup is over. */
  ask(reason?: LookupReason, service?: ServiceName): Promise<Snapshot & { readonly tookMs: number }>
  /** As a call without a port: a second lookup, if the first says that ports may come. */
  call(service?: ServiceName): Promise<Snapshot & { readonly tookMs: number }>
}

/** The API is silent at first. */
function bench(load: Promise<void> = Promise.resolve()): Bench {
  const clock = manualClock()
  const silent = new Promise<ScriptedAnswer>(() => {})
  const api = Object.assign(scriptedResolver(clock, silent), { load: () => load })
  const dns = scriptedResolver(clock, [ADDRESS])
  const auto = autoResolver({ api, dns, clock, random: seededRandom(1) })
  const ask: Bench['ask'] = async (reason = 'expired', service = ORDERS) => {
    const begunAt = clock.now()
    const snapshot = await auto.resolve(service, new AbortController().signal, reason)
    return { ...snapshot, tookMs: clock.now() - begunAt }
  }
  const call: Bench['call'] = async (service) => {
    const first = await ask('expired', service)
    if (first.awaitsPorts !== true) return first
    const second = await ask('ports', service)
    return { ...second, tookMs: first.tookMs + second.tookMs }
  }
  return { clock, api, dns, ask, call }
}

/** Lets the time pass in small steps, until the work is done. */
async function over<Result>(clock: ManualClock, work: Promise<Result>): Promise<Result> {
  const state = { isOver: false }
  const ended = work.finally(() => (state.isOver = true))
  ended.catch(() => undefined)
  for (let step = 0; !state.isOver && step < 400; step++) await clock.advance(100)
  return ended
}

describe('an API that has not answered after a second', () => {
  test('DNS without ports: the answer is there, and says that ports may come', async () => {
    const { clock, ask } = bench()
    const answer = await over(clock, ask())
    expect(answer).toMatchObject({ endpoints: [{ address: ADDRESS, port: undefined }], awaitsPorts: true })
    expect(answer.tookMs).toBe(HEAD_START_MS)
  })

  test('DNS with ports (SRV): there is nothing to wait for', async () => {
    const { clock, dns, call } = bench()
    dns.answer([taskEndpoint(ADDRESS, { port: 8080 })])
    const answer = await over(clock, call())
    expect(answer.awaitsPorts).toBeUndefined()
    expect(answer.tookMs).toBe(HEAD_START_MS)
  })

  test('a call without a port waits for the answer, which has the port', async () => {
    const { clock, api, call } = bench()
    const late = Promise.withResolvers<ScriptedAnswer>()
    api.answer(late.promise)
    const answer = call()
    await clock.advance(2_700)
    late.resolve([PLACE])
    expect(await over(clock, answer)).toMatchObject({
      endpoints: [{ address: ADDRESS, port: 8080 }],
      awaitsPorts: undefined,
      tookMs: 2_700,
    })
  })

  test('for three seconds more, and then goes on with what DNS says', async () => {
    const { clock, call } = bench()
    const answer = await over(clock, call())
    expect(answer).toMatchObject({ endpoints: [{ port: undefined }], awaitsPorts: undefined })
    expect(answer.tookMs).toBe(HEAD_START_MS + PORTS_MS)
    expect(answer.warning).toBe(
      'DNS is asked instead: the Cloud Map API gave no answer in 3000 ms after the AWS SDK was loaded',
    )
    expect(clock.pendingTimers).toBe(0)
  })

  test('which begin when the AWS SDK is loaded: loading ends, and says nothing of the API', async () => {
    const loaded = Promise.withResolvers<void>()
    const { clock, call } = bench(loaded.promise)
    const answer = call()
    await clock.advance(6_000)
    loaded.resolve()
    expect((await over(clock, answer)).tookMs).toBe(6_000 + PORTS_MS)
  })

  test('not for a load that fails: the lookup fails with it', async () => {
    const loading = Promise.reject(new Error('Cannot find package'))
    loading.catch(() => undefined)
    const { clock, api, call } = bench(loading)
    api.answer(new CloudMapError(ORDERS.host, 'outage', 'Cannot find package'))
    const answer = await over(clock, call())
    expect(answer).toMatchObject({ endpoints: [{ port: undefined }], awaitsPorts: undefined, tookMs: 0 })
  })

  test.each(['denied', 'outage', 'no-credentials', 'unknown-name', 'invalid-request'] as const)(
    'ends the wait when it answers that it fails (%s)',
    async (failure) => {
      const { clock, api, call } = bench()
      const late = Promise.withResolvers<ScriptedAnswer>()
      api.answer(late.promise)
      const answer = call()
      await clock.advance(1_500)
      late.resolve(new CloudMapError(ORDERS.host, failure, `as the test says: ${failure}`))
      const { tookMs, awaitsPorts, warning } = await over(clock, answer)
      expect({ tookMs, awaitsPorts }).toEqual({ tookMs: 1_500, awaitsPorts: undefined })
      expect(warning).toBe(`DNS is asked instead: as the test says: ${failure}`)
    },
  )
})

describe('an API that is silent for good', () => {
  test('costs the wait once in a process: services that are called later wait a second, as with a port', async () => {
    const { clock, call } = bench()
    await over(clock, call())
    expect((await over(clock, call(CARTS))).tookMs).toBe(HEAD_START_MS)
  })

  test('services that are called at the same time wait at the same time', async () => {
    const { clock, call } = bench()
    const answers = await over(clock, Promise.all([call(), call(CARTS)]))
    expect(answers.map(({ tookMs }) => tookMs)).toEqual([HEAD_START_MS + PORTS_MS, HEAD_START_MS + PORTS_MS])
  })

  test('the same service never waits a second time', async () => {
    const { clock, ask, call } = bench()
    await over(clock, call())
    for (let lookup = 0; lookup < 30; lookup++) {
      await clock.advance(5_000)
      expect((await over(clock, ask())).awaitsPorts).toBeUndefined()
    }
    await clock.advance(200_000)
    expect((await over(clock, call())).tookMs).toBe(HEAD_START_MS)
  })

  test('when it answers again, the next service waits for it', async () => {
    const { clock, api, call } = bench()
    await over(clock, call())
    api.answer([PLACE])
    await over(clock, call(CARTS))
    const late = Promise.withResolvers<ScriptedAnswer>()
    api.answer(late.promise)
    const answer = call(parseServiceName('stock.shop.local', ['shop.local']))
    await clock.advance(2_000)
    late.resolve([PLACE])
    expect((await over(clock, answer)).tookMs).toBe(2_000)
  })
})

test('an API that denies one name is waited for with the next', async () => {
  const { clock, api, call } = bench()
  api.answer(new CloudMapError(ORDERS.host, 'denied', 'as the test says'))
  expect((await over(clock, call())).tookMs).toBe(0)
  const late = Promise.withResolvers<ScriptedAnswer>()
  api.answer(late.promise)
  const answer = call(CARTS)
  await clock.advance(2_000)
  late.resolve([PLACE])
  expect((await over(clock, answer)).endpoints).toMatchObject([{ port: 8080 }])
})

test('one that failed is not waited for: calls go on as with a port', async () => {
  const { clock, api, call } = bench()
  api.answer(new CloudMapError(ORDERS.host, 'outage', 'as the test says'))
  expect((await over(clock, call())).tookMs).toBe(0)
  api.answer(new Promise(() => {}))
  expect((await over(clock, call(CARTS))).tookMs).toBe(HEAD_START_MS)
})

test('a process that stands still for longer than the wait still hears the answer', async () => {
  const manual = manualClock()
  let blockedUntil = 0
  // Timers that are due meanwhile fire at the end, before what sockets have brought.
  const busy = {
    ...manual,
    setTimer: (callback: () => void, ms: number) =>
      manual.setTimer(callback, Math.max(ms, blockedUntil - manual.now())),
  }
  const late = Promise.withResolvers<ScriptedAnswer>()
  const api = scriptedResolver(manual, late.promise)
  const dns = scriptedResolver(manual, [ADDRESS])
  const auto = autoResolver({ api, dns, clock: busy, random: seededRandom(1) })
  const { signal } = new AbortController()
  const first = auto.resolve(ORDERS, signal)
  await manual.advance(HEAD_START_MS)
  await first
  blockedUntil = 10_000
  const second = auto.resolve(ORDERS, signal, 'ports')
  await manual.advance(9_000)
  late.resolve([PLACE])
  expect((await over(manual, second)).endpoints).toMatchObject([{ port: 8080 }])
  await auto.close?.()
})

test('an abort ends the wait, and so does close', async () => {
  const { clock, api, dns } = bench()
  const auto = autoResolver({ api, dns, clock, random: seededRandom(1) })
  const abort = new AbortController()
  const first = auto.resolve(ORDERS, abort.signal)
  await clock.advance(HEAD_START_MS)
  await first
  const aborted = expect(auto.resolve(ORDERS, abort.signal, 'ports')).rejects.toThrow('gone')
  abort.abort(new Error('gone'))
  await aborted
  const closed = expect(auto.resolve(ORDERS, new AbortController().signal, 'ports')).rejects.toThrow('CLOSED')
  await auto.close?.()
  await closed
})

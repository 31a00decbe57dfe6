import { expect, test } from 'vitest'
import { costOf, type MeasuredCall, type Volume } from '../../../../src/bench/cost/cost.ts'
import { DEFAULT_PRICES } from '../../../../src/bench/cost/prices.ts'

const volume: Volume = {
  callsPerSecond: 1_000,
  callers: 20,
  albRules: 1,
  cloudMapCallsPerMinute: 11.8,
  bytesPerCall: undefined,
  remoteShare: undefined,
  connectionsPerCall: undefined,
}
const measured: MeasuredCall = {
  bytes: 10_000,
  remoteShare: { dns: 2 / 3, api: 0 },
  connectionsPerCall: 0.001,
  activeConnections: 5,
  isTls: false,
}
const of = (change: Partial<Volume> = {}, call: Partial<MeasuredCall> = {}): ReturnType<typeof costOf> =>
  costOf({ ...volume, ...change }, { ...measured, ...call }, DEFAULT_PRICES)
const perMonth = (cost: ReturnType<typeof costOf>): Record<string, number> =>
  Object.fromEntries(cost.paths.map(({ path, perMonth: sum }) => [path, sum]))

// By hand: 1,000 calls/s × 10 kB = 36 GB/h = 36 LCU by bytes; × 730 h × $0.008 + 730 h × $0.0225.
test('the largest dimension decides the capacity units of an ALB', () => {
  const cost = of()
  expect(cost.lcu.map(({ units }) => Number(units.toFixed(4)))).toEqual([0.04, 0.0333, 36, 0])
  expect(perMonth(cost)['alb']).toBeCloseTo(36 * 730 * 0.008 + 730 * 0.0225, 6)
  const many = of({ connectionsPerCall: 1, bytesPerCall: 100 })
  expect(perMonth(many)['alb']).toBeCloseTo((1_000 / 25) * 730 * 0.008 + 730 * 0.0225, 6)
  const rules = of({ albRules: 60, bytesPerCall: 100 })
  expect(perMonth(rules)['alb']).toBeCloseTo(50 * 730 * 0.008 + 730 * 0.0225, 6)
})

// 26,280 GB a month × $0.01 in each of two directions × two thirds.
test('crossing zones is paid by its measured share, and can cost more than the balancer', () => {
  expect(perMonth(of())['direct-dns']).toBeCloseTo((26_280 * 0.02 * 2) / 3, 6)
  expect(perMonth(of())['direct-dns']).toBeGreaterThan(perMonth(of())['alb'] ?? 0)
  expect(of().allRemotePerMonth).toBeCloseTo(525.6, 6)
})

test('the API is paid by polling: 11.8 requests a minute for each process', () => {
  expect(perMonth(of())['direct-api']).toBeCloseTo((20 * 11.8 * 60 * 730) / 1e6, 6)
})

test('the share of the user replaces both measured ones; one that is measured is taken for both', () => {
  expect(of({ remoteShare: 1 }).inputs.remoteShare).toEqual({ dns: 1, api: 1 })
  expect(of({}, { remoteShare: { dns: undefined, api: 0.1 } }).inputs.remoteShare).toEqual({
    dns: 0.1,
    api: 0.1,
  })
})

test('zones that are not known cost nothing in the sums, and the items say so', () => {
  const cost = of({}, { remoteShare: { dns: undefined, api: undefined } })
  expect(cost.inputs.remoteShare).toEqual({ dns: null, api: null })
  expect(perMonth(cost)['direct-dns']).toBe(0)
  expect(cost.paths[0]?.items[0]?.because).toContain('zones are not known')
})

test('an NLB with TLS has smaller units', () => {
  const change = { connectionsPerCall: 1, bytesPerCall: 1 }
  expect(of(change).nlcu[0]?.units).toBeCloseTo(1.25, 6)
  expect(of(change, { isTls: true }).nlcu[0]?.units).toBeCloseTo(20, 6)
})

test('a run that measured nothing has a cost without a number that is none', () => {
  const cost = of({}, { bytes: undefined, connectionsPerCall: undefined, activeConnections: undefined })
  for (const { perMonth: sum } of cost.paths) expect(Number.isFinite(sum)).toBe(true)
})

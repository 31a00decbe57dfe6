import { expect, test } from 'vitest'
import {
  earlyRefreshAt,
  freshUntil,
  isInUse,
  refreshAt,
  retryDelayMs,
  type LookupHistory,
} from '../../../../src/discovery/view/refresh-policy.ts'
import type { Snapshot } from '../../../../src/discovery/endpoint.ts'
import { parseServiceName } from '../../../../src/discovery/service-name.ts'

const NOW = 1_000_000

function answer(more: Partial<Snapshot> = {}): Snapshot {
  return {
    service: parseServiceName('orders.shop.local', ['shop.local']),
    endpoints: [],
    complete: true,
    expiresAt: NOW + 10_000,
    source: 'test',
    revision: undefined,
    ...more,
  }
}

/** A service whose last lookup came back ten seconds ago, and that was called once, before it. */
function lookups(more: Partial<LookupHistory> = {}): LookupHistory {
  const refreshedAt = NOW - 10_000
  return {
    snapshot: answer(),
    usedAt: refreshedAt - 5,
    refreshedAt,
    failedAt: undefined,
    failuresInARow: 0,
    ...more,
  }
}

test('a service with tasks is in use for 60 s after its last call', () => {
  expect(isInUse(lookups({ usedAt: NOW - 60_000 }), true, NOW)).toBe(true)
  expect(isInUse(lookups({ usedAt: NOW - 60_001 }), true, NOW)).toBe(false)
})

test('a name that never had tasks is in use only if a call came after those that waited for its lookup', () => {
  expect(isInUse(lookups(), false, NOW)).toBe(false)
  expect(isInUse(lookups({ usedAt: NOW - 9_901 }), false, NOW)).toBe(false)
  expect(isInUse(lookups({ usedAt: NOW - 9_900 }), false, NOW)).toBe(true)
  // A registry that counts its changes knows it.
  expect(isInUse(lookups({ snapshot: answer({ revision: 1 }) }), false, NOW)).toBe(true)
})

test('a name whose lookups fail from the start is tried three times', () => {
  const failing = { snapshot: undefined, refreshedAt: undefined, failedAt: NOW - 10_000 }
  const isTriedAfter = (failuresInARow: number): boolean =>
    isInUse(lookups({ ...failing, failuresInARow }), false, NOW)
  expect([1, 2, 3].map(isTriedAfter)).toEqual([true, true, false])
})

test('an answer is fresh for a second at least, and refreshed when it expires or asks for it', () => {
  expect(freshUntil(answer({ expiresAt: NOW }), NOW)).toBe(NOW + 1_000)
  expect(refreshAt(answer(), Number.POSITIVE_INFINITY, NOW)).toBe(NOW + 10_000)
  expect(refreshAt(answer({ refreshAt: NOW + 2_000 }), Number.POSITIVE_INFINITY, NOW)).toBe(NOW + 2_000)
  expect(refreshAt(answer({ refreshAt: NOW - 1 }), Number.POSITIVE_INFINITY, NOW)).toBe(NOW + 10)
})

test('a sign that came during a lookup is followed a second after it began, or 5 s while lookups fail', () => {
  expect(refreshAt(answer(), earlyRefreshAt(NOW - 300, false), NOW)).toBe(NOW + 700)
  expect(earlyRefreshAt(NOW, true)).toBe(NOW + 5_000)
})

test('failures back off to a minute, and to 5 s with nothing to serve', () => {
  const latest = { next: () => 1 }
  const soonest = { next: () => 0 }
  expect([1, 2, 3, 9].map((failures) => retryDelayMs(failures, true, latest))).toEqual([
    1_000, 2_000, 4_000, 60_000,
  ])
  expect([1, 2, 3, 9].map((failures) => retryDelayMs(failures, false, latest))).toEqual([
    1_000, 2_000, 4_000, 5_000,
  ])
  expect(retryDelayMs(9, true, soonest)).toBe(6_000)
})

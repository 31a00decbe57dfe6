import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ELSEWHERE } from '../../../../src/cluster/locality/locality.ts'
import { zoneShares, type ByZone } from '../../../../src/cluster/locality/zone-shares.ts'

function byZone(record: Record<string, number>): ByZone {
  return new Map(Object.entries(record))
}

function shares(
  capacity: Record<string, number>,
  callers: Record<string, number> | undefined,
): Record<string, number> {
  return Object.fromEntries(
    zoneShares(byZone(capacity), callers === undefined ? undefined : byZone(callers), 'a'),
  )
}

describe('zone shares with known callers (as in Envoy)', () => {
  test('all calls stay while the share of the capacity covers the share of the callers', () => {
    expect(shares({ a: 2, b: 2, c: 2 }, { a: 2, b: 2, c: 2 })).toEqual({ a: 1, b: 0, c: 0 })
    expect(shares({ a: 4, b: 1, c: 1 }, { a: 2, b: 2, c: 2 })).toEqual({ a: 1, b: 0, c: 0 })
  })

  test('otherwise they stay in that proportion, and the rest goes to zones with spare capacity', () => {
    // a has a fifth of the capacity and two fifths of the callers; only c has spare capacity.
    const result = shares({ a: 2, b: 2, c: 6 }, { a: 4, b: 4, c: 2 })
    expect(result).toEqual({ a: 0.5, b: 0, c: 0.5 })
  })

  test('a zone without tasks sends its calls to zones with spare capacity', () => {
    expect(shares({ b: 1, c: 3 }, { a: 2, b: 1, c: 1 })).toEqual({ a: 0, b: 0, c: 1 })
  })

  test('a client that is not among the known callers yet counts itself', () => {
    expect(shares({ a: 1, b: 1 }, { b: 1 })).toEqual({ a: 1, b: 0 })
    expect(shares({ a: 1, b: 3 }, { b: 1 })).toEqual({ a: 0.5, b: 0.5 })
  })
})

describe('zone shares with unknown callers', () => {
  test('all calls stay while local tasks get less than 1.2 times an equal share', () => {
    expect(shares({ a: 2, b: 2, c: 2 }, undefined)).toEqual({ a: 1, b: 0, c: 0 })
    expect(shares({ a: 5, b: 6, c: 7 }, undefined)).toEqual({ a: 1, b: 0, c: 0 })
  })

  test('a zone that lost two of three tasks keeps 1.2 times what one task gets', () => {
    const result = shares({ a: 1, b: 3, c: 3 }, undefined)
    expect(result['a']).toBeCloseTo(0.514)
    expect(result['b']).toBeCloseTo(0.243)
    expect(result['c']).toBeCloseTo(0.243)
  })

  test('the subnet of the caller counts as one of three zones', () => {
    expect(shares({ a: 3, [ELSEWHERE]: 6 }, undefined)['a']).toBe(1)
    expect(shares({ a: 1, [ELSEWHERE]: 6 }, undefined)['a']).toBeCloseTo(0.514)
  })

  test('all calls stay if there is no other zone', () => {
    expect(shares({ a: 1 }, undefined)).toEqual({ a: 1 })
    expect(shares({}, undefined)).toEqual({})
  })
})

const zones = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd', ELSEWHERE), fc.integer({ min: 1, max: 50 }))

test('property: shares add up to 1, and a zone without tasks gets none', () => {
  fc.assert(
    fc.property(zones, fc.option(zones, { nil: undefined }), (capacity, callers) => {
      const result = shares(capacity, callers)
      const all = Object.values(result).reduce((sum, share) => sum + share, 0)
      if (Object.keys(capacity).length === 0) expect(result).toEqual({})
      else expect(all).toBeCloseTo(1)
      for (const [zone, share] of Object.entries(result)) {
        expect(share).toBeGreaterThanOrEqual(0)
        if (!(zone in capacity)) expect(share).toBe(0)
      }
    }),
  )
})

test('property: no zone gets more than its capacity if all callers do the same and every zone has tasks and callers', () => {
  const full = fc.record({ a: count(), b: count(), c: count() })
  fc.assert(
    fc.property(full, full, (capacity, callers) => {
      const total = capacity.a + capacity.b + capacity.c
      const all = callers.a + callers.b + callers.c
      const load: Record<string, number> = { a: 0, b: 0, c: 0 }
      for (const zone of ['a', 'b', 'c'] as const) {
        const result = zoneShares(byZone(capacity), byZone(callers), zone)
        for (const [to, share] of result) load[to] = (load[to] ?? 0) + share * (callers[zone] / all)
      }
      for (const zone of ['a', 'b', 'c'] as const) expect(load[zone]).toBeCloseTo(capacity[zone] / total, 6)
    }),
  )
})

function count(): fc.Arbitrary<number> {
  return fc.integer({ min: 1, max: 30 })
}

import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { aperture, rendezvousSubset } from '../../../src/cluster/subset.ts'
import { taskEndpoint, type Endpoint } from '../../../src/discovery/endpoint.ts'

// Some tests compute a million scores, for seconds on a busy machine.
vi.setConfig({ testTimeout: 120_000 })

const sizes = fc.integer({ min: 1, max: 30 })
const fleet = fc.integer({ min: 1, max: 120 })

function endpoints(count: number, weightOf: (i: number) => number = () => 1): Endpoint[] {
  return Array.from({ length: count }, (_, i) =>
    taskEndpoint(`10.0.${i >> 8}.${i & 255}`, { port: 8080, weight: weightOf(i) }),
  )
}

/** New members: connections to open. */
function opened(before: readonly Endpoint[], after: readonly Endpoint[]): number {
  const known = new Set(before.map(({ address }) => address))
  return after.filter(({ address }) => !known.has(address)).length
}

/** Load of each endpoint relative to its weight, if each client sends 1 and shares it by weight. */
function loads(all: readonly Endpoint[], subsets: readonly (readonly Endpoint[])[]): number[] {
  const load = new Map<string, number>()
  for (const subset of subsets) {
    const total = subset.reduce((sum, { weight }) => sum + weight, 0)
    for (const { address, weight } of subset) load.set(address, (load.get(address) ?? 0) + weight / total)
  }
  return all.map(({ address, weight }) => (load.get(address) ?? 0) / weight)
}

/** Standard deviation ÷ mean. */
function deviation(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length) / mean
}

describe('a rendezvous subset', () => {
  test('has the given size, or all endpoints if there are no more, in any order', () => {
    fc.assert(
      fc.property(fleet, sizes, fc.string(), fc.infiniteStream(fc.nat()), (count, size, client, places) => {
        const all = endpoints(count)
        const subset = rendezvousSubset(all, size, client)
        expect(subset.length).toBe(Math.min(size, count))
        expect(subset.every((endpoint) => all.includes(endpoint))).toBe(true)
        const shuffled = all
          .map((endpoint) => ({ endpoint, place: places.next().value as number }))
          .toSorted((a, b) => a.place - b.place)
          .map(({ endpoint }) => endpoint)
        expect(new Set(rendezvousSubset(shuffled, size, client))).toEqual(new Set(subset))
      }),
    )
  })

  test('one endpoint more or less moves at most one member', () => {
    fc.assert(
      fc.property(fleet, sizes, fc.nat(), fc.string(), (count, size, which, client) => {
        const all = endpoints(count + 1)
        const less = all.toSpliced(which % all.length, 1)
        const [whole, without] = [rendezvousSubset(all, size, client), rendezvousSubset(less, size, client)]
        expect(opened(without, whole)).toBeLessThanOrEqual(1)
        expect(opened(whole, without)).toBeLessThanOrEqual(1)
      }),
    )
  })

  test('1,000 clients with 20 of 1,000 endpoints: load deviates by 22 %, and one connection moves at most', () => {
    const all = endpoints(1_000)
    const less = all.toSpliced(500, 1)
    let moved = 0
    const subsets = Array.from({ length: 1_000 }, (_, client) => {
      const subset = rendezvousSubset(all, 20, `task-${client}`)
      const after = rendezvousSubset(less, 20, `task-${client}`)
      expect(opened(subset, after)).toBeLessThanOrEqual(1)
      moved += opened(subset, after)
      return subset
    })
    expect(deviation(loads(all, subsets))).toBeCloseTo(0.2224, 4)
    // At most the clients of the one that left.
    expect(moved).toBe(24)
  })
})

describe('an aperture', () => {
  const peers = fc.integer({ min: 1, max: 60 })
  const weights = fc.infiniteStream(fc.constantFrom(0.1, 0.5, 1, 2, 10))

  test('loads all endpoints in proportion to weight, for any number of clients', () => {
    fc.assert(
      fc.property(fleet, sizes, peers, weights, (count, size, peerCount, weightOf) => {
        const all = endpoints(count, () => weightOf.next().value as number)
        const subsets = Array.from({ length: peerCount }, (_, i) => aperture(all, size, i, peerCount))
        // Rounding errors of up to 1e-6 of an endpoint are left out.
        for (const load of loads(all, subsets)) {
          const total = all.reduce((sum, { weight }) => sum + weight, 0)
          expect(load / (peerCount / total)).toBeCloseTo(1, 4)
        }
      }),
    )
  })

  test('has at least the given size, in parts that add up to it, and keeps whole endpoints as they are', () => {
    fc.assert(
      fc.property(fleet, sizes, peers, fc.nat(), (count, size, peerCount, which) => {
        const all = endpoints(count)
        const subset = aperture(all, size, which % peerCount, peerCount)
        const parts = subset.reduce((sum, { weight }) => sum + weight, 0)
        expect(parts).toBeGreaterThan(Math.min(size, count) - 1e-4)
        // Less than one arc too many, and a part at each end.
        expect(parts).toBeLessThan(size + count / peerCount + 1e-4)
        expect(subset.filter((endpoint) => !all.includes(endpoint)).length).toBeLessThanOrEqual(2)
        expect(new Set(subset.map(({ address }) => address)).size).toBe(subset.length)
      }),
    )
  })

  test('one endpoint more or less moves two members at most, while the number of arcs stays', () => {
    fc.assert(
      fc.property(fleet, sizes, peers, fc.nat(), (count, size, peerCount, which) => {
        fc.pre(Math.ceil((size * peerCount) / count) === Math.ceil((size * peerCount) / (count + 1)))
        fc.pre(count > size)
        const all = endpoints(count + 1)
        const less = all.toSpliced(which % all.length, 1)
        for (let i = 0; i < peerCount; i++) {
          const [whole, without] = [aperture(all, size, i, peerCount), aperture(less, size, i, peerCount)]
          expect(opened(without, whole)).toBeLessThanOrEqual(2)
          expect(opened(whole, without)).toBeLessThanOrEqual(2)
        }
      }),
    )
  })

  test('1,000 clients with 20 of 1,000 endpoints: each endpoint has exactly 20 clients', () => {
    const all = endpoints(1_000)
    const clients = new Map<string, number>()
    for (let i = 0; i < 1_000; i++) {
      const subset = aperture(all, 20, i, 1_000)
      expect(subset.length).toBe(20)
      for (const { address } of subset) clients.set(address, (clients.get(address) ?? 0) + 1)
    }
    expect(new Set(clients.values())).toEqual(new Set([20]))
  })

  test('three clients of 1,000 endpoints: even, while a rendezvous subset leaves most of them idle', () => {
    const all = endpoints(1_000)
    expect(
      deviation(
        loads(
          all,
          [0, 1, 2].map((i) => aperture(all, 20, i, 3)),
        ),
      ),
    ).toBeLessThan(1e-6)
    const few = [0, 1, 2].map((i) => rendezvousSubset(all, 20, `task-${i}`))
    expect(deviation(loads(all, few))).toBeGreaterThan(3)
  })

  test('neighbours by address are not neighbours on the ring', () => {
    const subset = aperture(endpoints(256), 16, 3, 16)
    const places = subset.map(({ address }) => Number(address.split('.')[3])).toSorted((a, b) => a - b)
    const gaps = places.slice(1).map((place, i) => place - (places[i] as number))
    expect(gaps.filter((gap) => gap > 1).length).toBeGreaterThan(10)
  })
})

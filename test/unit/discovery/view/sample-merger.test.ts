import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { placeOf } from '../../../../src/discovery/endpoint-set.ts'
import { taskEndpoint, type Endpoint, type Snapshot } from '../../../../src/discovery/endpoint.ts'
import { SampleMerger, type LivenessSource } from '../../../../src/discovery/view/sample-merger.ts'
import { parseServiceName } from '../../../../src/discovery/service-name.ts'
import { seededRandom } from '../../../../src/testing/fakes/seeded-random.ts'

const SERVICE = parseServiceName('orders.shop.local', ['shop.local'])
const TTL_MS = 10_000

function endpoints(...numbers: readonly number[]): readonly Endpoint[] {
  return numbers.map((number) => taskEndpoint(`10.0.0.${number}`))
}

/** Answers on a timeline of TTLs; what is known after each, by the last number of the address. */
function timeline(source?: LivenessSource): {
  sample(ttls: number, ...numbers: readonly number[]): readonly number[]
  whole(ttls: number, ...numbers: readonly number[]): readonly number[]
  forget(): void
} {
  const known = new SampleMerger()
  const take = (ttls: number, numbers: readonly number[], complete: boolean): readonly number[] => {
    const now = ttls * TTL_MS
    const answer: Snapshot = {
      service: SERVICE,
      endpoints: endpoints(...numbers),
      complete,
      expiresAt: now + TTL_MS,
      source: 'dns',
      revision: undefined,
    }
    return known
      .merge(answer, now, source === undefined ? [] : [source])
      .map(({ address }) => Number(address.split('.')[3]))
  }
  return {
    sample: (ttls, ...numbers) => take(ttls, numbers, false),
    whole: (ttls, ...numbers) => take(ttls, numbers, true),
    forget: () => known.forget(),
  }
}

describe('samples of a larger set', () => {
  test('an endpoint that two samples lack is kept, the third without it drops it', () => {
    const { sample } = timeline()
    expect(sample(0, 1, 2)).toEqual([1, 2])
    expect(sample(1, 2, 3)).toEqual([1, 2, 3])
    expect(sample(2, 3)).toEqual([1, 2, 3])
    expect(sample(3, 3)).toEqual([2, 3])
    expect(sample(4, 3)).toEqual([3])
  })

  test('a whole set is taken as it is, and is what later samples add to', () => {
    const { sample, whole } = timeline()
    sample(0, 1, 2)
    expect(whole(1, 2, 3)).toEqual([2, 3])
    expect(sample(2, 4)).toEqual([2, 3, 4])
    expect(whole(3)).toEqual([])
  })

  test('answers that come early do not make others older', () => {
    const { sample } = timeline()
    sample(0, 1)
    for (let early = 0.05; early < 0.5; early += 0.05) expect(sample(early, 2)).toEqual([1, 2])
  })

  test('time without answers does not count: during an outage no endpoint is missing', () => {
    const { sample } = timeline()
    sample(0, 1)
    expect(sample(100, 2)).toEqual([1, 2])
    expect(sample(200, 2)).toEqual([1, 2])
    expect(sample(300, 2)).toEqual([2])
  })

  test('an answer that comes a moment after the expiry of the last does not buy a fourth TTL', () => {
    const { sample } = timeline()
    sample(0, 1)
    sample(1.001, 2)
    sample(2.002, 2)
    expect(sample(3.003, 2)).toEqual([2])
  })

  test('after forgetting, only what comes then is known', () => {
    const { sample, forget } = timeline()
    sample(0, 1)
    forget()
    expect(sample(1, 2)).toEqual([2])
  })

  test('one that answers calls is kept, however long samples lack it, and goes when it does not any more', () => {
    let answers = true
    const { sample } = timeline({ answeredSince: () => (answers ? endpoints(1) : []) })
    sample(0, 1, 2)
    for (let ttls = 1; ttls < 20; ttls++) expect(sample(ttls, 3)).toContain(1)
    answers = false
    expect(sample(20, 3)).toEqual([3])
  })

  test('a source is asked only when something would be dropped', () => {
    const asked: number[] = []
    const { sample } = timeline({
      answeredSince: (time) => {
        asked.push(time)
        return []
      },
    })
    for (let ttls = 0; ttls < 4; ttls++) sample(ttls, ...(ttls === 0 ? [1, 2] : [2]))
    expect(asked).toEqual([9_000])
  })

  test('answers out of step drop it within three TTLs, too', () => {
    for (let early = 0.1; early < 1; early += 0.1) {
      const { sample } = timeline()
      sample(0, 1)
      const known = [early, early + 1, early + 2].map((ttls) => sample(ttls, 2))
      expect(known.at(1)).toEqual([1, 2])
      expect(known.at(2)).toEqual(early + 2 < 2.1 ? [1, 2] : [2])
    }
  })
})

test('40 tasks in random samples of 8: all that answer calls are known, and those that left are dropped', () => {
  const random = seededRandom(11)
  let alive = Array.from({ length: 40 }, (_, index) => index + 1)
  const { sample } = timeline({ answeredSince: () => endpoints(...alive) })
  const draw = (): readonly number[] =>
    alive
      .map((number) => ({ number, lot: random.next() }))
      .toSorted((a, b) => a.lot - b.lot)
      .slice(0, 8)
      .map(({ number }) => number)
  for (let ttls = 0; ttls < 25; ttls++) sample(ttls, ...draw())
  expect(sample(25, ...draw()).length).toBeGreaterThanOrEqual(39)
  const left = alive.slice(0, 10)
  alive = alive.slice(10)
  for (let ttls = 26; ttls < 28; ttls++) sample(ttls, ...draw())
  const known = sample(28, ...draw())
  expect(left.filter((number) => known.includes(number))).toEqual([])
  expect(known.length).toBeGreaterThanOrEqual(29)
})

test('property: what the last three answers named is known, and nothing that none ever named', () => {
  const answer = fc.record({
    numbers: fc.uniqueArray(fc.integer({ min: 1, max: 20 }), { maxLength: 8 }),
    complete: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(answer, { maxLength: 30 }), (answers) => {
      const { sample, whole } = timeline()
      const named: (readonly number[])[] = []
      for (const [ttls, { numbers, complete }] of answers.entries()) {
        const known = complete ? whole(ttls, ...numbers) : sample(ttls, ...numbers)
        if (complete) named.length = 0
        named.push(numbers)
        expect(new Set(known)).toEqual(new Set(named.slice(-3).flat()))
      }
    }),
  )
})

test('endpoints are distinguished by address and port', () => {
  const [one, other] = [taskEndpoint('2600:1f18::5', { port: 80 }), taskEndpoint('2600:1f18::5')]
  expect([one, other].map(placeOf)).toEqual(['[2600:1f18::5]:80', '2600:1f18::5'])
})

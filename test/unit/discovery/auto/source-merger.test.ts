import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DNS_ALONE_MS, SourceMerger } from '../../../../src/discovery/auto/source-merger.ts'
import { taskEndpoint, type Endpoint, type Snapshot } from '../../../../src/discovery/endpoint.ts'
import { parseServiceName } from '../../../../src/discovery/service-name.ts'
import { seededRandom } from '../../../../src/testing/fakes/seeded-random.ts'

const ORDERS = parseServiceName('orders.shop.local', ['shop.local'])

function snapshot(endpoints: readonly Endpoint[], complete = true): Snapshot {
  const known = { service: ORDERS, source: 'test', revision: undefined, expiresAt: 0 }
  return { ...known, endpoints, complete }
}

/** `dns('1', '2')`: what DNS names, by the last byte of the address. */
const dns = (...tasks: readonly string[]): Snapshot =>
  snapshot(tasks.map((task) => taskEndpoint(`10.0.0.${task}`)))
const sample = (...tasks: readonly string[]): Snapshot => ({ ...dns(...tasks), complete: false })
const api = (...tasks: readonly string[]): Snapshot =>
  snapshot(tasks.map((task) => taskEndpoint(`10.0.0.${task}`, { port: 8080, zone: 'eu-west-1a', id: task })))

/** After both have named 1, 2 and 3. */
function agreed(): SourceMerger {
  const merger = new SourceMerger()
  merger.mergeApi(api('1', '2', '3'), 0)
  merger.mergeDns(dns('1', '2', '3'), 0)
  return merger
}

function tasksOf(merger: SourceMerger): string {
  return merger
    .endpoints()
    .map(({ address }) => address.slice('10.0.0.'.length))
    .toSorted((one, other) => Number(one) - Number(other))
    .join(' ')
}

describe('a change that DNS shows first', () => {
  test('a new address is news, and counts at once, with the port of its peers', () => {
    const merger = agreed()
    expect(merger.mergeDns(dns('1', '2', '3', '4'), 1_000)).toBe(true)
    expect(tasksOf(merger)).toBe('1 2 3 4')
    expect(merger.endpoints().at(-1)).toEqual(taskEndpoint('10.0.0.4', { port: 8080 }))
    // An API that is late does not take it away, and repeats no news.
    expect(merger.mergeApi(api('1', '2', '3'), 2_000)).toBe(false)
    expect(merger.mergeDns(dns('1', '2', '3', '4'), 11_000)).toBe(false)
    expect(tasksOf(merger)).toBe('1 2 3 4')
    expect(merger.mergeApi(api('1', '2', '3', '4'), 60_000)).toBe(true)
    expect(merger.endpoints().at(-1)).toMatchObject({ zone: 'eu-west-1a', id: '4' })
  })

  test('a missing address is news; it leaves when the API agrees', () => {
    const merger = agreed()
    expect(merger.mergeDns(dns('1', '2'), 1_000)).toBe(true)
    expect(tasksOf(merger)).toBe('1 2 3')
    merger.mergeApi(api('1', '2'), 2_000)
    expect(tasksOf(merger)).toBe('1 2')
  })

  test('or after a minute, if the API does not: unhealthy tasks may leave DNS alone', () => {
    const merger = agreed()
    merger.mergeDns(dns('1', '2'), 1_000)
    merger.mergeApi(api('1', '2', '3'), 2_000)
    merger.mergeDns(dns('1', '2'), 60_999)
    expect(tasksOf(merger)).toBe('1 2 3')
    merger.mergeDns(dns('1', '2'), 61_000)
    expect(tasksOf(merger)).toBe('1 2')
    expect(merger.mergeDns(dns('1', '2', '3'), 120_000)).toBe(false)
    expect(tasksOf(merger)).toBe('1 2 3')
  })
})

test('what DNS says once, and does not repeat for a minute, takes no task away from the API', () => {
  const merger = agreed()
  merger.mergeDns(dns('1', '2'), 1_000)
  // DNS fails from now on.
  merger.mergeApi(api('1', '2', '3'), 90_000)
  expect(tasksOf(merger)).toBe('1 2 3')
})

describe('a change that the API shows first', () => {
  test('counts at once, and is not news when DNS repeats it later', () => {
    const merger = agreed()
    merger.mergeApi(api('2', '3', '4'), 1_000)
    expect(tasksOf(merger)).toBe('2 3 4')
    expect(merger.mergeDns(dns('1', '2', '3'), 2_000)).toBe(false)
    expect(tasksOf(merger)).toBe('2 3 4')
    expect(merger.mergeDns(dns('2', '3', '4'), 60_000)).toBe(false)
    expect(tasksOf(merger)).toBe('2 3 4')
  })

  test('a task that fell ill and is well again does not leave once more when late DNS repeats it', () => {
    const merger = agreed()
    merger.mergeApi(api('1', '2'), 0)
    merger.mergeApi(api('1', '2', '3'), 50_000)
    merger.mergeDns(dns('1', '2'), 60_000)
    expect(tasksOf(merger)).toBe('1 2 3')
    expect(tasksOf(merger)).toBe('1 2 3')
    merger.mergeDns(dns('1', '2', '3'), 110_000)
    expect(tasksOf(merger)).toBe('1 2 3')
  })
})

describe('a source that lies', () => {
  test('DNS that names an old set for ever decides nothing', () => {
    const merger = new SourceMerger()
    merger.mergeDns(dns('1', '2', '3'), 0)
    merger.mergeApi(api('4', '5', '6'), 0)
    expect(tasksOf(merger)).toBe('4 5 6')
    for (let now = 10_000; now < 600_000; now += 10_000) {
      expect(merger.mergeDns(dns('1', '2', '3'), now)).toBe(false)
      expect(tasksOf(merger)).toBe('4 5 6')
    }
  })

  test('an API that names an old set for ever: what is new counts, and what is missing is gone after a minute', () => {
    const merger = agreed()
    merger.mergeDns(dns('2', '3', '4'), 10_000)
    for (let now = 10_000; now < 600_000; now += 10_000) {
      merger.mergeDns(dns('2', '3', '4'), now)
      merger.mergeApi(api('1', '2', '3'), now)
      expect(tasksOf(merger)).toBe(now < 70_000 ? '1 2 3 4' : '2 3 4')
    }
  })

  test('two resolvers, one of them stale, that answer in turn: nothing goes back and forth', () => {
    const merger = agreed()
    merger.mergeDns(dns('4', '5', '6'), 10_000)
    expect(tasksOf(merger)).toBe('1 2 3 4 5 6')
    merger.mergeApi(api('4', '5', '6'), 11_000)
    for (let now = 20_000; now < 900_000; now += 10_000) {
      merger.mergeDns(now % 20_000 === 0 ? dns('1', '2', '3') : dns('4', '5', '6'), now)
      expect(tasksOf(merger)).toBe('4 5 6')
    }
  })

  test.each(['dns', 'api'] as const)('a %s that names nothing has no say', (silent) => {
    const merger = agreed()
    if (silent === 'dns') merger.mergeDns(dns(), 1_000)
    else merger.mergeApi(api(), 1_000)
    expect(tasksOf(merger)).toBe('1 2 3')
    if (silent === 'dns') merger.mergeApi(api('1', '2'), 700_000)
    else merger.mergeDns(dns('1', '2'), 700_000)
    expect(tasksOf(merger)).toBe('1 2')
  })

  test('a DNS that names nothing any more is news, once; and so is what it names next', () => {
    const merger = agreed()
    expect(merger.mergeDns(dns(), 1_000)).toBe(true)
    expect(merger.mergeDns(dns(), 11_000)).toBe(false)
    expect(merger.mergeApi(api(), 12_000)).toBe(true)
    expect(tasksOf(merger)).toBe('')
    expect(merger.mergeDns(dns('1'), 21_000)).toBe(true)
    expect(tasksOf(merger)).toBe('1')
  })

  test('if both name nothing, there is nothing', () => {
    const merger = agreed()
    merger.mergeDns(dns(), 1_000)
    merger.mergeApi(api(), 1_000)
    expect(tasksOf(merger)).toBe('')
  })
})

describe('samples of 8', () => {
  const tasks = Array.from({ length: 40 }, (_, index) => String(index + 1))
  const eightOf = (all: readonly string[], random: { next(): number }): Snapshot =>
    sample(...all.toSorted(() => random.next() - 0.5).slice(0, 8))

  test('name 40 tasks without news, for an hour', () => {
    const random = seededRandom(1)
    const merger = new SourceMerger()
    merger.mergeApi(api(...tasks), 0)
    let news = 0
    for (let now = 0; now < 3_600_000; now += 10_000) if (merger.mergeDns(eightOf(tasks, random), now)) news++
    expect(merger.endpoints()).toHaveLength(40)
    expect(news).toBeLessThanOrEqual(1)
  })

  test('an unknown address is news', () => {
    const merger = new SourceMerger()
    merger.mergeApi(api(...tasks), 0)
    merger.mergeDns(sample(...tasks.slice(0, 8)), 0)
    expect(merger.mergeDns(sample('41', ...tasks.slice(9, 16)), 10_000)).toBe(true)
    expect(merger.endpoints()).toHaveLength(41)
  })

  test('an address that DNS alone has named leaves when samples lack it too often', () => {
    const random = seededRandom(1)
    const merger = new SourceMerger()
    const known = tasks.slice(0, 9)
    merger.mergeApi(api(...known), 0)
    merger.mergeDns(sample(...known.slice(0, 8)), 0)
    merger.mergeDns(sample('41', ...known.slice(0, 7)), 10_000)
    expect(merger.endpoints()).toHaveLength(10)
    for (let now = 20_000; now <= 80_000; now += 10_000) merger.mergeDns(eightOf(known, random), now)
    expect(merger.endpoints()).toHaveLength(9)
    // Another task has got the address.
    expect(merger.mergeDns(sample('41', ...known.slice(0, 7)), 90_000)).toBe(true)
  })

  test('an address of 10 that is missing too often is news, once', () => {
    const random = seededRandom(1)
    const merger = new SourceMerger()
    merger.mergeApi(api(...tasks.slice(0, 10)), 0)
    const news: number[] = []
    for (let answer = 0; answer < 100; answer++)
      if (merger.mergeDns(eightOf(tasks.slice(0, 9), random), answer * 10_000)) news.push(answer)
    expect(news[0]).toBeLessThanOrEqual(6)
    expect(news[0]).toBeGreaterThanOrEqual(4)
    expect(tasksOf(merger).split(' ')).toHaveLength(10)
  })
})

test('an address that the API excludes, as one of WEIGHT 0, does not join by DNS', () => {
  const merger = agreed()
  expect(merger.mergeDns(dns('1', '2', '3', '4'), 1_000)).toBe(true)
  merger.mergeApi({ ...api('1', '2', '3'), excluded: ['10.0.0.4'] }, 2_000)
  expect(tasksOf(merger)).toBe('1 2 3')
  expect(merger.mergeDns(dns('1', '2', '3', '4'), 6_000)).toBe(false)
  expect(tasksOf(merger)).toBe('1 2 3')
})

test('an address of the other family is the same task', () => {
  const merger = agreed()
  const dual = [...dns('1', '2', '3').endpoints, taskEndpoint('fd00::1')]
  expect(merger.mergeDns(snapshot(dual), 1_000)).toBe(false)
  expect(tasksOf(merger)).toBe('1 2 3')
})

test('where the API names some of the instances only, DNS adds none, but is news', () => {
  const merger = new SourceMerger('required')
  merger.mergeApi(api('1', '2'), 0)
  merger.mergeDns(dns('1', '2', '3'), 0)
  expect(merger.mergeDns(dns('1', '2', '3', '4'), 1_000)).toBe(true)
  merger.mergeApi(api('1', '2'), 2_000)
  expect(tasksOf(merger)).toBe('1 2')
})

test('and where it names none of them, DNS adds none either', () => {
  const merger = new SourceMerger('required')
  merger.mergeApi(api(), 0)
  merger.mergeDns(dns('1', '2', '3'), 0)
  expect(tasksOf(merger)).toBe('')
  merger.mergeApi(api('1'), 10_000)
  expect(tasksOf(merger)).toBe('1')
  merger.mergeApi(api(), 20_000)
  expect(tasksOf(merger)).toBe('')
})

test('SRV records name ports: another port of an address is another endpoint', () => {
  const srv = (port: number): Snapshot => snapshot([taskEndpoint('10.0.0.1', { port })])
  const merger = new SourceMerger()
  merger.mergeApi(srv(8080), 0)
  merger.mergeDns(srv(8080), 0)
  expect(merger.mergeDns(srv(9090), 10_000)).toBe(true)
  expect(merger.endpoints().map(({ port }) => port)).toEqual([8080, 9090])
  merger.mergeApi(srv(9090), 11_000)
  expect(merger.endpoints().map(({ port }) => port)).toEqual([9090])
})

test('property: one source behind the other by up to a minute adds no move to those of the tasks', () => {
  const step = fc.record({
    // A task that lives for less than sources are apart is named again by the later one.
    afterMs: fc.integer({ min: DNS_ALONE_MS, max: 200_000 }),
    toggles: fc.subarray(['1', '2', '3', '4'], { minLength: 1, maxLength: 2 }),
  })
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 12 }),
      fc.integer({ min: 0, max: 59_000 }),
      fc.boolean(),
      (steps, lagMs, isDnsLate) => {
        const states = [{ at: 0, tasks: new Set(['0', '1', '2']) }]
        for (const { afterMs, toggles } of steps) {
          const last = states.at(-1)
          if (last === undefined) continue
          const tasks = new Set(last.tasks)
          for (const task of toggles) if (!tasks.delete(task)) tasks.add(task)
          states.push({ at: last.at + afterMs, tasks })
        }
        const shownAt = (now: number): string[] => [
          ...(states.findLast(({ at }) => at <= Math.max(0, now))?.tasks ?? []),
        ]
        const merger = new SourceMerger()
        let moves = 0
        let before = tasksOf(merger)
        const end = (states.at(-1)?.at ?? 0) + 200_000
        for (let now = 0; now <= end; now += 500) {
          merger.mergeApi(api(...shownAt(now - (isDnsLate ? 0 : lagMs))), now)
          merger.mergeDns(dns(...shownAt(now - (isDnsLate ? lagMs : 0))), now)
          const after = tasksOf(merger)
          if (after !== before && now > 0) moves++
          before = after
        }
        // Both say the same in the end, and so does the merged set.
        expect(before).toBe(
          shownAt(end)
            .toSorted((one, other) => Number(one) - Number(other))
            .join(' '),
        )
        // What one shows first and the other later is one move.
        expect(moves).toBeLessThanOrEqual(steps.reduce((sum, { toggles }) => sum + toggles.length, 0))
      },
    ),
    { numRuns: 300 },
  )
  // It takes some 4 s of a processor.
}, 120_000)

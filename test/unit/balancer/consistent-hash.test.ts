import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Balancer, KeyedRequest } from '../../../src/balancer/balancer.ts'
import { consistentHash } from '../../../src/balancer/consistent-hash.ts'
import { roundRobin } from '../../../src/balancer/round-robin.ts'
import type { Upstream } from '../../../src/cluster/upstream.ts'
import { InvalidOptionsError } from '../../../src/core/errors.ts'
import { chiSquare, counts, occupy, upstreams } from '../../support/upstreams.ts'

const KEYS = Array.from({ length: 20_000 }, (_, i) => `user-${i}`)

function placed(balancer: Balancer, candidates: readonly Upstream[], key: string): Upstream {
  return balancer.pick(candidates, { now: 0, key }) as Upstream
}

function request(headers: Record<string, string>): KeyedRequest {
  return { method: 'GET', path: '/v1/orders', header: (name) => headers[name] }
}

describe('consistent hash', () => {
  const balancer = consistentHash({ header: 'x-user-id' })

  test('a key has the same task for all clients, in any order of the tasks', () => {
    const order = fc.shuffledSubarray(upstreams(12), { minLength: 12 })
    fc.assert(
      fc.property(fc.string(), order, (key, shuffled) => {
        const other = consistentHash({ header: 'x-user-id' })
        expect(placed(other, shuffled, key).label).toBe(placed(balancer, upstreams(12), key).label)
      }),
    )
  })

  test('the keys of a task that leaves spread over all others, and no other key moves', () => {
    const all = upstreams(10)
    const gone = all[4] as Upstream
    const left = all.filter((upstream) => upstream !== gone)
    const heirs = left.map(() => 0)
    for (const key of KEYS) {
      const before = placed(balancer, all, key)
      const after = placed(balancer, left, key)
      if (before === gone) heirs[left.indexOf(after)] = (heirs[left.indexOf(after)] as number) + 1
      else expect(after).toBe(before)
    }
    // 99.9 % of even spreads stay below.
    expect(
      chiSquare(
        heirs,
        left.map(() => 1),
      ),
    ).toBeLessThan(26)
  })

  test('keys are spread by weight', () => {
    const weights = [2, 1, 1, 0.1, 0.5]
    const spread = counts(balancer, upstreams(weights), KEYS.length, (i) => ({ now: 0, key: KEYS[i] }))
    expect(chiSquare(spread, weights)).toBeLessThan(18.5)
    const even = counts(balancer, upstreams(5), KEYS.length, (i) => ({ now: 0, key: KEYS[i] }))
    expect(chiSquare(even, [1, 1, 1, 1, 1])).toBeLessThan(18.5)
  })

  test('a task with a higher weight takes keys, and none moves between others', () => {
    const [before, after] = [upstreams(5), upstreams([1, 1, 3, 1, 1])]
    for (const key of KEYS.slice(0, 2_000)) {
      const [was, is] = [placed(balancer, before, key), placed(balancer, after, key)]
      if (was.label !== is.label) expect(is).toBe(after[2])
    }
  })

  test('property: no call lifts a task above twice the average, except its first four', () => {
    const task = fc.record({ weight: fc.constantFrom(0.5, 1, 3), pending: fc.nat({ max: 50 }) })
    fc.assert(
      fc.property(
        fc.array(task, { minLength: 2, maxLength: 20 }),
        fc.string({ minLength: 1 }),
        (tasks, key) => {
          const candidates = upstreams(tasks.map(({ weight }) => weight))
          for (const [i, { pending }] of tasks.entries()) occupy(candidates[i] as Upstream, pending)
          const { pending, endpoint } = placed(balancer, candidates, key)
          const calls = 1 + tasks.reduce((sum, one) => sum + one.pending, 0)
          const weight = tasks.reduce((sum, one) => sum + one.weight, 0)
          const allowed = Math.ceil((2 * calls * endpoint.weight) / weight + 1e-9)
          expect(pending + 1).toBeLessThanOrEqual(Math.max(4, allowed))
        },
      ),
    )
  })

  test('one hot key fills its tasks in order, and returns to the first when it is free', () => {
    const candidates = upstreams(10)
    const home = placed(balancer, candidates, 'hot')
    for (let i = 0; i < 200; i++) placed(balancer, candidates, 'hot').begin(0)
    expect(Math.max(...candidates.map(({ pending }) => pending))).toBe(40)
    for (const candidate of candidates) occupy(candidate, 0)
    expect(placed(balancer, candidates, 'hot')).toBe(home)
  })

  test('without a bound a key stays at its task', () => {
    const unbound = consistentHash({ header: 'x-user-id', maxLoad: false })
    const candidates = upstreams(10)
    for (let i = 0; i < 200; i++) placed(unbound, candidates, 'hot').begin(0)
    expect(Math.max(...candidates.map(({ pending }) => pending))).toBe(200)
  })

  test('another balancer picks for calls without a key', () => {
    const fallback = roundRobin({ random: { next: () => 0 } })
    const mixed = consistentHash({ header: 'x-user-id', fallback })
    expect(counts(mixed, upstreams(4), 8)).toEqual([2, 2, 2, 2])
  })
})

describe('the key of a call', () => {
  test('is the value of a header', () => {
    const { keyOf } = consistentHash({ header: 'X-User-Id' })
    expect(keyOf?.(request({ 'x-user-id': '42' }))).toBe('42')
    expect(keyOf?.(request({}))).toBeUndefined()
    expect(keyOf?.(request({ 'x-user-id': '' }))).toBeUndefined()
  })

  test('is computed from the request', () => {
    const { keyOf } = consistentHash({ key: ({ method, path }) => `${method} ${path}` })
    expect(keyOf?.(request({}))).toBe('GET /v1/orders')
    const none = consistentHash({ key: () => undefined })
    expect(none.keyOf?.(request({}))).toBeUndefined()
  })

  test('must be a string: anything else is an error', () => {
    const { keyOf } = consistentHash({ key: () => 42 as never })
    expect(() => keyOf?.(request({}))).toThrow(InvalidOptionsError)
  })

  test.each([
    [{}],
    [{ header: 'a', key: () => 'b' }],
    [{ header: '' }],
    [{ key: 'x-user-id' }],
    [{ header: 'a', maxLoad: 0.9 }],
    [{ header: 'a', maxLoad: true }],
  ])('refuses invalid options: %j', (options) => {
    expect(() => consistentHash(options as never)).toThrow(InvalidOptionsError)
  })
})

test('names the allowed options if none are given', () => {
  expect(() => consistentHash(undefined as never)).toThrow(
    'options: got undefined; allowed: a plain object of header, key',
  )
})

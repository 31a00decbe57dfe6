import { expect, test } from 'vitest'
import { hashOf, hashOfBoth } from '../../../src/balancer/hash.ts'
import { chiSquare } from '../../support/upstreams.ts'

// From an implementation of FNV-1a and fmix32 in Python.
test('is the same in every process: clients must agree', () => {
  expect(['', 'a', '10.0.0.1:80', '10.0.0.2:80'].map(hashOf)).toEqual([
    -1421968373, 444641715, -665219753, 1161469831,
  ])
})

test('differs for 200,000 similar names, except for random collisions', () => {
  const names = Array.from({ length: 200_000 }, (_, i) => `user-${i}`)
  const different = new Set(names.map(hashOf)).size
  // 4.7 collisions are expected in 32 bits.
  expect(200_000 - different).toBeLessThan(15)
})

test.each([
  ['users', (i: number) => `user-${i}`],
  ['addresses', (i: number) => `10.0.${i >> 8}.${i & 255}:8080`],
  ['numbers', String],
])('spreads %s evenly, by high bits and by low', (_what, nameOf) => {
  const high = Array.from({ length: 64 }, () => 0)
  const low = Array.from({ length: 64 }, () => 0)
  for (let i = 0; i < 64_000; i++) {
    const hash = hashOfBoth(hashOf(nameOf(i)), hashOf('client'))
    high[hash >>> 26] = (high[hash >>> 26] as number) + 1
    low[hash & 63] = (low[hash & 63] as number) + 1
  }
  const even = high.map(() => 1)
  // 99.9 % of even spreads stay below.
  expect(chiSquare(high, even)).toBeLessThan(104)
  expect(chiSquare(low, even)).toBeLessThan(104)
})

test('one bit of a name changes half of the bits of its hash', () => {
  let moved = 0
  for (let i = 0; i < 10_000; i++) {
    let bits = hashOf(`k${i * 2}`) ^ hashOf(`k${i * 2 + 1}`)
    for (; bits !== 0; bits &= bits - 1) moved++
  }
  expect(moved / 10_000 / 32).toBeCloseTo(0.5, 2)
})

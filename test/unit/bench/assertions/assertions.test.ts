import { expect, test } from 'vitest'
import { evaluate } from '../../../../src/bench/assertions/evaluate.ts'
import { AssertionSyntaxError, parseAssertion } from '../../../../src/bench/assertions/parse.ts'
import type { ArmReport } from '../../../../src/bench/report/report.ts'

function arm(
  name: ArmReport['name'],
  p50: number,
  p99: number | null,
  { succeeded = 10_000, fallbacks = 0 } = {},
): ArmReport {
  const latency = [
    { share: 0.5, ms: p50, interval: null },
    { share: 0.99, ms: p99, interval: null },
  ]
  return { name, latency, calls: 10_000, succeeded, fallbacks, maxMs: 50 } as unknown as ArmReport
}

const arms = [
  arm('dns', 1, 10),
  arm('api', 2, 12),
  arm('fallback', 1.5, 9.6, { succeeded: 9_980 }),
  arm('undici', 1, null),
]

test.for([
  ['p99(direct) <= 1.05 * p99(fallback)', true],
  ['p99(direct) <= 1.04 * p99(fallback)', false],
  ['p50(dns) < p50(api)', true],
  ['p50(api) - p50(dns) >= 1ms', true],
  ['2 * (p50(dns) + p50(api)) > 5.9', true],
  ['p50(dns) / p50(api) <= 0.5', true],
  ['1 + 2 * 3 <= 7', true],
  ['10 - 2 - 3 >= 5', true],
  ['-p50(dns) < 0', true],
  ['p50(dns) < 1.1ms', true],
  ['max(dns) <= 0.05s', true],
  ['p50(dns) > 999us', true],
  ['errors(fallback) <= 0.002', true],
  ['errors(fallback) < 0.001', false],
] as const)('%s: %s', ([text, holds]) => {
  expect(evaluate(parseAssertion(text), arms).holds).toBe(holds)
})

test('what the run cannot tell does not hold, and the values say why', () => {
  expect(evaluate(parseAssertion('p99(undici) > 0'), arms)).toEqual({
    text: 'p99(undici) > 0',
    holds: null,
    values: 'p99(undici) = cannot tell',
  })
  expect(evaluate(parseAssertion('p99(control) > 0'), arms).holds).toBeNull()
  expect(evaluate(parseAssertion('0 / 0 > 0'), arms).holds).toBeNull()
})

test.for([
  // A hundredth failed: they may have been the slowest hundredth.
  ['p99(dns) < 1s', { succeeded: 9_900 }, null],
  ['p50(dns) < 1s', { succeeded: 9_900 }, true],
  ['max(dns) < 1s', { succeeded: 9_999 }, null],
  // They have the latency of the load balancer.
  ['p50(direct) < 1s', { fallbacks: 6_000 }, null],
  ['errors(direct) <= 0', { fallbacks: 6_000 }, true],
] as const)('%s, with calls that have no latency of the arm: %j', ([text, lost, holds]) => {
  expect(evaluate(parseAssertion(text), [arm('dns', 1, 10, lost)]).holds).toBe(holds)
})

test('direct is the first direct arm', () => {
  expect(evaluate(parseAssertion('p50(direct) < 1.5'), arms.slice(1)).values).toBe('p50(direct) = 2 ms')
})

test.for([
  ['', 0, 'a number, or p99(direct)'],
  ['p99(direct)', 11, '<, <=, > or >='],
  ['p99(direct) == 1', 12, 'a comparison such as'],
  ['p99(direct) <= ', 15, 'a number, or p99(direct)'],
  ['p98(direct) <= 1', 0, 'a number, p50, p90, p99, p99.9, max or errors'],
  ['p99 <= 1', 4, '('],
  ['p99(alb) <= 1', 4, 'an arm: direct, dns, api, fallback, undici, control'],
  ['p99(direct <= 1', 11, ')'],
  ['p99(direct) <= 1 2', 17, 'one comparison in each --assert, and nothing after it'],
  ['1 < 2 < 3', 6, 'one comparison in each --assert, and nothing after it'],
  ['p99(direct) <= 5 minutes', 17, 'one comparison in each --assert, and nothing after it'],
  ['constructor(direct) < 1', 0, 'a number, p50'],
] as const)('%j is refused, with its place', ([text, position, message]) => {
  const error = ((): unknown => {
    try {
      return parseAssertion(text)
    } catch (thrown) {
      return thrown
    }
  })()
  expect(error).toBeInstanceOf(AssertionSyntaxError)
  expect((error as Error).message).toContain(message)
  expect((error as Error).message.split('\n').at(-1)).toBe(`  ${' '.repeat(position)}^`)
})

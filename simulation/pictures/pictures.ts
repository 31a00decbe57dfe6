/** The pictures of docs/balancing.md. */
import type { Second } from '../measures.ts'
import { ONEHOP, POLICIES, type Policy } from '../policies.ts'
import { simulate, type Scenario } from '../run.ts'
import { blackHole, SPILL, TEN_TIMES_SLOW, TWO_SECONDS_SLOW, ZONE_LOST } from '../scenarios.ts'
import { draw, type Chart } from './svg.ts'

export interface Picture {
  readonly name: string
  readonly draw: () => string
}

const FIRST_TASK = '10.0.0.1'

export const PICTURES: readonly Picture[] = [
  {
    name: 'black-hole',
    draw: () =>
      compared(blackHole(4), ['onehop (p2c)', 'round robin', 'least requests of all'], shareOf(FIRST_TASK), {
        title: '1 of 4 tasks answers 503 at once (shaded): its share of all attempts',
        yTitle: '% of attempts',
        most: 50,
        shaded: [[10, 70]],
      }),
  },
  {
    name: 'ten-times-slow',
    draw: () =>
      compared(TEN_TIMES_SLOW, ['onehop (p2c)', "Envoy's least request", 'least requests of all'], p99Of, {
        title: '1 of 10 tasks takes ten times as long from 0 s on: 99th percentile of each second',
        yTitle: 'ms',
        most: 400,
      }),
  },
  {
    name: 'two-seconds-slow',
    draw: () =>
      compared(TWO_SECONDS_SLOW, ['onehop (p2c)', 'least requests of all', 'round robin'], failedOf, {
        title: '1 of 11 tasks answers 2 s later from 5 s on, callers wait for 1 s: calls that fail',
        yTitle: '% of calls',
        most: 15,
      }),
  },
  {
    name: 'zone-lost',
    draw: () =>
      compared(ZONE_LOST, ['onehop (p2c)', 'round robin', 'least requests of all'], failedOf, {
        title: '1 of 3 zones is silent (shaded: discovery still names it): calls that fail',
        yTitle: '% of calls',
        most: 30,
        shaded: [[10, 50]],
      }),
  },
  {
    name: 'spill',
    draw: () => {
      const { seconds } = simulate(SPILL, ONEHOP).outcome
      return draw({
        ...axes(seconds),
        title: '4 of 6 tasks cannot be reached directly (shaded): who takes the calls',
        yTitle: '% of attempts',
        most: 100,
        shaded: [[10, 40]],
        lines: [
          { name: 'to tasks', values: seconds.map((second) => 100 - shareOf('balancer.internal')(second)) },
          { name: 'to the load balancer', values: seconds.map(shareOf('balancer.internal')) },
        ],
      })
    },
  },
]

function compared(
  scenario: Scenario,
  names: readonly string[],
  valueOf: (second: Second) => number,
  chart: Pick<Chart, 'title' | 'yTitle' | 'most' | 'shaded'>,
): string {
  const runs = names.map((name) => ({ name, seconds: simulate(scenario, policy(name)).outcome.seconds }))
  return draw({
    ...axes(runs[0]?.seconds ?? []),
    ...chart,
    lines: runs.map(({ name, seconds }) => ({ name, values: seconds.map(valueOf) })),
  })
}

function axes(seconds: readonly Second[]): Pick<Chart, 'x' | 'xTitle'> {
  return { x: seconds.map(({ at }) => at), xTitle: 'seconds' }
}

function policy(name: string): Policy {
  const found = POLICIES.find((one) => one.name === name)
  if (found === undefined) throw new Error(`unknown policy: ${name}`)
  return found
}

function shareOf(address: string): (second: Second) => number {
  return ({ attempts }) => {
    const all = [...attempts.values()].reduce((sum, count) => sum + count, 0)
    return (100 * (attempts.get(address) ?? 0)) / all
  }
}

function p99Of({ p99 }: Second): number {
  return p99
}

function failedOf({ calls, failed }: Second): number {
  return (100 * failed) / calls
}

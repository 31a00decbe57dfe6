/** The balancers, each with the upstreams of a live fleet. */
import { compileFunction } from 'node:vm'
// Imported file by file: 22 processes that load the whole package would take longer than the measurement.
import type { Balancer, PickHint } from '../../src/balancer/balancer.ts'
import { consistentHash } from '../../src/balancer/consistent-hash.ts'
import { leastRequest } from '../../src/balancer/least-request.ts'
import { p2c } from '../../src/balancer/p2c.ts'
import { random } from '../../src/balancer/random.ts'
import { roundRobin } from '../../src/balancer/round-robin.ts'
import { Upstream } from '../../src/cluster/upstream.ts'
import type { Random } from '../../src/core/clock.ts'
import { taskEndpoint } from '../../src/discovery/endpoint.ts'
import { seededRandom } from '../../src/testing/fakes/seeded-random.ts'

/** Picks `times` times, in a separate loop. */
export type Picks = (times: number) => void

export interface Subject {
  readonly name: string
  /** Whether a pick looks at every candidate. */
  readonly scans: boolean
  /** Every third upstream has half the weight, as a canary has. */
  readonly weighted: boolean
  readonly balancer: (random: Random) => Balancer
}

const least = (chance: Random): Balancer => leastRequest({ random: chance })
const leastOfAll = (chance: Random): Balancer => leastRequest({ random: chance, choices: 'all' })
const hash = (chance: Random): Balancer => consistentHash({ header: 'x-user-id', random: chance })

export const YARDSTICK: Subject = subject('p2c()', (chance) => p2c({ random: chance }))
export const SUBJECTS: readonly Subject[] = [
  YARDSTICK,
  subject('p2c(), two weights', (chance) => p2c({ random: chance }), { weighted: true }),
  subject('leastRequest()', least),
  subject('leastRequest(), two weights', least, { weighted: true }),
  subject('random()', (chance) => random({ random: chance })),
  subject('random(), two weights', (chance) => random({ random: chance }), { weighted: true }),
  subject('roundRobin()', (chance) => roundRobin({ random: chance })),
  subject("leastRequest({ choices: 'all' })", leastOfAll, { scans: true }),
  subject('consistentHash({ header })', hash, { scans: true }),
  subject('consistentHash({ header }), two weights', hash, { scans: true, weighted: true }),
]

/** Stored where V8 cannot prove that it is unused. */
const sink: { hint: unknown } = { hint: undefined }

/** Allocates one small object per pick, to show that the measurement notices it. */
export const CONTROL: Subject = subject('control: one small object a pick', () => ({
  pick(candidates, { now, key }) {
    sink.hint = { now, key }
    return candidates[0]
  },
}))

/** A realistic fleet, and few enough for a million picks of balancers that look at all. */
export const UPSTREAMS_OF_BYTES = 20

function subject(
  name: string,
  balancer: Subject['balancer'],
  { scans = false, weighted = false }: Partial<Subject> = {},
): Subject {
  return { name, scans, weighted, balancer }
}

/**
 * Random numbers that are never heap objects. `Math.random()` makes one per number unless V8 inlines the balancer
 * into its caller. The difference shows what the balancer allocates, and what its source of randomness does.
 */
export function pooledRandom(): Random {
  const pool = new Uint32Array(4_096)
  let position = pool.length
  return {
    next() {
      if (position === pool.length) {
        crypto.getRandomValues(pool)
        position = 0
      }
      return (pool[position++] as number) / 2 ** 32
    },
  }
}

/** A power of two, so that a mask finds the next index. */
const HINTS = 1_024
const NOW = 5_000

// V8's type feedback of one balancer must not slow another: every subject has a loop that is compiled for it.
const LOOP = `return (times) => {
  let picked
  for (let i = 0; i < times; i++) picked = balancer.pick(candidates, hints[i & ${HINTS - 1}])
  if (!candidates.includes(picked)) throw new Error('the balancer picked no candidate')
}`

export function picksOf(balancer: Balancer, size: number, weighted: boolean): Picks {
  const hints: readonly PickHint[] = Array.from({ length: HINTS }, (_, i) => ({ now: NOW, key: `user-${i}` }))
  const make = compileFunction(LOOP, ['balancer', 'candidates', 'hints']) as (...values: unknown[]) => Picks
  return make(balancer, upstreams(size, weighted), hints)
}

/** A fleet under load: latencies of 5 to 25 ms, up to 3 pending calls each. */
function upstreams(count: number, weighted: boolean): readonly Upstream[] {
  const chance = seededRandom(1)
  return Array.from({ length: count }, (_, i) => {
    const weight = weighted && i % 3 === 0 ? 0.5 : 1
    const upstream = new Upstream(taskEndpoint(`10.0.${i >> 8}.${i & 255}`, { weight }), 8080, 15, 0)
    upstream.latency.observe(5 + 20 * chance.next(), NOW * chance.next())
    for (let pending = Math.floor(4 * chance.next()); pending > 0; pending--) upstream.begin(NOW)
    return upstream
  })
}

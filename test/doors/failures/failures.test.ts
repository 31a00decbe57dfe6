/**
 * What holds for each library under the scenario's fault, on each version of Node, over http and https. `npm run
 * bench:doors` prints the numbers.
 */
import { describe, expect, test } from 'vitest'
import { load } from '../packages/load.ts'
import type { Library } from '../recipes/library.ts'
import type { Tally } from './order.ts'
import { MAJORS, nodeOf } from '../../support/processes/nodes.ts'
import { runScenario, type Result, type Scenario } from './scenario.ts'

const { LIBRARIES } = await load<{ LIBRARIES: readonly Library[] }>('./libraries/index.ts')

const EVERY_MS = 400
const DELAY_MS = 200
/** What a call that was sent to a task fails with when the task ends. */
const BROKEN_OFF = /^(GET|POST) (ECONNRESET|UND_ERR_SOCKET|ERR_STREAM_DESTROYED|EPIPE)$/

/** On a quiet machine it takes 8 s. */
const WITHIN_MS = 170_000
const MAX_LATE_MS = 250
const MAX_TRIES = 3

/** Again, if the callers stood still meanwhile: what they saw then is the machine's fault. */
async function undisturbed(scenario: Scenario): Promise<Result> {
  for (let tries = 1; ; tries++) {
    const result = await runScenario(scenario)
    if (result.lateMaxMs < MAX_LATE_MS || tries === MAX_TRIES) return result
  }
}

function failed(tallies: readonly Tally[], method: 'GET' | 'POST'): number {
  return tallies.reduce((sum, tally) => sum + tally[method].failed, 0)
}

describe.each(['http', 'https'] as const)('over %s', (scheme) => {
  test.each(MAJORS)(
    'Node %i: a killed, a frozen and a replaced task',
    { timeout: WITHIN_MS },
    async (major) => {
      const { onehop, without } = await undisturbed({
        ...{ scheme, node: nodeOf(major), libraries: LIBRARIES.map(({ name }) => name) },
        ...{ everyMs: EVERY_MS, delayMs: DELAY_MS, stepMs: 1_000 },
      })
      expect(onehop.map(({ library }) => library)).toEqual(LIBRARIES.map(({ name }) => name))
      for (const { library, GET, errors } of onehop) {
        const { door } = LIBRARIES.find(({ name }) => name === library) as Library
        // What may be repeated is not lost, but by agents, which repeat nothing that was sent.
        if (door !== 'agents') expect([library, GET.failed, errors]).toEqual([library, 0, errors])
        // Connections that could not be made went to other tasks, whatever the method.
        for (const error of Object.keys(errors))
          expect([library, error]).toEqual([library, expect.stringMatching(BROKEN_OFF)])
      }
      // Four, and at least two successors: the last one has little time.
      const tasks = new Set(onehop.flatMap((tally) => Object.keys(tally.tasks)))
      expect(tasks.size).toBeGreaterThanOrEqual(6)
      // Orders that were in flight on a task that ended are lost on both sides, and by chance more on one.
      const inFlight = (LIBRARIES.length * DELAY_MS) / EVERY_MS
      expect(failed(onehop, 'GET') + failed(onehop, 'POST')).toBeLessThanOrEqual(
        failed(without, 'GET') + failed(without, 'POST') + inFlight,
      )
    },
  )
})

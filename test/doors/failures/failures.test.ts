/**
 * What holds for each library under the scenario's fault, on each version of Node, over http and https. `npm run
 * bench:doors` prints the numbers.
 */
import { describe, expect, test } from 'vitest'
import { load } from '../packages/load.ts'
import type { Library } from '../recipes/library.ts'
import type { Tally } from './order.ts'
import { MAJORS, nodeOf } from '../../support/processes/nodes.ts'
import { runScenario, type Result } from './scenario.ts'

const { LIBRARIES } = await load<{ LIBRARIES: readonly Library[] }>('./libraries/index.ts')

const EVERY_MS = 400
/** Of each library. On an idle machine it is one, and a few more for a task that is frozen. */
const MAX_IN_FLIGHT = 6
const DELAY_MS = 200
const STEP_MS = 1_000
/** What a call that was sent to a task fails with when the task ends. */
const BROKEN_OFF = /^(GET|POST) (ECONNRESET|UND_ERR_SOCKET|ERR_STREAM_DESTROYED|EPIPE)$/
/** What a call fails with that takes longer than its library allows. */
const LIMITED = /^(GET|POST) (ETIMEDOUT|ECONNABORTED|ETIME|.*(timeout|timed out|aborted|no answer in).*)$/i
/** What the recipes allow. */
const LIMIT_MS = 5_000

/** On a quiet machine it takes 8 s. */
const WITHIN_MS = 600_000

/**
 * Whether calls may have met the limits of their libraries. They wait for the task that is frozen: for a second, unless
 * this machine is so busy that it is killed late, or that they are.
 */
function isSlow({ frozenMs, lateMaxMs }: Result): boolean {
  return frozenMs + lateMaxMs > LIMIT_MS - 2 * STEP_MS
}

function failed(tallies: readonly Tally[], method: 'GET' | 'POST'): number {
  return tallies.reduce((sum, tally) => sum + tally[method].failed, 0)
}

describe.each(['http', 'https'] as const)('over %s', (scheme) => {
  test.each(MAJORS)(
    'Node %i: a killed, a frozen and a replaced task',
    { timeout: WITHIN_MS },
    async (major) => {
      const result = await runScenario({
        ...{ scheme, node: nodeOf(major), libraries: LIBRARIES.map(({ name }) => name) },
        ...{ everyMs: EVERY_MS, maxInFlight: MAX_IN_FLIGHT, delayMs: DELAY_MS, stepMs: STEP_MS },
      })
      const { onehop, without, mostInFlight } = result
      const isLimit = (error: string): boolean => isSlow(result) && LIMITED.test(error)
      expect(onehop.map(({ library }) => library)).toEqual(LIBRARIES.map(({ name }) => name))
      for (const { library, errors } of onehop) {
        const { door } = LIBRARIES.find(({ name }) => name === library) as Library
        // What may be repeated is not lost, but by agents, which repeat nothing that was sent.
        const isLost = (error: string): boolean =>
          BROKEN_OFF.test(error) && (door === 'agents' || error.startsWith('POST'))
        // Connections that could not be made went to other tasks, whatever the method.
        const unexpected = Object.keys(errors).filter((error) => !isLost(error) && !isLimit(error))
        expect([library, unexpected]).toEqual([library, []])
      }
      // Orders that were in flight on a task that ended are lost on both sides, and by chance more on one.
      expect(failed(onehop, 'GET') + failed(onehop, 'POST')).toBeLessThanOrEqual(
        failed(without, 'GET') + failed(without, 'POST') + mostInFlight,
      )
    },
  )
})

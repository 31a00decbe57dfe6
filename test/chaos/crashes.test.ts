import { AttemptsExhaustedError } from 'onehop'
import { expect, test } from 'vitest'
import { expectFailures, holds, mostInFlight, type Played } from './play.ts'
import { hangWithLimit, kill, refuse, terminate } from '../../chaos/scenarios/crashes.ts'
import type { Failure } from '../../chaos/tally.ts'

/** Until the news of a death is heard on a busy machine. */
const NEWS_MS = 100

/** Whether a task had it in its hands when it died. */
function diedWithTask({ at, error }: Failure, { faultDoneAt }: Played): boolean {
  const last = error instanceof AttemptsExhaustedError ? error.attempts.at(-1) : undefined
  return at <= faultDoneAt + NEWS_MS && last?.outcome.kind === 'transport-error' && last.outcome.sent
}

test('a killed task fails no call but the POSTs that were in flight on it', async () => {
  await holds(kill, (played) => {
    expect(played.tally.failedOf('POST').filter((failure) => !diedWithTask(failure, played))).toEqual([])
    // 17 POSTs a second and task, of 10 ms each: more than a few are not in flight at once.
    expectFailures(played, { POST: mostInFlight(played, 3, 1 / 4) })
  })
})

test('a hung task costs no GET with attemptMs: 250, and few POSTs', async () => {
  // A POST that was sent is not sent again, so those that find out that the task hangs are lost.
  await holds(hangWithLimit, (played) => expectFailures(played, { POST: 3 }))
})

test('a task that leaves on SIGTERM fails nothing', async () => {
  await holds(terminate, expectFailures)
})

test('a task that refuses connections fails nothing', async () => {
  await holds(refuse, expectFailures)
})

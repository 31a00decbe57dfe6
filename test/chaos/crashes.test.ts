import { AttemptsExhaustedError } from 'onehop'
import { expect, test } from 'vitest'
import { expectFailures, play, type Played } from './play.ts'
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
  const report = await play(kill)
  expect(report.tally.failedOf('POST').filter((failure) => !diedWithTask(failure, report))).toEqual([])
  // 17 POSTs a second and task, of 10 ms each: more than a few are not in flight at once.
  expectFailures(report, { POST: 3 })
})

test('a hung task costs no GET with attemptMs: 250, and few POSTs', async () => {
  // A POST that was sent is not sent again, so those that find out that the task hangs are lost.
  expectFailures(await play(hangWithLimit), { POST: 3 })
})

test('a task that leaves on SIGTERM fails nothing', async () => {
  expectFailures(await play(terminate))
})

test('a task that refuses connections fails nothing', async () => {
  expectFailures(await play(refuse))
})

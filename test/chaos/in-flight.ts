import { AttemptsExhaustedError } from 'onehop'
import type { Failure } from './tally.ts'

/** Whether a task may have had it in its hands. */
export function wasInFlight({ error }: Failure): boolean {
  return (
    error instanceof AttemptsExhaustedError &&
    error.attempts.some(({ outcome }) => outcome.kind === 'transport-error' && outcome.sent)
  )
}

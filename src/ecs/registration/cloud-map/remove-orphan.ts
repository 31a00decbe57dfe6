import { isDenied } from '../errors.ts'
import { leave } from './leave.ts'
import { reportLost, reportOrphan, type Registered } from './look.ts'
import type { Work } from './operation.ts'

/** The task waits for it to be registered. */
const LIMIT_MS = 10_000

/**
 * Deregisters what a task that is gone has left at our address. Its callers reach this task, so that a failure is no
 * reason not to register: it is an event.
 * @throws the signal's reason
 */
export async function removeOrphan(work: Work, orphan: Registered): Promise<void> {
  const { calls, clock, signal } = work
  try {
    await leave({ ...work, id: orphan.id }, clock.now() + LIMIT_MS)
    reportOrphan(calls.service, orphan)
  } catch (error) {
    signal?.throwIfAborted()
    if (isDenied(error))
      work.onDenied(error, `instance ${orphan.id}, which a killed task left at this address, stays`)
    else reportLost(calls.service, orphan, error as Error)
  }
}

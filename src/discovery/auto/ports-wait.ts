/** How long a lookup waits for the API because calls need the ports, which DNS does not have (docs/decisions/025). */
import { inSteps } from '../../core/async/in-steps.ts'
import { settlesWithin } from '../../core/async/settles-within.ts'
import type { Clock } from '../../core/clock.ts'

/** Beyond the head start that the API has in any case: as long as one try of it may take. */
export const PORTS_MS = 3_000

/**
 * Whether the API's first answer, or failure, comes in time. The time begins when the AWS SDK is loaded: that takes seconds on
 * a small task, it ends, and it says nothing of the API.
 * @param load rejects where `flight` fails, too; undefined: nothing is to be loaded
 */
export async function bringsPorts(
  flight: Promise<void>,
  load: Promise<void> | undefined,
  clock: Clock,
): Promise<boolean> {
  await Promise.race([flight, load?.catch(() => undefined)])
  // A process that stands still, as it may while it starts, loses one step and not all of the time.
  return settlesWithin(inSteps(clock), PORTS_MS, flight)
}

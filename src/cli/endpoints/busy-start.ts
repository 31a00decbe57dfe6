/** A process that loads the AWS SDK is busy for 100 ms and more. That must not be shown as the time that others took. */
import { inSteps } from '../../core/async/in-steps.ts'
import { systemClock, type Clock } from '../../core/clock.ts'

/** The system's clock, whose limits do not count what this process computes meanwhile. */
export const attentiveClock: Clock = inSteps(systemClock)

/** Loads what discovery needs with its first question. */
export async function preload(discovery: 'auto' | 'dns' | 'api'): Promise<void> {
  await Promise.all([
    discovery === 'api' ? undefined : import('../../discovery/dns/wire/exchange.ts'),
    discovery === 'dns' ? undefined : import('@aws-sdk/client-servicediscovery'),
  ])
}

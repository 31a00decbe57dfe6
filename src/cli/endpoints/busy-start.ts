/** A process that loads the AWS SDK is busy for 100 ms and more. That must not be shown as the time that others took. */
import { systemClock, type Clock } from '../../core/clock.ts'

/** The system's clock, whose timers fire after the sockets have been heard. */
export const attentiveClock: Clock = {
  ...systemClock,
  setTimer: (callback, delayMs, awaited) =>
    systemClock.setTimer(() => systemClock.afterIo(callback), delayMs, awaited),
}

/** Loads what discovery needs with its first question. */
export async function preload(discovery: 'auto' | 'dns' | 'api'): Promise<void> {
  await Promise.all([
    discovery === 'api' ? undefined : import('../../discovery/dns/wire/exchange.ts'),
    discovery === 'dns' ? undefined : import('@aws-sdk/client-servicediscovery'),
  ])
}

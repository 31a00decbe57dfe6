import { systemClock, type Clock } from '../../core/clock.ts'

/**
 * The system's clock, whose timers fire after the sockets have been heard: a process that was busy, with loading the AWS SDK,
 * say, must not take its own lateness for that of others.
 */
export const attentiveClock: Clock = {
  ...systemClock,
  setTimer: (callback, delayMs, awaited) =>
    systemClock.setTimer(() => systemClock.afterIo(callback), delayMs, awaited),
}

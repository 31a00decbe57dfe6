import {
  checkKeys,
  checkMs,
  checkOneOf,
  given,
  msFrom,
  numberIn,
  type Optional,
} from '../../core/check/check.ts'
import { checkClock, checkMethods } from '../../core/check/functions.ts'
import { systemClock, systemRandom, type Clock, type Random } from '../../core/clock.ts'
import { checkEnv, urlFrom } from '../environment.ts'

/** Options of `protectTask`. Defaults in brackets. */
export interface ProtectionOptions {
  /** How long ECS protects the task if this process says no more, from 1 to 2880; renewed at 80 % [5]. */
  readonly minutes: number
  /** How long protection outlasts the last hold, for the next one to come, in ms [10000]. */
  readonly lingerMs: number
  /** For one `hold()`, retries included, in ms [6000: the agent gives ECS 4 s]. */
  readonly timeoutMs: number
  /** `go-on`: `hold()` resolves without protection, and an event has the error. `reject`: it rejects [`go-on`]. */
  readonly onFailure: 'go-on' | 'reject'
  /** Where `ECS_AGENT_URI` is [`process.env`]. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** [the system's] */
  readonly clock: Clock
  /** [the system's] */
  readonly random: Random
}

export interface ProtectionSettings extends Omit<ProtectionOptions, 'env'> {
  /** undefined: not on ECS. */
  readonly uri: string | undefined
}

const MAX_MINUTES = 2_880

/** @throws InvalidOptionsError for options, or variables, that are not allowed */
export function readOptions(options: Optional<ProtectionOptions>): ProtectionSettings {
  checkKeys('', options, ['minutes', 'lingerMs', 'timeoutMs', 'onFailure', 'env', 'clock', 'random'])
  const agent = urlFrom(given('env', options.env, process.env, checkEnv), 'ECS_AGENT_URI')
  return {
    minutes: given('minutes', options.minutes, 5, numberIn({ min: 1, max: MAX_MINUTES, integer: true })),
    lingerMs: given('lingerMs', options.lingerMs, 10_000, checkMs),
    timeoutMs: given('timeoutMs', options.timeoutMs, 6_000, msFrom(1)),
    onFailure: given('onFailure', options.onFailure, 'go-on', (path, value) =>
      checkOneOf(path, value, ['go-on', 'reject']),
    ),
    clock: given('clock', options.clock, systemClock, checkClock),
    random: given('random', options.random, systemRandom, (path, value) =>
      checkMethods<Random>(path, value, ['next'], 'randomness with next()'),
    ),
    uri: agent === undefined ? undefined : `${agent}/task-protection/v1/state`,
  }
}

import { checkKeys, checkPort, given, msFrom, numberIn, type Optional } from '../../core/check/check.ts'
import { checkClock } from '../../core/check/functions.ts'
import { systemClock, type Clock } from '../../core/clock.ts'
import { InvalidOptionsError } from '../../core/errors.ts'
import { checkEnv, portFrom, urlFrom, type Environment } from '../environment.ts'
import { NotOnEcsError } from './errors.ts'

/** Options of `self`. Defaults in brackets. */
export interface SelfOptions {
  /** Where the endpoint's address and `PORT` are [`process.env`]. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** What this container listens on [`PORT` where it is a number, else unknown]. */
  readonly port: number
  /** For one try, from connecting to the last byte, in ms [1000]. */
  readonly timeoutMs: number
  /** Tries in all [10: with the waits between them 6.5 s of refusals, or 16.5 s of silence]. */
  readonly attempts: number
  /** Gives up at once, with its reason. */
  readonly signal: AbortSignal
  /** [the system's] */
  readonly clock: Clock
}

export interface SelfSettings extends Pick<SelfOptions, 'timeoutMs' | 'attempts' | 'clock'> {
  /** Of this container's metadata, without a slash at its end. */
  readonly uri: string
  readonly version: 3 | 4
  readonly port: number | undefined
  readonly signal: AbortSignal | undefined
}

/**
 * @throws InvalidOptionsError for options, or variables, that are not allowed
 * @throws NotOnEcsError where ECS has set no variable
 */
export function readOptions(options: Optional<SelfOptions>): SelfSettings {
  checkKeys('', options, ['env', 'port', 'timeoutMs', 'attempts', 'signal', 'clock'])
  const env = given('env', options.env, process.env, checkEnv)
  return {
    timeoutMs: given('timeoutMs', options.timeoutMs, 1_000, msFrom(1)),
    attempts: given('attempts', options.attempts, 10, numberIn({ min: 1, max: 1_000, integer: true })),
    signal: options.signal === undefined ? undefined : checkSignal('signal', options.signal),
    clock: given('clock', options.clock, systemClock, checkClock),
    port: options.port === undefined ? portFrom(env) : checkPort('port', options.port),
    ...endpointFrom(env),
  }
}

function endpointFrom(env: Environment): Pick<SelfSettings, 'uri' | 'version'> {
  const v4 = urlFrom(env, 'ECS_CONTAINER_METADATA_URI_V4')
  if (v4 !== undefined) return { uri: v4, version: 4 }
  const v3 = urlFrom(env, 'ECS_CONTAINER_METADATA_URI')
  if (v3 !== undefined) return { uri: v3, version: 3 }
  throw new NotOnEcsError()
}

export function checkSignal(path: string, value: unknown): AbortSignal {
  if (!(value instanceof AbortSignal)) throw new InvalidOptionsError(path, value, 'an AbortSignal')
  return value
}

import {
  checkClock,
  checkKeys,
  checkMs,
  checkNumber,
  checkPort,
  given,
  type Optional,
} from '../../core/check/check.ts'
import { systemClock, type Clock } from '../../core/clock.ts'
import { InvalidOptionsError } from '../../core/errors.ts'
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

export interface SelfSettings {
  /** Of this container's metadata, without a slash at its end. */
  readonly uri: string
  readonly version: 3 | 4
  readonly port: number | undefined
  readonly timeoutMs: number
  readonly attempts: number
  readonly signal: AbortSignal | undefined
  readonly clock: Clock
}

/**
 * @throws InvalidOptionsError for options, or variables, that are not allowed
 * @throws NotOnEcsError where ECS has set no variable
 */
export function readOptions(options: Optional<SelfOptions>): SelfSettings {
  checkKeys('', options, ['env', 'port', 'timeoutMs', 'attempts', 'signal', 'clock'])
  const env = given('env', options.env, process.env, checkEnv)
  return {
    timeoutMs: given('timeoutMs', options.timeoutMs, 1_000, (path, value) => checkMs(path, value, 1)),
    attempts: given('attempts', options.attempts, 10, (path, value) =>
      checkNumber(path, value, { min: 1, max: 1_000, integer: true }),
    ),
    signal: options.signal === undefined ? undefined : checkSignal('signal', options.signal),
    clock: given('clock', options.clock, systemClock, checkClock),
    port: options.port === undefined ? portFrom(env) : checkPort('port', options.port),
    ...endpointFrom(env),
  }
}

type Environment = SelfOptions['env']

function endpointFrom(env: Environment): Pick<SelfSettings, 'uri' | 'version'> {
  const v4 = checkUri(env, 'ECS_CONTAINER_METADATA_URI_V4')
  if (v4 !== undefined) return { uri: v4, version: 4 }
  const v3 = checkUri(env, 'ECS_CONTAINER_METADATA_URI')
  if (v3 !== undefined) return { uri: v3, version: 3 }
  throw new NotOnEcsError()
}

function checkUri(env: Environment, name: string): string | undefined {
  const text = variable(env, name)
  if (text === undefined) return undefined
  const protocol = URL.parse(text)?.protocol
  if (protocol !== 'http:' && protocol !== 'https:') throw new InvalidOptionsError(name, text, 'an http URL')
  return text.replace(/\/+$/, '')
}

/** `PORT`, where it is a number; undefined where it is unset, or the path of a socket. */
export function portFrom(env: Environment): number | undefined {
  const text = variable(env, 'PORT')
  // A server may listen on a Unix socket or a pipe instead: then there is no port.
  if (text === undefined || /[/\\]/.test(text)) return undefined
  if (!/^\d+$/.test(text))
    throw new InvalidOptionsError('PORT', text, 'an integer from 1 to 65535, or the path of a socket')
  return checkPort('PORT', Number(text))
}

/** Empty is unset: that is how variables are taken away in task definitions and in shells. */
function variable(env: Environment, name: string): string | undefined {
  const value: unknown = env[name]
  if (value === undefined || value === '') return undefined
  if (typeof value !== 'string') throw new InvalidOptionsError(`env.${name}`, value, 'a string')
  return value
}

/** No `checkRecord`: `process.env` is not a plain object. */
export function checkEnv(path: string, value: unknown): Environment {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InvalidOptionsError(path, value, 'an object such as process.env')
  return value as Environment
}

export function checkSignal(path: string, value: unknown): AbortSignal {
  if (!(value instanceof AbortSignal)) throw new InvalidOptionsError(path, value, 'an AbortSignal')
  return value
}

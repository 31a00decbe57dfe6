import { Server } from 'node:net'
import {
  checkArray,
  checkBoolean,
  checkKeys,
  checkMs,
  checkOneOf,
  checkOneOrMany,
  given,
  msFrom,
  type Optional,
} from '../../core/check/check.ts'
import { checkClock, checkFunction, checkMethods } from '../../core/check/functions.ts'
import { systemClock, type Clock } from '../../core/clock.ts'
import { InvalidOptionsError } from '../../core/errors.ts'
import { checkEnv, variable } from '../environment.ts'
import type { Registration } from '../registration/registration.ts'

/** Anything else that takes work: grpc-js, WebSocket servers, queue consumers. */
export interface CustomServer {
  /** Called at the signal: send callers or work elsewhere, and go on serving. */
  drain?(): unknown
  /**
   * Called at the end of the window: stop, and resolve once the work under way has ended.
   * @param cutting aborts when that takes longer than `finishMs`
   */
  close(cutting: AbortSignal): unknown
}

/** A server of `node:http`, `node:https`, `node:http2`, or what holds one: Fastify (`server`), NestJS (`getHttpServer()`). */
export type ShutdownServer = Server | { readonly server: Server } | { getHttpServer(): Server } | CustomServer

/** Options of `gracefulShutdown`. Defaults in brackets, times in ms. */
export interface ShutdownOptions {
  /** One, or several for several ports. Express and Koa: what `listen()` returned, or `createServer(app)`. */
  readonly servers: ShutdownServer | readonly ShutdownServer[]
  /** What `register()` returned [none: ECS has registered the task, and deregisters it]. */
  readonly registration: Registration
  /** The task definition's `stopTimeout`: SIGKILL follows then [`ONEHOP_STOP_TIMEOUT_S` in seconds, else 30000]. */
  readonly stopTimeoutMs: number
  /** TTL of the service's DNS records [the registration's, else 10000]. */
  readonly ttlMs: number
  /** From deregistration to the last resolver that knows [5000 with a registration, 10000 where ECS deregisters]. */
  readonly propagationMs: number
  /** The window ends after this long without a new connection or request [1000]. */
  readonly quietMs: number
  /** For requests that are under way at the end of the window [10000]. */
  readonly finishMs: number
  /** For all of `onClose` [2000]. */
  readonly closeMs: number
  /** Kept free before SIGKILL [1000]. */
  readonly marginMs: number
  /** What begins the shutdown [`['SIGTERM', 'SIGINT']`]; none: `begin()` alone. */
  readonly signals: readonly NodeJS.Signals[]
  /** Whether the process exits at the end, with 0 or 1 [true]. With false nothing is left that keeps it alive. */
  readonly exit: boolean
  /** Called at the signal, one after the other. */
  readonly onDrain: Step | readonly Step[]
  /** Called when all servers have ended, one after the other: close database pools, flush telemetry. */
  readonly onClose: Step | readonly Step[]
  /** Where `ONEHOP_STOP_TIMEOUT_S` and the variables of ECS are [`process.env`]. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** [the system's] */
  readonly clock: Clock
}

/** A function of the user's; a promise that it returns is awaited. */
export type Step = () => unknown

type Resolved = Omit<ShutdownOptions, 'servers' | 'registration' | 'ttlMs' | 'onDrain' | 'onClose' | 'env'>

export interface ShutdownSettings extends Resolved {
  readonly servers: readonly (Server | CustomServer)[]
  readonly registration: Registration | undefined
  /** undefined: the registration's. */
  readonly ttlMs: number | undefined
  /** Whether callers find the task by Cloud Map. */
  readonly isFound: boolean
  readonly onDrain: readonly Step[]
  readonly onClose: readonly Step[]
}

const KEYS = [
  ...['servers', 'registration', 'stopTimeoutMs', 'ttlMs', 'propagationMs', 'quietMs', 'finishMs', 'closeMs'],
  ...['marginMs', 'signals', 'exit', 'onDrain', 'onClose', 'env', 'clock'],
]
const STOP_TIMEOUT = 'ONEHOP_STOP_TIMEOUT_S'
/** Fargate's maximum is 120 s; EC2 has none. */
const MAX_STOP_TIMEOUT_S = 86_400
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2', 'SIGBREAK'] as const

/** @throws InvalidOptionsError for options, or variables, that are not allowed */
export function readOptions(options: Optional<ShutdownOptions>): ShutdownSettings {
  checkKeys('', options, KEYS)
  const env = given('env', options.env, process.env, checkEnv)
  const registration = given<Registration | undefined>(
    'registration',
    options.registration,
    undefined,
    checkRegistration,
  )
  const ms = (key: keyof ShutdownOptions, otherwise: number, min = 0): number =>
    given(key, options[key], otherwise, msFrom(min))
  return {
    servers: checkOneOrMany('servers', options.servers, checkServer),
    registration,
    stopTimeoutMs: ms('stopTimeoutMs', stopTimeoutFrom(env), 1),
    ttlMs: given<number | undefined>('ttlMs', options.ttlMs, undefined, checkMs),
    propagationMs: ms('propagationMs', registration === undefined ? 10_000 : 5_000),
    isFound:
      variable(env, 'ECS_CONTAINER_METADATA_URI_V4') !== undefined ||
      variable(env, 'ECS_CONTAINER_METADATA_URI') !== undefined ||
      registration !== undefined ||
      // Set where callers find the task by other means.
      options.ttlMs !== undefined ||
      options.propagationMs !== undefined,
    quietMs: ms('quietMs', 1_000),
    finishMs: ms('finishMs', 10_000),
    closeMs: ms('closeMs', 2_000),
    marginMs: ms('marginMs', 1_000),
    signals: given('signals', options.signals, ['SIGTERM', 'SIGINT'], (path, value) =>
      checkArray(path, value, 'an array of signal names', (at, name) => checkOneOf(at, name, SIGNALS)),
    ),
    exit: given('exit', options.exit, true, checkBoolean),
    onDrain: checkOneOrMany('onDrain', options.onDrain ?? [], checkStep),
    onClose: checkOneOrMany('onClose', options.onClose ?? [], checkStep),
    clock: given('clock', options.clock, systemClock, checkClock),
  }
}

const SERVER =
  'a server of node:http, node:https or node:http2; { server } (Fastify); { getHttpServer() } (NestJS); ' +
  'or { drain?(), close(cutting) }'

function checkServer(path: string, value: unknown): Server | CustomServer {
  if (value instanceof Server) return value
  // An Express app is a function; what it returns from listen() is the server.
  if (typeof value !== 'object' || value === null) throw new InvalidOptionsError(path, value, SERVER)
  const { server, getHttpServer, drain } = value as Record<string, unknown>
  if (server instanceof Server) return server
  if (typeof getHttpServer === 'function') {
    const inner: unknown = getHttpServer.call(value)
    if (inner instanceof Server) return inner
    throw new InvalidOptionsError(`${path}.getHttpServer()`, inner, 'a server of node:http or node:https')
  }
  if (drain !== undefined) checkFunction(`${path}.drain`, drain, 'a function () => unknown')
  return checkMethods<CustomServer>(path, value, ['close'], SERVER)
}

function checkRegistration(path: string, value: unknown): Registration {
  return checkMethods<Registration>(path, value, ['deregister'], 'what register() returned')
}

function checkStep(path: string, value: unknown): Step {
  return checkFunction(path, value, 'a function () => unknown')
}

function stopTimeoutFrom(env: ShutdownOptions['env']): number {
  const text = env[STOP_TIMEOUT] ?? ''
  if (text === '') return 30_000
  const seconds = Number(text)
  if (!(seconds > 0 && seconds <= MAX_STOP_TIMEOUT_S))
    throw new InvalidOptionsError(
      STOP_TIMEOUT,
      text,
      'a number of seconds, as stopTimeout of the task definition',
    )
  return seconds * 1_000
}

import type { ServiceDiscoveryClientConfig } from '@aws-sdk/client-servicediscovery'
import {
  checkKeys,
  checkNumber,
  checkOneOf,
  checkOneOrMany,
  checkRecord,
  checkText,
  given,
  keyPath,
  msFrom,
  numberIn,
} from '../../../core/check/check.ts'
import { checkClock, checkMethods } from '../../../core/check/functions.ts'
import { Section } from '../../../core/check/section.ts'
import { systemClock, systemRandom, unawaited, type Random } from '../../../core/clock.ts'
import { InvalidOptionsError } from '../../../core/errors.ts'
import { connectionConfig } from '../../../discovery/cloud-map/options.ts'
import { MAX_WEIGHT } from '../../../discovery/endpoint.ts'
import { checkEnv, portFrom } from '../../environment.ts'
import { checkSignal } from '../../metadata/options.ts'
import {
  ECS_SERVICE,
  ATTRIBUTE_KEY,
  ATTRIBUTE_VALUE,
  INSTANCE_ID,
  isServiceId,
  isServiceName,
  MAX_ATTRIBUTES,
  MAX_KEY_LENGTH,
  MAX_VALUE_LENGTH,
} from '../cloud-map/limits.ts'
import { listenerOf } from './listener.ts'
import type {
  ReadinessSettings,
  ReadyFunction,
  RegisterOptions,
  RegisterSettings,
  ServiceSettings,
} from './options.ts'
import { readPlace } from './place.ts'

const KEYS = [
  ...['services', 'place', 'ready', 'readiness', 'cloudMap', 'registerMs', 'operationMs', 'verifyMs'],
  ...['signal', 'env', 'clock', 'random'],
]
const SERVICE_KEYS = ['service', 'port', 'id', 'attributes', 'weight', 'family']

const READINESS: ReadinessSettings = {
  everyMs: 5_000,
  timeoutMs: 2_000,
  fails: 3,
  passes: 1,
  withinMs: 120_000,
}

/** @throws InvalidOptionsError for the first option that is unknown or not allowed */
export function registerSettings(options: RegisterOptions): RegisterSettings {
  checkKeys('', options, KEYS)
  const env = given('env', options.env, process.env, checkEnv)
  const place = options.place === undefined ? undefined : readPlace(options.place)
  const clock = given('clock', options.clock, systemClock, checkClock)
  return {
    services: readServices(options.services, () => place?.port ?? portFrom(env)),
    place,
    ready: given<RegisterSettings['ready']>('ready', options.ready, undefined, checkReady),
    readiness: readReadiness(options.readiness),
    sdkConfig: readCloudMap(options.cloudMap),
    registerMs: given('registerMs', options.registerMs, 60_000, msFrom(1)),
    operationMs: given('operationMs', options.operationMs, 60_000, msFrom(1)),
    verifyMs: given('verifyMs', options.verifyMs, 60_000, msFrom(1)),
    signal: given<RegisterSettings['signal']>('signal', options.signal, undefined, checkSignal),
    env,
    clock: unawaited(clock),
    waitingClock: clock,
    random: given<Random>('random', options.random, systemRandom, (path, value) =>
      checkMethods(path, value, ['next'], 'an object with next()'),
    ),
  }
}

function readServices(value: unknown, defaultPort: () => number | undefined): RegisterSettings['services'] {
  const services = checkOneOrMany('services', value, (path, item) => readService(path, item, defaultPort))
  services.forEach(({ service, id }, index) => {
    const isTaken = services.slice(0, index).some((other) => other.service === service && other.id === id)
    if (id !== undefined && isTaken)
      throw new InvalidOptionsError(`services[${index}].id`, id, `another id for each instance of ${service}`)
  })
  const [first, ...others] = services
  if (first === undefined) throw new InvalidOptionsError('services', value, 'at least one service')
  return [first, ...others]
}

function readService(path: string, value: unknown, defaultPort: () => number | undefined): ServiceSettings {
  const { service, port, id, attributes, weight, family } = checkKeys(path, value, SERVICE_KEYS)
  const at = (key: string): string => keyPath(path, key)
  return {
    service: checkService(at('service'), service),
    listener: listenerOf(at('port'), port ?? defaultPort()),
    id: given<ServiceSettings['id']>(at('id'), id, undefined, checkId),
    attributes: given(at('attributes'), attributes, {}, checkAttributes),
    weight: given<ServiceSettings['weight']>(at('weight'), weight, undefined, checkWeight),
    family: given<ServiceSettings['family']>(at('family'), family, undefined, (of, chosen) =>
      checkOneOf(of, chosen, ['ipv4', 'ipv6', 'dual'] as const),
    ),
  }
}

/** Also for the reaper. */
export function checkService(path: string, value: unknown): string {
  const allowed = 'a Cloud Map service: its id ("srv-…"), its ARN, or its name, e.g. "orders.shop.local"'
  return checkText(path, value, allowed, (service) => isServiceId(service) || isServiceName(service))
}

function checkId(path: string, value: unknown): string {
  const allowed = '1 to 64 of the characters 0-9 a-z A-Z _ / : . @ -'
  return checkText(path, value, allowed, (id) => INSTANCE_ID.test(id))
}

function checkWeight(path: string, value: unknown): number {
  const weight = checkNumber(path, value, { min: 0, max: MAX_WEIGHT })
  if (weight === 0) throw new InvalidOptionsError(path, value, `a number above 0, up to ${MAX_WEIGHT}`)
  return weight
}

function checkAttributes(path: string, value: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(checkRecord(path, value))
  if (entries.length > MAX_ATTRIBUTES)
    throw new InvalidOptionsError(path, value, `at most ${MAX_ATTRIBUTES} attributes`)
  for (const [key, text] of entries) {
    const at = keyPath(path, key)
    if (key.startsWith('AWS_') || key === ECS_SERVICE)
      throw new InvalidOptionsError(
        at,
        text,
        `no key that begins with AWS_, nor ${ECS_SERVICE}: both are set by AWS`,
      )
    if (key.length > MAX_KEY_LENGTH || !ATTRIBUTE_KEY.test(key))
      throw new InvalidOptionsError(at, text, `a key of 1 to ${MAX_KEY_LENGTH} printable ASCII characters`)
    if (typeof text !== 'string' || text.length > MAX_VALUE_LENGTH)
      throw new InvalidOptionsError(at, text, `a string of at most ${MAX_VALUE_LENGTH} characters`)
    if (!ATTRIBUTE_VALUE.test(text))
      throw new InvalidOptionsError(at, text, 'printable ASCII characters, and blanks behind the first one')
  }
  return { ...(value as Record<string, string>) }
}

function checkReady(path: string, value: unknown): string | ReadyFunction {
  if (typeof value === 'function') return value as ReadyFunction
  return checkText(path, value, 'a path, e.g. "/health", or a function', (text) => /^\/[!-~]*$/.test(text))
}

function readReadiness(value: unknown): ReadinessSettings {
  const section = new Section('readiness', value, READINESS)
  const count = numberIn({ min: 1, max: 1_000, integer: true })
  return {
    everyMs: section.read('everyMs', msFrom(1)),
    timeoutMs: section.read('timeoutMs', msFrom(1)),
    fails: section.read('fails', count),
    passes: section.read('passes', count),
    withinMs: section.read('withinMs', msFrom(1)),
  }
}

/** Also for the reaper. */
export function readCloudMap(value: unknown = {}): ServiceDiscoveryClientConfig {
  return connectionConfig(checkKeys('cloudMap', value, ['region', 'endpoint', 'credentials']))
}

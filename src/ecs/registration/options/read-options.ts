import type { ServiceDiscoveryClientConfig } from '@aws-sdk/client-servicediscovery'
import {
  checkArray,
  checkClock,
  checkKeys,
  checkMethods,
  checkMs,
  checkNumber,
  checkOneOf,
  checkPort,
  checkRecord,
  checkString,
  given,
  keyPath,
} from '../../../core/check/check.ts'
import { Section } from '../../../core/check/section.ts'
import { systemClock, systemRandom, unawaited, type Random } from '../../../core/clock.ts'
import { InvalidOptionsError } from '../../../core/errors.ts'
import { connectionConfig } from '../../../discovery/cloud-map/options.ts'
import { HEAVIEST } from '../../../discovery/endpoint.ts'
import { checkEnv, checkSignal, portFrom } from '../../metadata/options.ts'
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
  const written = checkKeys('', options, KEYS)
  const env = given('env', written['env'], process.env, checkEnv)
  const place = written['place'] === undefined ? undefined : readPlace(written['place'])
  const clock = given('clock', written['clock'], systemClock, checkClock)
  const time = (key: string, otherwise: number): number =>
    given(key, written[key], otherwise, (path, value) => checkMs(path, value, 1))
  return {
    services: readServices(written['services'], () => place?.port ?? portFrom(env)),
    place,
    ready: given<RegisterSettings['ready']>('ready', written['ready'], undefined, checkReady),
    readiness: readReadiness(written['readiness']),
    sdkConfig: readCloudMap(written['cloudMap']),
    registerMs: time('registerMs', 60_000),
    operationMs: time('operationMs', 60_000),
    verifyMs: time('verifyMs', 60_000),
    signal: written['signal'] === undefined ? undefined : checkSignal('signal', written['signal']),
    env,
    clock: unawaited(clock),
    waitingClock: clock,
    random: given<Random>('random', written['random'], systemRandom, (path, value) =>
      checkMethods(path, value, ['next'], 'an object with next()'),
    ),
  }
}

function readServices(value: unknown, defaultPort: () => number | undefined): readonly ServiceSettings[] {
  if (!Array.isArray(value)) return [readService('services', value, defaultPort)]
  if (value.length === 0) throw new InvalidOptionsError('services', value, 'at least one service')
  const services = checkArray('services', value, 'an array', (path, item) =>
    readService(path, item, defaultPort),
  )
  services.forEach(({ service, id }, index) => {
    const isTaken = services.slice(0, index).some((other) => other.service === service && other.id === id)
    if (id !== undefined && isTaken)
      throw new InvalidOptionsError(`services[${index}].id`, id, `another id for each instance of ${service}`)
  })
  return services
}

function readService(path: string, value: unknown, defaultPort: () => number | undefined): ServiceSettings {
  const written = checkKeys(path, value, SERVICE_KEYS)
  const at = (key: string): string => keyPath(path, key)
  const { id, attributes, weight, family } = written
  return {
    service: checkService(at('service'), written['service']),
    listener: listenerOf(at('port'), written['port'] ?? defaultPort(), checkPort),
    id: id === undefined ? undefined : checkId(at('id'), id),
    attributes: given(at('attributes'), attributes, {}, checkAttributes),
    weight: weight === undefined ? undefined : checkWeight(at('weight'), weight),
    family: given<ServiceSettings['family']>(at('family'), family, undefined, (of, chosen) =>
      checkOneOf(of, chosen, ['ipv4', 'ipv6', 'dual'] as const),
    ),
  }
}

/** Also for the reaper. */
export function checkService(path: string, value: unknown): string {
  const allowed = 'a Cloud Map service: its id ("srv-…"), its ARN, or its name, e.g. "orders.shop.local"'
  const service = checkString(path, value, allowed)
  if (!isServiceId(service) && !isServiceName(service)) throw new InvalidOptionsError(path, value, allowed)
  return service
}

function checkId(path: string, value: unknown): string {
  const allowed = '1 to 64 of the characters 0-9 a-z A-Z _ / : . @ -'
  const id = checkString(path, value, allowed)
  if (!INSTANCE_ID.test(id)) throw new InvalidOptionsError(path, value, allowed)
  return id
}

function checkWeight(path: string, value: unknown): number {
  const weight = checkNumber(path, value, { min: 0, max: HEAVIEST })
  if (weight === 0) throw new InvalidOptionsError(path, value, `a number above 0, up to ${HEAVIEST}`)
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
  const allowed = 'a path, e.g. "/health", or a function'
  const text = checkString(path, value, allowed)
  if (!/^\/[!-~]*$/.test(text)) throw new InvalidOptionsError(path, value, allowed)
  return text
}

function readReadiness(value: unknown): ReadinessSettings {
  const section = new Section('readiness', value, READINESS)
  const time = (path: string, ms: unknown): number => checkMs(path, ms, 1)
  const count = (path: string, number: unknown): number =>
    checkNumber(path, number, { min: 1, max: 1_000, integer: true })
  return {
    everyMs: section.read('everyMs', time),
    timeoutMs: section.read('timeoutMs', time),
    fails: section.read('fails', count),
    passes: section.read('passes', count),
    withinMs: section.read('withinMs', time),
  }
}

function readCloudMap(value: unknown): ServiceDiscoveryClientConfig {
  if (value === undefined) return {}
  return connectionConfig(checkKeys('cloudMap', value, ['region', 'endpoint', 'credentials']))
}

import type { Dispatcher } from 'undici'
import {
  checkArray,
  checkBoolean,
  checkKeys,
  checkOneOf,
  checkRecord,
  given,
  keyPath,
} from '../core/check/check.ts'
import { checkClock, checkFunction, checkMethods } from '../core/check/functions.ts'
import { systemClock, systemRandom, type Random } from '../core/clock.ts'
import { InvalidOptionsError } from '../core/errors.ts'
import { LOADS_LATE, type LoadsLateOption } from '../core/loads-late.ts'
import { STAND_IN, type StandInOption } from '../core/stand-in.ts'
import { cloudMapSettings } from '../discovery/cloud-map/options.ts'
import type { Resolver } from '../discovery/resolver.ts'
import { canonicalHost, checkHost } from '../discovery/service-name.ts'
import type { Interceptor } from '../dispatch/intercepted-dispatcher.ts'
import { PassThrough } from '../dispatch/passthrough/passthrough.ts'
import type { ServiceSettings } from '../dispatch/settings.ts'
import { defaultSettings } from './defaults.ts'
import { checkServiceHost } from './hosts.ts'
import type { ClientOptions, ClientSettings } from './options.ts'
import { SERVICE_KEYS, serviceSettings } from './service.ts'

const CLIENT_KEYS = [
  'namespaces',
  'services',
  'discovery',
  'dns',
  'cloudMap',
  'allowLoopback',
  'allowAddresses',
  'passthrough',
  'interceptors',
  'clock',
  'random',
  ...SERVICE_KEYS,
]

/**
 * Resolves the user's options into one complete, validated object. `dns` and `allowAddresses` are validated by
 * the resolver and the guard that read them.
 * @throws InvalidOptionsError for the first option that is unknown or not allowed
 */
export function settingsOf(options: ClientOptions): ClientSettings {
  checkKeys('', options, CLIENT_KEYS)
  const random = given('random', options.random, systemRandom, checkRandom)
  const namespaces = given('namespaces', options.namespaces, [], checkNamespaces)
  const { [STAND_IN]: standIn }: StandInOption = options as StandInOption
  const { [LOADS_LATE]: loadsLate = false }: LoadsLateOption = options as LoadsLateOption
  const services = given('services', options.services, [], writtenServices)
  const written = serviceSettings('', options, defaultSettings(random), namespaces)
  const defaults = standIn === undefined ? written : { ...written, pool: { factory: standInFor(standIn) } }
  return {
    namespaces,
    discoversEveryHost:
      standIn !== undefined && options.namespaces === undefined && options.services === undefined,
    defaults,
    services: servicesOf(services, defaults, namespaces),
    spellings: new Map(services.map(([host]) => [canonicalHost(host), host])),
    discovery: given('discovery', options.discovery, 'auto', checkDiscovery),
    dns: options.dns ?? {},
    cloudMap: cloudMapSettings(options.cloudMap ?? {}),
    loadsLate,
    allowLoopback: given('allowLoopback', options.allowLoopback, false, checkBoolean),
    allowAddresses: options.allowAddresses,
    passthrough: given('passthrough', options.passthrough, undefined, checkDispatcher),
    interceptors: given('interceptors', options.interceptors, [], checkInterceptors),
    clock: given('clock', options.clock, systemClock, checkClock),
    random,
  }
}

/** Each "connection" waits for its calls, or cuts them, as an undici `Client` does. */
function standInFor(standIn: NonNullable<StandInOption[typeof STAND_IN]>): (origin: URL) => Dispatcher {
  return (origin) => {
    const dispatcher = standIn(origin)
    return new PassThrough({ legacy: dispatcher, current: dispatcher })
  }
}

/** Hosts and their options, as written. */
function writtenServices(path: string, value: unknown): readonly (readonly [string, unknown])[] {
  return Object.entries(checkRecord(path, value)).filter(([, options]) => options !== undefined)
}

function servicesOf(
  written: readonly (readonly [string, unknown])[],
  defaults: ServiceSettings,
  namespaces: readonly string[],
): ReadonlyMap<string, ServiceSettings> {
  const settings = new Map<string, ServiceSettings>()
  for (const [host, options] of written) {
    const path = keyPath('services', host)
    const name = checkServiceHost(path, host, namespaces)
    if (settings.has(name))
      throw new InvalidOptionsError(path, options, `one entry for each host; "${name}" is there already`)
    settings.set(name, serviceSettings(path, checkKeys(path, options, SERVICE_KEYS), defaults, namespaces))
  }
  return settings
}

/** Kept as written: the API is case-sensitive. */
function checkNamespaces(path: string, value: unknown): readonly string[] {
  const allowed = 'an array of domain names, e.g. ["shop.local"]'
  return checkArray(path, value, allowed, (entryPath, entry) => {
    checkHost(entryPath, entry)
    return entry as string
  })
}

function checkDiscovery(path: string, value: unknown): ClientSettings['discovery'] {
  if (typeof value === 'string')
    return checkOneOf(path, value, ['auto', 'dns', 'api'] as const, 'a resolver with resolve()')
  return checkMethods<Resolver>(
    path,
    value,
    ['resolve'],
    '"auto", "dns", "api", or a resolver with resolve()',
  )
}

function checkDispatcher(path: string, value: unknown): Dispatcher {
  return checkMethods(path, value, ['dispatch'], 'a dispatcher of undici, e.g. new ProxyAgent(url)')
}

/** What they return is checked when they are put together. */
function checkInterceptors(path: string, value: unknown): readonly Interceptor[] {
  const one = 'an interceptor of undici, e.g. interceptors.decompress()'
  const allowed = 'an array of interceptors of undici, e.g. [interceptors.decompress()]'
  return checkArray(path, value, allowed, (at, entry) => checkFunction(at, entry, one) as Interceptor)
}

function checkRandom(path: string, value: unknown): Random {
  return checkMethods(path, value, ['next'], 'a random source with next()')
}

import type { Dispatcher } from 'undici'
import type { Balancer } from '../balancer/balancer.ts'
import {
  checkArray,
  checkBoolean,
  checkClock,
  checkKeys,
  checkMethods,
  checkMs,
  checkOneOf,
  checkPort,
  checkRecord,
  given,
  keyPath,
  numberIn,
} from '../core/check/check.ts'
import { systemClock, systemRandom, type Random } from '../core/clock.ts'
import { STAND_IN, type StandInOption } from '../core/stand-in.ts'
import { InvalidOptionsError } from '../core/errors.ts'
import type { Resolver } from '../discovery/resolver.ts'
import { canonicalHost, checkHost } from '../discovery/service-name.ts'
import { PassThrough } from '../dispatch/passthrough/passthrough.ts'
import type { FallbackSettings, ServiceSettings } from '../dispatch/settings.ts'
import type { ClientOptions, ClientSettings, ServiceOptions } from './options.ts'
import { defaultSettings } from './defaults.ts'
import { checkServiceHost } from './hosts.ts'
import { checkClassify } from './classify.ts'
import { checkInterceptors } from './interceptors.ts'
import { maxPendingSettings, subsetSettings } from './limits.ts'
import { outlierSettings } from './outlier.ts'
import { poolSettings } from './pool.ts'
import { retrySettings } from './retry.ts'
import { deadlineHeaderSettings, hedgeSettings } from './hedge.ts'
import { Section } from '../core/check/section.ts'
import { zoneSettings } from './zone.ts'

const SERVICE_KEYS = [
  'fallback',
  'port',
  'balancer',
  'retry',
  'hedge',
  'classify',
  'timeouts',
  'deadlineHeader',
  'outlier',
  'slowStartMs',
  'maxPending',
  'subset',
  'zone',
  'pool',
] as const
const DISCOVERY_KEYS = [
  'namespaces',
  'services',
  'discovery',
  'dns',
  'cloudMap',
  'allowLoopback',
  'allowAddresses',
] as const
const CLIENT_KEYS = [
  ...DISCOVERY_KEYS,
  'passthrough',
  'interceptors',
  'clock',
  'random',
  ...SERVICE_KEYS,
] as const

const MAX_MS = 86_400_000
const checkTimeout = numberIn({ min: 1, max: MAX_MS, integer: true, unit: 'ms' })

/**
 * Resolves the user's options into one complete, validated object. `dns`, `cloudMap` and `allowAddresses` are validated
 * by the resolvers and the guard that read them.
 * @throws InvalidOptionsError for the first option that is unknown or not allowed
 */
export function settingsOf(options: ClientOptions): ClientSettings {
  checkKeys('', options, CLIENT_KEYS)
  const random = given('random', options.random, systemRandom, checkRandom)
  const namespaces = given('namespaces', options.namespaces, [], checkNamespaces)
  const { [STAND_IN]: standIn }: StandInOption = options as StandInOption
  const written = serviceSettings('', options, defaultSettings(random), namespaces)
  const defaults = standIn === undefined ? written : { ...written, pool: { factory: standInFor(standIn) } }
  return {
    namespaces,
    discoversEveryHost:
      standIn !== undefined && options.namespaces === undefined && options.services === undefined,
    defaults,
    services: servicesOf(options.services, defaults, namespaces),
    spellings: new Map(Object.keys(options.services ?? {}).map((host) => [canonicalHost(host), host])),
    discovery: given('discovery', options.discovery, 'auto', checkDiscovery),
    dns: options.dns ?? {},
    cloudMap: options.cloudMap ?? {},
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

function servicesOf(
  services: unknown,
  defaults: ServiceSettings,
  namespaces: readonly string[],
): ReadonlyMap<string, ServiceSettings> {
  const settings = new Map<string, ServiceSettings>()
  if (services === undefined) return settings
  for (const [host, options] of Object.entries(checkRecord('services', services))) {
    const path = keyPath('services', host)
    const name = checkServiceHost(path, host, namespaces)
    if (settings.has(name))
      throw new InvalidOptionsError(path, options, `one entry for each host; "${name}" is there already`)
    settings.set(name, serviceSettings(path, checkKeys(path, options, SERVICE_KEYS), defaults, namespaces))
  }
  return settings
}

function serviceSettings(
  path: string,
  options: ServiceOptions,
  defaults: ServiceSettings,
  namespaces: readonly string[],
): ServiceSettings {
  const at = (key: string): string => keyPath(path, key)
  const retry = retrySettings(at('retry'), options.retry, defaults.retry)
  return {
    fallback: given(at('fallback'), options.fallback, defaults.fallback, checkFallback),
    port: given(at('port'), options.port, defaults.port, checkPort),
    balancer: given(at('balancer'), options.balancer, defaults.balancer, checkBalancer),
    retry,
    budget: retry?.budget ?? defaults.budget,
    hedge: hedgeSettings(at('hedge'), options.hedge, defaults.hedge),
    classify: given(at('classify'), options.classify, defaults.classify, checkClassify),
    deadlineHeader: deadlineHeaderSettings(
      at('deadlineHeader'),
      options.deadlineHeader,
      defaults.deadlineHeader,
    ),
    ...timeoutSettings(at('timeouts'), options.timeouts, defaults),
    outlier: outlierSettings(at('outlier'), options.outlier, defaults.outlier),
    clientId: defaults.clientId,
    subset: subsetSettings(at('subset'), options.subset, defaults),
    zone: zoneSettings(at('zone'), options.zone, defaults.zone, namespaces),
    maxPending: maxPendingSettings(at('maxPending'), options.maxPending, defaults.maxPending),
    slowStartMs: given(at('slowStartMs'), options.slowStartMs, defaults.slowStartMs, checkMs),
    pool: { ...defaults.pool, ...poolSettings(at('pool'), options.pool) },
  }
}

type TimeoutSettings = Pick<
  ServiceSettings,
  'connectMs' | 'tcpConnectMs' | 'queueMs' | 'attemptMs' | 'deadlineMs'
>

function timeoutSettings(path: string, value: unknown, inherited: TimeoutSettings): TimeoutSettings {
  const { connectMs, tcpConnectMs, queueMs, attemptMs, deadlineMs } = inherited
  const known = { connectMs, tcpConnectMs, queueMs, attemptMs, deadlineMs }
  const timeouts = new Section<TimeoutSettings>(path, value, known)
  const whole = timeouts.read('connectMs', checkTimeout)
  // `connectMs` by itself is meant for all of a connection.
  const isOne = timeouts.has('connectMs') && !timeouts.has('tcpConnectMs')
  return {
    connectMs: whole,
    tcpConnectMs: isOne ? whole : timeouts.read('tcpConnectMs', checkTimeout),
    queueMs: timeouts.read('queueMs', checkTimeout),
    attemptMs: timeouts.read('attemptMs', checkTimeout),
    deadlineMs: timeouts.read('deadlineMs', checkTimeout),
  }
}

function checkFallback(path: string, value: unknown): FallbackSettings {
  if (typeof value === 'string' || value instanceof URL) {
    return { url: checkFallbackUrl(path, value), preserveHost: false, pool: {} }
  }
  const { url, host, pool } = checkKeys(path, value, ['url', 'host', 'pool'], 'the URL of a load balancer')
  const name = host === undefined ? 'own' : checkOneOf(keyPath(path, 'host'), host, ['own', 'preserve'])
  return {
    url: checkFallbackUrl(keyPath(path, 'url'), url),
    preserveHost: name === 'preserve',
    pool: poolSettings(keyPath(path, 'pool'), pool),
  }
}

function checkFallbackUrl(path: string, value: unknown): URL {
  const allowed =
    'an http: or https: URL of scheme, host and port, e.g. "http://internal-orders-1.eu-west-1.elb.amazonaws.com"'
  const text = value instanceof URL ? value.href : value
  const url = typeof text === 'string' ? (URL.parse(text) ?? undefined) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    throw new InvalidOptionsError(path, value, allowed)
  if (url.href !== `${url.origin}/`) {
    throw new InvalidOptionsError(
      path,
      value,
      `${allowed}; no path, query or credentials: those are each call's own`,
    )
  }
  return url
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

function checkBalancer(path: string, value: unknown): Balancer {
  return checkMethods(path, value, ['pick'], 'a balancer, e.g. p2c() or roundRobin()')
}

function checkRandom(path: string, value: unknown): Random {
  return checkMethods(path, value, ['next'], 'a random source with next()')
}

import { p2c } from './balancer/p2c.ts'
import {
  checkArray,
  checkBoolean,
  checkFunction,
  checkKeys,
  checkMs,
  checkNumber,
  checkOneOf,
  checkPort,
  checkRecord,
  checkString,
  keyPath,
} from './core/check.ts'
import { systemClock, systemRandom, type Clock, type Random } from './core/clock.ts'
import { InvalidOptionsError } from './core/errors.ts'
import { canonicalHost } from './discovery/service-name.ts'
import type { Resolver } from './discovery/resolver.ts'
import type { RetryBudgetOptions } from './dispatch/retry-budget.ts'
import type { RetryOptions } from './dispatch/retry-policy.ts'
import type {
  ClientOptions,
  ClientSettings,
  FallbackSettings,
  RetryInput,
  ServiceOptions,
  ServiceSettings,
  Timeouts,
} from './options.ts'

const SERVICE_KEYS = ['fallback', 'port', 'balancer', 'retry', 'timeouts', 'pool'] as const
const CLIENT_KEYS = [
  ...['namespaces', 'services', 'discovery', 'dns', 'cloudMap', 'allowLoopback', 'allowAddresses'],
  ...['clock', 'random'],
  ...SERVICE_KEYS,
] as const
const RETRY_KEYS = [
  ...['attempts', 'baseMs', 'capMs', 'maxRetryAfterMs', 'maxReplayBytes', 'maxDrainBytes', 'budget', 'on'],
] as const
const DEFAULT_RETRY: RetryOptions = {
  attempts: 3,
  baseMs: 25,
  capMs: 250,
  maxRetryAfterMs: 5_000,
  maxReplayBytes: 65_536,
  maxDrainBytes: 65_536,
  budget: { ratio: 0.2, minPerSecond: 10, windowMs: 10_000 },
  on: undefined,
}
const MOST_BYTES = 1_073_741_824
// Letters, digits, hyphens and underscores in labels of up to 63, as Cloud Map and DNS have them.
const HOST_NAME =
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/

/**
 * Turns what a user wrote into one complete, checked object: past this, no option is missing or in doubt.
 * @throws InvalidOptionsError for the first option that is unknown or not allowed
 */
export function settingsOf(options: ClientOptions): ClientSettings {
  checkKeys('', options, CLIENT_KEYS)
  const random = options.random === undefined ? systemRandom : checkRandom(options.random)
  const base: ServiceSettings = {
    fallback: undefined,
    port: undefined,
    balancer: p2c({ random }),
    retry: DEFAULT_RETRY,
    budget: DEFAULT_RETRY.budget,
    connectMs: 1_000,
    attemptMs: 15_000,
    deadlineMs: undefined,
    pool: {},
  }
  const defaults = serviceSettings('', options, base)
  return {
    namespaces:
      options.namespaces === undefined
        ? []
        : checkArray('namespaces', options.namespaces, 'an array of domain names', checkHost),
    defaults,
    services: servicesOf(options.services, defaults),
    discovery: options.discovery === undefined ? 'auto' : checkDiscovery(options.discovery),
    // Their resolvers check what is in these two.
    dns: options.dns ?? {},
    cloudMap: options.cloudMap ?? {},
    allowLoopback:
      options.allowLoopback === undefined ? false : checkBoolean('allowLoopback', options.allowLoopback),
    allowAddresses: options.allowAddresses,
    clock: options.clock === undefined ? systemClock : checkClock(options.clock),
    random,
  }
}

function servicesOf(services: unknown, defaults: ServiceSettings): ReadonlyMap<string, ServiceSettings> {
  const settings = new Map<string, ServiceSettings>()
  if (services === undefined) return settings
  for (const [host, options] of Object.entries(checkRecord('services', services))) {
    const path = keyPath('services', host)
    const name = checkHost(path, host)
    settings.set(name, serviceSettings(path, checkKeys(path, options, SERVICE_KEYS), defaults))
  }
  return settings
}

function serviceSettings(path: string, options: ServiceOptions, defaults: ServiceSettings): ServiceSettings {
  const at = (key: string): string => keyPath(path, key)
  const retry = retryOf(at('retry'), options.retry, defaults.retry)
  return {
    fallback:
      options.fallback === undefined ? defaults.fallback : checkFallback(at('fallback'), options.fallback),
    port: options.port === undefined ? defaults.port : checkPort(at('port'), options.port),
    balancer:
      options.balancer === undefined ? defaults.balancer : checkBalancer(at('balancer'), options.balancer),
    retry,
    budget: retry?.budget ?? defaults.budget,
    ...timeoutsOf(at('timeouts'), options.timeouts, defaults),
    pool:
      options.pool === undefined
        ? defaults.pool
        : { ...defaults.pool, ...checkPool(at('pool'), options.pool) },
  }
}

function retryOf(
  path: string,
  given: RetryInput | false | undefined,
  defaults: RetryOptions | undefined,
): RetryOptions | undefined {
  if (given === undefined) return defaults
  if (given === false) return undefined
  checkKeys(path, given, RETRY_KEYS)
  const { attempts, baseMs, capMs, maxRetryAfterMs, maxReplayBytes, maxDrainBytes, on, budget } = given
  const base = defaults ?? DEFAULT_RETRY
  const bytes = (key: string, value: unknown): number =>
    checkNumber(keyPath(path, key), value, { min: 0, max: MOST_BYTES, integer: true })
  const ms = (key: string, value: unknown): number => checkMs(keyPath(path, key), value)
  return {
    attempts:
      attempts === undefined
        ? base.attempts
        : checkNumber(keyPath(path, 'attempts'), attempts, { min: 1, max: 10, integer: true }),
    baseMs: baseMs === undefined ? base.baseMs : ms('baseMs', baseMs),
    capMs: capMs === undefined ? base.capMs : ms('capMs', capMs),
    maxRetryAfterMs:
      maxRetryAfterMs === undefined ? base.maxRetryAfterMs : ms('maxRetryAfterMs', maxRetryAfterMs),
    maxReplayBytes:
      maxReplayBytes === undefined ? base.maxReplayBytes : bytes('maxReplayBytes', maxReplayBytes),
    maxDrainBytes: maxDrainBytes === undefined ? base.maxDrainBytes : bytes('maxDrainBytes', maxDrainBytes),
    budget: budgetOf(keyPath(path, 'budget'), budget, base.budget),
    on: on === undefined ? base.on : checkedFunction(keyPath(path, 'on'), on),
  }
}

function checkedFunction(path: string, on: NonNullable<RetryOptions['on']>): NonNullable<RetryOptions['on']> {
  checkFunction(path, on, 'a function (outcome, request) => boolean | undefined')
  return on
}

function budgetOf(
  path: string,
  given: Partial<RetryBudgetOptions> | undefined,
  base: RetryBudgetOptions,
): RetryBudgetOptions {
  if (given === undefined) return base
  checkKeys(path, given, ['ratio', 'minPerSecond', 'windowMs'])
  const { ratio, minPerSecond, windowMs } = given
  return {
    ratio: ratio === undefined ? base.ratio : checkNumber(keyPath(path, 'ratio'), ratio, { min: 0, max: 10 }),
    minPerSecond:
      minPerSecond === undefined
        ? base.minPerSecond
        : checkNumber(keyPath(path, 'minPerSecond'), minPerSecond, { min: 0, max: 100_000 }),
    windowMs: windowMs === undefined ? base.windowMs : checkMs(keyPath(path, 'windowMs'), windowMs, 1),
  }
}

function timeoutsOf(
  path: string,
  given: Timeouts | undefined,
  defaults: ServiceSettings,
): Pick<ServiceSettings, 'connectMs' | 'attemptMs' | 'deadlineMs'> {
  if (given === undefined) return defaults
  checkKeys(path, given, ['connectMs', 'attemptMs', 'deadlineMs'])
  const { connectMs, attemptMs, deadlineMs } = given
  const ms = (key: string, value: unknown): number =>
    checkNumber(keyPath(path, key), value, { min: 1, max: 86_400_000, integer: true, unit: 'ms' })
  return {
    connectMs: connectMs === undefined ? defaults.connectMs : ms('connectMs', connectMs),
    attemptMs: attemptMs === undefined ? defaults.attemptMs : ms('attemptMs', attemptMs),
    deadlineMs: deadlineMs === undefined ? defaults.deadlineMs : ms('deadlineMs', deadlineMs),
  }
}

function checkFallback(path: string, given: unknown): FallbackSettings {
  if (typeof given === 'string' || given instanceof URL) {
    return { url: checkFallbackUrl(path, given), preserveHost: false }
  }
  const { url, host } = checkKeys(path, given, ['url', 'host'])
  const preserveHost =
    host !== undefined && checkOneOf(keyPath(path, 'host'), host, ['own', 'preserve']) === 'preserve'
  return { url: checkFallbackUrl(keyPath(path, 'url'), url), preserveHost }
}

function checkFallbackUrl(path: string, given: unknown): URL {
  const allowed =
    'an http: or https: URL of scheme, host and port only, e.g. "http://internal-orders-1.eu-west-1.elb.amazonaws.com"'
  const url =
    given instanceof URL
      ? given
      : typeof given === 'string' && URL.canParse(given)
        ? new URL(given)
        : undefined
  if (url === undefined || !['http:', 'https:'].includes(url.protocol))
    throw new InvalidOptionsError(path, given, allowed)
  if (
    url.pathname !== '/' ||
    url.search !== '' ||
    url.hash !== '' ||
    url.username !== '' ||
    url.password !== ''
  ) {
    throw new InvalidOptionsError(path, given, `${allowed} (the path of a call is the caller's)`)
  }
  return url
}

function checkHost(path: string, given: unknown): string {
  const allowed = 'a domain name, e.g. "shop.local"'
  const host = canonicalHost(checkString(path, given, allowed))
  if (!HOST_NAME.test(host)) throw new InvalidOptionsError(path, given, allowed)
  return host
}

function checkPool(path: string, given: ServiceOptions['pool'] & object): ServiceOptions['pool'] & object {
  checkRecord(path, given)
  if ('factory' in given)
    throw new InvalidOptionsError(`${path}.factory`, given.factory, 'nothing: pools are made here')
  return given
}

function checkBalancer(
  path: string,
  given: ServiceOptions['balancer'] & object,
): ServiceOptions['balancer'] & object {
  return checkHas(path, given, ['pick'], 'a balancer, e.g. p2c() or roundRobin()')
}

function checkDiscovery(given: ClientOptions['discovery'] & unknown): 'auto' | 'dns' | 'api' | Resolver {
  const allowed = '"auto", "dns", "api", or a resolver with a resolve() method'
  if (given === 'auto' || given === 'dns' || given === 'api') return given
  return checkHas('discovery', given as Resolver, ['resolve'], allowed)
}

function checkClock(given: Clock): Clock {
  return checkHas('clock', given, ['now', 'setTimer'], 'a clock with now() and setTimer()')
}

function checkRandom(given: Random): Random {
  return checkHas('random', given, ['next'], 'a random source with next()')
}

function checkHas<T extends object>(
  path: string,
  given: T,
  methods: readonly (keyof T)[],
  allowed: string,
): T {
  const valid =
    typeof given === 'object' &&
    given !== null &&
    methods.every((method) => typeof given[method] === 'function')
  if (!valid) throw new InvalidOptionsError(path, given, allowed)
  return given
}

import type { Balancer } from '../balancer/balancer.ts'
import { DEFAULT_OUTLIER, type OutlierOptions } from '../cluster/health/outlier.ts'
import {
  checkHeaderName,
  checkKeys,
  checkMs,
  checkOneOf,
  checkPort,
  given,
  keyPath,
  MAX_MS,
  msFrom,
  numberIn,
} from '../core/check/check.ts'
import { checkMethods, checkSyncFunction } from '../core/check/functions.ts'
import { optionalSection, Section } from '../core/check/section.ts'
import { InvalidOptionsError } from '../core/errors.ts'
import type { Classify } from '../dispatch/classify-response.ts'
import type { FallbackSettings, ServiceSettings } from '../dispatch/settings.ts'
import { hedgeSettings } from './hedge.ts'
import { maxPendingSettings, subsetSettings } from './limits.ts'
import type { ServiceOptions } from './options.ts'
import { poolSettings } from './pool.ts'
import { retrySettings } from './retry.ts'
import { zoneSettings } from './zone.ts'

/** The options that each service may have of its own. */
export const SERVICE_KEYS = [
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

const checkTimeout = numberIn({ min: 1, max: MAX_MS, integer: true, unit: 'ms' })

/** Resolves the options of one service. `defaults` hold where the user wrote nothing. */
export function serviceSettings(
  path: string,
  options: ServiceOptions,
  defaults: ServiceSettings,
  namespaces: readonly string[],
): ServiceSettings {
  const at = (key: keyof ServiceOptions): string => keyPath(path, key)
  const read = <Key extends keyof ServiceOptions & keyof ServiceSettings>(
    key: Key,
    check: (path: string, value: unknown) => ServiceSettings[Key],
  ): ServiceSettings[Key] => given(at(key), options[key], defaults[key], check)
  const retry = retrySettings(at('retry'), options.retry, defaults.retry)
  return {
    fallback: read('fallback', checkFallback),
    port: read('port', checkPort),
    balancer: read('balancer', checkBalancer),
    retry,
    budget: retry?.budget ?? defaults.budget,
    hedge: hedgeSettings(at('hedge'), options.hedge, defaults.hedge),
    classify: read('classify', checkClassify),
    deadlineHeader: read('deadlineHeader', checkDeadlineHeader),
    ...timeoutSettings(at('timeouts'), options.timeouts, defaults),
    outlier: outlierSettings(at('outlier'), options.outlier, defaults.outlier),
    clientId: defaults.clientId,
    subset: subsetSettings(at('subset'), options.subset, defaults),
    zone: zoneSettings(at('zone'), options.zone, defaults.zone, namespaces),
    maxPending: maxPendingSettings(at('maxPending'), options.maxPending, defaults.maxPending),
    slowStartMs: read('slowStartMs', checkMs),
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

function outlierSettings(
  path: string,
  value: unknown,
  inherited: OutlierOptions | undefined,
): OutlierOptions | undefined {
  return optionalSection(path, value, inherited, DEFAULT_OUTLIER, (outlier) => ({
    baseMs: outlier.read('baseMs', msFrom(1)),
    maxEjectedRatio: outlier.read('maxEjectedRatio', numberIn({ min: 0, max: 1 })),
  }))
}

/** What it returns is checked with each response. */
function checkClassify(path: string, value: unknown): Classify | undefined {
  if (value === false) return undefined
  const allowed = 'false, or a function (status, headers, trailers) => classification, not an async one'
  return checkSyncFunction(path, value, allowed) as Classify
}

/** Headers that undici writes itself or refuses, that HTTP/2 forbids, or that have another meaning. */
const TAKEN = new Set([
  ...['host', 'connection', 'content-length', 'transfer-encoding', 'expect', 'keep-alive', 'upgrade'],
  ...['proxy-connection', 'http2-settings', 'te', 'trailer', 'range', 'date', 'cookie', 'user-agent'],
  ...['accept', 'accept-encoding', 'accept-language', 'authorization', 'proxy-authorization'],
  ...['content-type', 'content-encoding', 'cache-control', 'idempotency-key', 'retry-after'],
])

/** @returns in lower case; undefined where no header is sent */
function checkDeadlineHeader(path: string, value: unknown): string | undefined {
  if (value === false) return undefined
  const allowed = 'false, or a name for a header of its own, e.g. "x-deadline-ms"'
  const name = checkHeaderName(path, value, allowed)
  if (TAKEN.has(name)) throw new InvalidOptionsError(path, value, allowed)
  return name
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

function checkBalancer(path: string, value: unknown): Balancer {
  return checkMethods(path, value, ['pick'], 'a balancer, e.g. p2c() or roundRobin()')
}

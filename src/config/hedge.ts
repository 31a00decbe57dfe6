import {
  checkBoolean,
  checkHeaderName,
  checkKeys,
  checkMs,
  checkNumber,
  given,
  keyPath,
} from '../core/check/check.ts'
import { InvalidOptionsError } from '../core/errors.ts'
import type { HedgeOptions } from '../dispatch/hedge/hedge-policy.ts'
import { rateSettings } from './retry.ts'

export const DEFAULT_HEDGE: HedgeOptions = {
  percentile: 95,
  minMs: 1,
  // No reserve: more than this share of the calls is not a tail.
  budget: { ratio: 0.05, minPerSecond: 0 },
}

/** For each call. */
const MAX_HEDGES = 1

/** @returns undefined where calls are not hedged */
export function hedgeSettings(
  path: string,
  value: unknown,
  defaults: HedgeOptions | undefined,
): HedgeOptions | undefined {
  if (value === undefined) return defaults
  const base = defaults ?? DEFAULT_HEDGE
  if (typeof value === 'boolean') return checkBoolean(path, value) ? base : undefined
  const hedge = checkKeys(path, value, ['percentile', 'minMs', 'budget'], 'true, false')
  const at = (key: string): string => keyPath(path, key)
  const budget = checkKeys(at('budget'), hedge['budget'] ?? {}, ['ratio', 'minPerSecond'])
  return {
    percentile: given(at('percentile'), hedge['percentile'], base.percentile, checkPercentile),
    minMs: given(at('minMs'), hedge['minMs'], base.minMs, checkTime),
    budget: rateSettings(at('budget'), budget, base.budget, MAX_HEDGES),
  }
}

function checkPercentile(path: string, value: unknown): number {
  return checkNumber(path, value, { min: 50, max: 99.9 })
}

function checkTime(path: string, value: unknown): number {
  return checkMs(path, value, 1)
}

/** Headers that undici writes itself or refuses, that HTTP/2 forbids, or that have another meaning. */
const TAKEN = new Set([
  ...['host', 'connection', 'content-length', 'transfer-encoding', 'expect', 'keep-alive', 'upgrade'],
  ...['proxy-connection', 'http2-settings', 'te', 'trailer', 'range', 'date', 'cookie', 'user-agent'],
  ...['accept', 'accept-encoding', 'accept-language', 'authorization', 'proxy-authorization'],
  ...['content-type', 'content-encoding', 'cache-control', 'idempotency-key', 'retry-after'],
])

/** @returns in lower case; undefined where no header is sent */
export function deadlineHeaderSettings(
  path: string,
  value: unknown,
  defaults: string | undefined,
): string | undefined {
  if (value === undefined) return defaults
  if (value === false) return undefined
  const allowed = 'false, or a name for a header of its own, e.g. "x-deadline-ms"'
  const name = checkHeaderName(path, value, allowed)
  if (TAKEN.has(name)) throw new InvalidOptionsError(path, value, allowed)
  return name
}

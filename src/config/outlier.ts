import { DEFAULT_OUTLIER, type OutlierOptions } from '../cluster/health/outlier.ts'
import { checkKeys, checkMs, checkNumber, given, keyPath } from '../core/check/check.ts'

const KEYS = Object.keys(DEFAULT_OUTLIER)

/**
 * The checked option `outlier`.
 * @returns undefined if failures eject no task
 * @throws InvalidOptionsError for unknown keys and values out of range
 */
export function outlierSettings(
  path: string,
  value: unknown,
  defaults: OutlierOptions | undefined,
): OutlierOptions | undefined {
  if (value === undefined) return defaults
  if (value === false) return undefined
  const outlier = checkKeys(path, value, KEYS, 'false')
  const base = defaults ?? DEFAULT_OUTLIER
  const read = (key: keyof OutlierOptions, check: (at: string, given: unknown) => number): number =>
    given(keyPath(path, key), outlier[key], base[key], check)
  return { baseMs: read('baseMs', checkTime), maxEjectedRatio: read('maxEjectedRatio', checkShare) }
}

function checkTime(path: string, value: unknown): number {
  return checkMs(path, value, 1)
}

function checkShare(path: string, value: unknown): number {
  return checkNumber(path, value, { min: 0, max: 1 })
}

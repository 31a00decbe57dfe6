import { DEFAULT_OUTLIER, type OutlierOptions } from '../cluster/health/outlier.ts'
import { checkKeys, checkMs, checkNumber, given, keyPath } from '../core/check/check.ts'

const KEYS = Object.keys(DEFAULT_OUTLIER)

/** @returns undefined where failures eject no task */
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
  return {
    consecutiveFailures: read('consecutiveFailures', checkCount),
    windowMs: read('windowMs', checkWindow),
    minSamples: read('minSamples', checkCount),
    baseMs: read('baseMs', checkTime),
    longestMs: read('longestMs', checkTime),
    maxEjectedRatio: read('maxEjectedRatio', checkShare),
  }
}

function checkCount(path: string, value: unknown): number {
  return checkNumber(path, value, { min: 1, max: 100_000, integer: true })
}

function checkWindow(path: string, value: unknown): number {
  return checkMs(path, value, 1_000)
}

function checkTime(path: string, value: unknown): number {
  return checkMs(path, value, 1)
}

function checkShare(path: string, value: unknown): number {
  return checkNumber(path, value, { min: 0, max: 1 })
}

import { types } from 'node:util'
import { checkFunction, checkKeys, checkMs, checkNumber, given, keyPath } from '../core/check/check.ts'
import { InvalidOptionsError } from '../core/errors.ts'
import type { HedgeBudgetOptions } from '../dispatch/hedge/hedge-policy.ts'
import type { RetryBudgetOptions } from '../dispatch/retry/budget.ts'
import type { RetryOptions } from '../dispatch/retry/policy.ts'

/** docs/requests.md explains the numbers. */
export const DEFAULT_RETRY: RetryOptions = {
  attempts: 3,
  baseMs: 25,
  maxDelayMs: 250,
  maxRetryAfterMs: 5_000,
  maxReplayBytes: 65_536,
  budget: { ratio: 0.2, minPerSecond: 10, windowMs: 10_000 },
  on: undefined,
}

const KEYS = [
  'attempts',
  'baseMs',
  'maxDelayMs',
  'maxRetryAfterMs',
  'maxReplayBytes',
  'budget',
  'on',
] as const
/** For each call. */
const MAX_RETRIES = 10
const MAX_BYTES = 1_073_741_824

/** @returns undefined where retries are off */
export function retrySettings(
  path: string,
  value: unknown,
  defaults: RetryOptions | undefined,
): RetryOptions | undefined {
  if (value === undefined) return defaults
  if (value === false) return undefined
  const retry = checkKeys(path, value, KEYS, 'false')
  const base = defaults ?? DEFAULT_RETRY
  const at = (key: string): string => keyPath(path, key)
  const baseMs = given(at('baseMs'), retry['baseMs'], base.baseMs, checkMs)
  const maxDelayMs = given(at('maxDelayMs'), retry['maxDelayMs'], base.maxDelayMs, checkMs)
  if (maxDelayMs < baseMs)
    throw new InvalidOptionsError(
      at('maxDelayMs'),
      maxDelayMs,
      `a number of ms from baseMs, which is ${baseMs}`,
    )
  return {
    baseMs,
    maxDelayMs,
    attempts: given(at('attempts'), retry['attempts'], base.attempts, checkAttempts),
    maxRetryAfterMs: given(at('maxRetryAfterMs'), retry['maxRetryAfterMs'], base.maxRetryAfterMs, checkMs),
    maxReplayBytes: given(at('maxReplayBytes'), retry['maxReplayBytes'], base.maxReplayBytes, checkBytes),
    budget: budgetSettings(at('budget'), retry['budget'], base.budget),
    on: given(at('on'), retry['on'], base.on, checkRule),
  }
}

function budgetSettings(path: string, value: unknown, base: RetryBudgetOptions): RetryBudgetOptions {
  const budget = checkKeys(path, value ?? {}, ['ratio', 'minPerSecond', 'windowMs'])
  const windowPath = keyPath(path, 'windowMs')
  return {
    ...rateSettings(path, budget, base, MAX_RETRIES),
    windowMs: given(windowPath, budget['windowMs'], base.windowMs, checkWindow),
  }
}

/**
 * What the budgets of retries and hedges have in common.
 * @param maxRatio the most that may be allowed for each call
 */
export function rateSettings(
  path: string,
  budget: Readonly<Record<string, unknown>>,
  base: HedgeBudgetOptions,
  maxRatio: number,
): HedgeBudgetOptions {
  const at = (key: string): string => keyPath(path, key)
  return {
    ratio: given(at('ratio'), budget['ratio'], base.ratio, (ratioPath, ratio) =>
      checkNumber(ratioPath, ratio, { min: 0, max: maxRatio }),
    ),
    minPerSecond: given(at('minPerSecond'), budget['minPerSecond'], base.minPerSecond, checkRate),
  }
}

function checkAttempts(path: string, value: unknown): number {
  return checkNumber(path, value, { min: 1, max: 10, integer: true })
}

function checkBytes(path: string, value: unknown): number {
  return checkNumber(path, value, { min: 0, max: MAX_BYTES, integer: true, unit: 'bytes' })
}

function checkRate(path: string, value: unknown): number {
  return checkNumber(path, value, { min: 0, max: 100_000 })
}

function checkWindow(path: string, value: unknown): number {
  return checkMs(path, value, 100)
}

function checkRule(path: string, value: unknown): RetryOptions['on'] {
  const allowed = 'a function (outcome, request) => boolean | undefined, not an async one'
  if (types.isAsyncFunction(value)) throw new InvalidOptionsError(path, value, allowed)
  return checkFunction(path, value, allowed) as RetryOptions['on']
}

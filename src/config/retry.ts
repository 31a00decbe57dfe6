import { checkMs, msFrom, numberIn } from '../core/check/check.ts'
import { checkSyncFunction } from '../core/check/functions.ts'
import { InvalidOptionsError } from '../core/errors.ts'
import type { RetryBudgetOptions } from '../dispatch/retry/budget.ts'
import type { RetryOptions } from '../dispatch/retry/policy.ts'
import { DEFAULT_RETRY } from './defaults.ts'
import { optionalSection, Section } from '../core/check/section.ts'

/** For each call. */
const MAX_RETRIES = 10
const MAX_BYTES = 1_073_741_824

/** Resolves the option `retry`. undefined: calls have one attempt. */
export function retrySettings(
  path: string,
  value: unknown,
  inherited: RetryOptions | undefined,
): RetryOptions | undefined {
  return optionalSection(path, value, inherited, DEFAULT_RETRY, (retry) => {
    const baseMs = retry.read('baseMs', checkMs)
    const maxDelayMs = retry.read('maxDelayMs', checkMs)
    if (maxDelayMs < baseMs) {
      const allowed = `a number of ms from baseMs, which is ${baseMs}`
      throw new InvalidOptionsError(retry.pathOf('maxDelayMs'), maxDelayMs, allowed)
    }
    const { budget: base } = inherited ?? DEFAULT_RETRY
    return {
      baseMs,
      maxDelayMs,
      attempts: retry.read('attempts', numberIn({ min: 1, max: 10, integer: true })),
      maxRetryAfterMs: retry.read('maxRetryAfterMs', checkMs),
      maxReplayBytes: retry.read(
        'maxReplayBytes',
        numberIn({ min: 0, max: MAX_BYTES, integer: true, unit: 'bytes' }),
      ),
      budget: retry.read('budget', (at, budget) => retryBudgetSettings(new Section(at, budget, base))),
      on: retry.read('on', checkRule),
    }
  })
}

function retryBudgetSettings(budget: Section<RetryBudgetOptions>): RetryBudgetOptions {
  return {
    ratio: budget.read('ratio', numberIn({ min: 0, max: MAX_RETRIES })),
    minPerSecond: budget.read('minPerSecond', checkRate),
    windowMs: budget.read('windowMs', msFrom(100)),
  }
}

/** Calls a second. */
export const checkRate: (path: string, value: unknown) => number = numberIn({ min: 0, max: 100_000 })

function checkRule(path: string, value: unknown): RetryOptions['on'] {
  const allowed = 'a function (outcome, request) => boolean | undefined, not an async one'
  return checkSyncFunction(path, value, allowed) as RetryOptions['on']
}

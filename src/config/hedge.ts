import { msFrom, numberIn } from '../core/check/check.ts'
import type { HedgeBudgetOptions, HedgeOptions } from '../dispatch/hedge/hedge-policy.ts'
import { DEFAULT_HEDGE } from './defaults.ts'
import { checkRate } from './retry.ts'
import { optionalSection, Section } from '../core/check/section.ts'

/** For each call. */
const MAX_HEDGES = 1

/** Resolves the option `hedge`. undefined: calls are not hedged. */
export function hedgeSettings(
  path: string,
  value: unknown,
  inherited: HedgeOptions | undefined,
): HedgeOptions | undefined {
  if (value === true) return inherited ?? DEFAULT_HEDGE
  const { budget: base } = inherited ?? DEFAULT_HEDGE
  return optionalSection(
    path,
    value,
    inherited,
    DEFAULT_HEDGE,
    (hedge) => ({
      percentile: hedge.read('percentile', numberIn({ min: 50, max: 99.9 })),
      minMs: hedge.read('minMs', msFrom(1)),
      budget: hedge.read('budget', (at, budget) => hedgeBudgetSettings(new Section(at, budget, base))),
    }),
    'true, false',
  )
}

function hedgeBudgetSettings(budget: Section<HedgeBudgetOptions>): HedgeBudgetOptions {
  return {
    ratio: budget.read('ratio', numberIn({ min: 0, max: MAX_HEDGES })),
    minPerSecond: budget.read('minPerSecond', checkRate),
  }
}

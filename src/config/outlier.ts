import { DEFAULT_OUTLIER, type OutlierOptions } from '../cluster/health/outlier.ts'
import { msFrom, numberIn } from '../core/check/check.ts'
import { optionalSection } from '../core/check/section.ts'

/**
 * Resolves the option `outlier`.
 * @returns undefined if failures eject no task
 * @throws InvalidOptionsError for unknown keys and values out of range
 */
export function outlierSettings(
  path: string,
  value: unknown,
  inherited: OutlierOptions | undefined,
): OutlierOptions | undefined {
  return optionalSection(path, value, inherited, DEFAULT_OUTLIER, (outlier) => ({
    baseMs: outlier.read('baseMs', msFrom(1)),
    maxEjectedRatio: outlier.read('maxEjectedRatio', numberIn({ min: 0, max: 1 })),
  }))
}

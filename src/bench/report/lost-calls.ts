/** Calls whose latency is not known, and what reports say of them. */
import { isDirect } from '../arms/arm.ts'
import { hidesTail } from '../statistics/verdict.ts'
import { percent } from './numbers.ts'
import type { ArmReport } from './report.ts'

/**
 * Calls that failed, fell back or were not sent, as a share. A call of a direct arm that fell back has the latency of the load
 * balancer: it counts as one that has none.
 */
export function lostShare({ calls, succeeded, fallbacks }: ArmReport): number {
  return calls === 0 ? 0 : (calls - succeeded + fallbacks) / calls
}

/** Of all kinds together. */
export function failedCalls({ failures }: ArmReport): number {
  return failures.reduce((sum, { calls }) => sum + calls, 0)
}

/** A sentence for each arm whose p99 is not known because of them. */
export function lostCalls(arms: readonly ArmReport[]): string[] {
  return arms
    .filter((arm) => hidesTail(lostShare(arm), 0.99))
    .map((arm) => {
      const { label, calls, notSent, fallbacks, failures } = arm
      const failed = failedCalls(arm)
      const kinds = failures.map(({ kind }) => kind).join(', ')
      const parts = [
        ...(failed > 0 ? [`${percent(failed / calls)} failed (${kinds})`] : []),
        ...(notSent > 0 ? [`${percent(notSent / calls)} were not sent, by the cap of calls in flight`] : []),
        ...(fallbacks > 0 ? [`${percent(fallbacks / calls)} were answered by the load balancer`] : []),
      ]
      return `Of the calls of ${label}, ${parts.join(', ')}.`
    })
}

/** A sentence for each direct arm that fails more often than the load balancer, beyond chance. */
export function failsMore(arms: readonly ArmReport[]): string[] {
  const balanced = arms.find(({ way }) => way === 'fallback')
  if (balanced === undefined) return []
  const others = failedCalls(balanced)
  return arms
    .filter(({ name, way }) => isDirect(way) && name !== 'control')
    .filter((arm) => {
      const failed = failedCalls(arm)
      const expected = (others * arm.calls) / Math.max(1, balanced.calls)
      // Two standard deviations of the difference of two counts.
      return failed - expected > 2 * Math.sqrt(failed + expected)
    })
    .map(
      (arm) =>
        `${percent(failedCalls(arm) / arm.calls)} of the calls of ${arm.label} failed, and ${percent(others / Math.max(1, balanced.calls))} of those of the load balancer.`,
    )
}

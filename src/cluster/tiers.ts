/**
 * How much of a service's traffic its tasks can take, and what becomes of the rest.
 *
 * The load balancer is an endpoint of tier 1 among the others. One rule, "the best tier that can take the
 * call, else panic", covers failed discovery, empty sets, everything ejected, and partial spill.
 */

/**
 * Envoy's overprovisioning factor: tasks are taken to run at no more than 1 / 1.4 of what they can bear, so
 * losing up to 28 % of them spills nothing.
 */
export const OVERPROVISIONING = 1.4

/** Share of the calls that tier 0 takes, from 0 to 1; the rest spills to tier 1. */
export function directShare(available: number, total: number): number {
  return total === 0 ? 0 : Math.min(1, (OVERPROVISIONING * available) / total)
}

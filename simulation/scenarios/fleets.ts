/**
 * What scenarios are made of. A task works on 4 calls at once for 10 ms each (median; lognormal, 99th percentile 32 ms),
 * about 350 calls a second.
 */
import { lognormal } from '../service-time.ts'
import type { TaskPlan } from '../task.ts'

const SERVICE_TIME = lognormal(10, 0.5)
/** Half the capacity of a task. */
export const HALF_LOAD = 176

export function fleet(size: number, plan: Partial<TaskPlan> = {}): readonly Partial<TaskPlan>[] {
  return Array.from({ length: size }, () => ({ serviceTime: SERVICE_TIME, ...plan }))
}

export function inZones(counts: Readonly<Record<string, number>>): readonly Partial<TaskPlan>[] {
  return Object.entries(counts).flatMap(([zone, count]) => fleet(count, { zone }))
}

export function clientsIn(counts: Readonly<Record<string, number>>): readonly string[] {
  return Object.entries(counts).flatMap(([zone, count]) => Array.from({ length: count }, () => zone))
}

export function nowhere(count: number): readonly undefined[] {
  return Array.from({ length: count }, () => undefined)
}

export function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from }, (_, index) => from + index)
}

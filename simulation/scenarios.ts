/** All scenarios. Fleets run at half of their capacity unless the title says otherwise. */
import type { Scenario } from './run.ts'
import {
  blackHole,
  COLD_START,
  FLAPPING,
  HANGS,
  ONE_AT_A_TIME,
  TEN_HEALTHY,
  TEN_TIMES_SLOW,
  TWO_SECONDS_SLOW,
  TWO_SECONDS_SLOW_HEDGED,
  TWO_TASKS,
} from './scenarios/one-task.ts'
import {
  ALL_FAIL_ALIKE,
  DATABASE_DOWN,
  HALF_DEAD,
  HUNDREDS,
  RETRY_STORM,
  ROLLING,
  SPILL,
  SUBSET_FEW,
  THOUSANDS,
} from './scenarios/whole-fleet.ts'
import {
  ZONE_HANGS,
  ZONE_LOST,
  ZONE_OVERLOADED,
  ZONE_SHRINKS,
  ZONES_EVEN,
  ZONES_UNEVEN,
} from './scenarios/zones.ts'

export * from './scenarios/one-task.ts'
export * from './scenarios/whole-fleet.ts'
export * from './scenarios/zones.ts'

export const SCENARIOS: readonly Scenario[] = [
  TEN_HEALTHY,
  ONE_AT_A_TIME,
  TEN_TIMES_SLOW,
  TWO_SECONDS_SLOW,
  TWO_SECONDS_SLOW_HEDGED,
  HANGS,
  COLD_START,
  FLAPPING,
  blackHole(2),
  blackHole(4),
  blackHole(20),
  ALL_FAIL_ALIKE,
  DATABASE_DOWN,
  TWO_TASKS,
  HALF_DEAD,
  ROLLING,
  ZONES_EVEN,
  ZONE_SHRINKS,
  ZONE_LOST,
  ZONES_UNEVEN,
  ZONE_OVERLOADED,
  ZONE_HANGS,
  SUBSET_FEW,
  HUNDREDS,
  THOUSANDS,
  RETRY_STORM,
  SPILL,
]

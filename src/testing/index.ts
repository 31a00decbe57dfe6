/**
 * For tests: a local Cloud Map, DNS server and task metadata, fleets of tasks, and fakes of time and randomness.
 * @module onehop/testing
 */
export * from './local-aws/index.ts'
export { manualClock, type ManualClock } from './fakes/manual-clock.ts'
export { seededRandom } from './fakes/seeded-random.ts'
export { scriptedResolver, type ScriptedAnswer, type ScriptedResolver } from './fakes/scripted-resolver.ts'
export { startFleet, type Fleet, type FleetOptions } from './fleet/fleet.ts'
export type { FleetTask } from './fleet/fleet-task.ts'
export type { Fault } from './fault.ts'
export type { TaskStats, TaskTls } from './fleet/task-server.ts'

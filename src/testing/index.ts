/**
 * For tests: clients that the test answers, a local Cloud Map, DNS server and task metadata, fleets of tasks, and fakes of
 * time and randomness.
 * @module onehop/testing
 */
import '../core/before-undici.ts'
export { answerWith, type Answer, type AnsweredClient } from './answers/answer-with.ts'
export { clientOver, type ClientOverOptions } from './answers/client-over.ts'
export type { Answering } from './answers/exchange.ts'
export type { Answers } from './answers/stand-in.ts'
export { UnansweredError } from './answers/unanswered-error.ts'
export * from './local-aws/index.ts'
export { manualClock, type ManualClock } from './fakes/manual-clock.ts'
export { seededRandom } from './fakes/seeded-random.ts'
export { scriptedResolver, type ScriptedAnswer, type ScriptedResolver } from './fakes/scripted-resolver.ts'
export { startFleet, type Fleet, type FleetOptions } from './fleet/fleet.ts'
export type { FleetTask, TaskStats, TaskTls } from './fleet/fleet-task.ts'
export type { Fault } from './fault.ts'

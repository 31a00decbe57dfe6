export * from './local-aws/index.ts'
export { manualClock, type ManualClock } from './manual-clock.ts'
export { seededRandom } from './seeded-random.ts'
export { scriptedResolver, type ScriptedAnswer, type ScriptedResolver } from './scripted-resolver.ts'

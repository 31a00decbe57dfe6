/**
 * The main job of onehop, end to end, on this machine alone: `npm run demo`, `npm run demo -- --json`.
 * Exits non-zero if any phase did not do what it says.
 */
import { phases } from './phases.ts'
import { table, type DemoReport, type PhaseReport } from './report.ts'
import { startDemoWorld } from './world.ts'

const json = process.argv.includes('--json')
const say = (text: string): void => void (json || process.stdout.write(text))

await using world = await startDemoWorld()
say(
  `A local AWS, three tasks of ${world.host} in two zones, and ${world.balancer.name} in front of them.\n\n`,
)

const done: Record<string, PhaseReport> = {}
for (const [index, { name, says, run }] of phases.entries()) {
  say(`[${index + 1}/${phases.length}] ${name}: ${says} ... `)
  const seen = await run(world)
  const known = world.clients.api.inspect().services[world.host]?.endpoints ?? []
  const report = seen.endpoints.length > 0 ? seen : { ...seen, endpoints: known }
  done[name] = report
  const outcome = report.problems.length === 0 ? 'ok' : 'FAILED'
  say(`${outcome} (${report.seconds.toFixed(1)} s)\n`)
  for (const problem of report.problems) say(`      ${problem}\n`)
}

const report: DemoReport = {
  balancer: world.balancer.name,
  phases: done,
  ok: Object.values(done).every(({ problems }) => problems.length === 0),
}
if (json) console.log(JSON.stringify(report))
else say(`\n${table(report)}\n`)
process.exitCode = report.ok ? 0 : 1

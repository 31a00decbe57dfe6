/**
 * What onehop does for a caller, end to end, on this machine alone: `npm run demo`, `npm run demo -- --json`.
 * Exits with 1 if a phase finds a problem.
 */
import { phases } from './phases.ts'
import { table, wrapped, type DemoReport, type PhaseReport } from './report.ts'
import { startDemoWorld } from './world.ts'

const json = process.argv.includes('--json')
const say = (text: string): void => void (json || process.stdout.write(text))

await using world = await startDemoWorld()
const setting = [
  `Everything runs on this machine, on loopback: a local Cloud Map with DNS, three processes as tasks of ${world.host} ` +
    'in two zones, and two clients that call in turn, one with discovery by DNS and one with the Cloud Map API. The ' +
    'table at the end is explained below it.',
  `The load balancer is ${world.balancer.name}. It is not an ALB: it adds no network hop, no TLS and no zones.`,
]
say(`${setting.flatMap((text) => wrapped(text, '', '')).join('\n')}\n\n`)

const done: Record<string, PhaseReport> = {}
for (const [index, { name, says, run }] of phases.entries()) {
  say(`[${index + 1}/${phases.length}] ${name}: ${says} ... `)
  const seen = await run(world)
  const listed = world.clients.api.inspect().services[world.host]?.endpoints ?? []
  const report = seen.endpoints.length > 0 ? seen : { ...seen, endpoints: listed }
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
else {
  const explanations = Object.fromEntries(phases.map(({ name, explains }) => [name, explains]))
  say(`\n${table(report, explanations)}\n`)
}
process.exitCode = report.ok ? 0 : 1

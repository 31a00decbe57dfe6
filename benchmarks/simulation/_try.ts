import { simulate } from './run.ts'
import { POLICIES, ONEHOP } from './policies.ts'
import { SCENARIOS } from './scenarios.ts'
const [only, all] = process.argv.slice(2)
for (const s of SCENARIOS) {
  if (only && only !== '-' && !s.name.startsWith(only)) continue
  console.log(`\n${s.name}: ${s.title}`)
  for (const p of all ? POLICIES : [ONEHOP]) {
    const t0 = performance.now()
    const { outcome: { totals: t } } = simulate(s, p)
    console.log(p.name.padEnd(24), t.calls, 'ok', (100*t.success).toFixed(3), 'p50', t.p50.toFixed(1), 'p99', t.p99.toFixed(1), 'p999', t.p999.toFixed(1), 'att', t.attempts.toFixed(3), 'share', t.least.toFixed(2), t.most.toFixed(2), 'sd', (100*t.deviation).toFixed(1), `${(performance.now()-t0).toFixed(0)}ms`)
  }
}

import { simulate } from './run.ts'
import { POLICIES, ONEHOP } from './policies.ts'
import { SCENARIOS } from './scenarios.ts'
const [only, addr='10.0.0.1', pol='0'] = process.argv.slice(2)
const s = SCENARIOS.find((x) => x.name === only)!
const { outcome } = simulate(s, POLICIES[Number(pol)]!)
for (const x of outcome.seconds) { const all=[...x.attempts.values()].reduce((a,b)=>a+b,0); console.log(x.at, 'calls', x.calls, 'failed', x.failed, 'p99', x.p99.toFixed(0), 'share', ((x.attempts.get(addr) ?? 0)/all*x.attempts.size).toFixed(3), 'direct', x.directShare.toFixed(2), 'shares', [...x.attempts.values()].slice(0,9).map(v=>(v/all*x.attempts.size).toFixed(2)).join(' ')) }

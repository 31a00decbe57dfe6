/**
 * What callers see when tasks die, hang and move, through onehop and through other clients: `npm run bench:chaos`.
 * `-- --long`: at least 12 s for each scenario instead of 6. `-- --only 'SIGKILL|503'`: scenarios whose names match.
 * `-- --clients onehop`: clients whose names match.
 */
import { parseArgs } from 'node:util'
import { onehop } from '../../chaos/clients/onehop.ts'
import type { Client } from '../../chaos/clients/caller.ts'
import { haproxy } from '../../chaos/clients/haproxy.ts'
import { balancedPool, undiciDns, undiciDnsPRetry, undiciDnsRetry } from '../../chaos/clients/undici.ts'
import { run } from '../../chaos/run.ts'
import type { Scenario } from '../../chaos/stage.ts'
import * as breaks from '../../chaos/scenarios/breaks.ts'
import * as crashes from '../../chaos/scenarios/crashes.ts'
import * as deployments from '../../chaos/scenarios/deployments.ts'
import * as outages from '../../chaos/scenarios/outages.ts'
import * as slowness from '../../chaos/scenarios/slowness.ts'
import { header, row } from './table.ts'

const CLIENTS: readonly Client[] = [
  onehop,
  undiciDns,
  undiciDnsRetry,
  undiciDnsPRetry,
  balancedPool,
  haproxy(false),
  haproxy(true),
]

const { values } = parseArgs({
  options: {
    long: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    clients: { type: 'string', default: '' },
  },
})

const scenarios = [crashes, breaks, slowness, deployments, outages]
  .flatMap((room) => Object.values(room))
  .filter((entry): entry is Scenario => typeof entry === 'object')

console.log(header)
for (const scenario of scenarios.filter(({ name }) => new RegExp(values.only).test(name)))
  for (const client of CLIENTS.filter(({ name }) => new RegExp(values.clients).test(name)))
    console.log(row(await run(scenario, client, values.long)))

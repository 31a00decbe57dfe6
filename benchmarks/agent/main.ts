/**
 * What `OnehopHttpAgent` costs a request beside Node's own keep-alive agent: `npm run bench:agent`. `-- --json`: for other
 * programs. `-- --quick`: only to see that it runs.
 */
import type { Effort, Report, Row } from '../discovery/report.ts'
import { median } from '../discovery/statistics.ts'
import { runParts } from '../parts.ts'
import type { Cost, Load } from '../sides/answer-loads.ts'
import { costsOf, LOADS, type Costs } from '../sides/costs.ts'
import { lowestTenth, Ratios } from '../sides/ratios.ts'
import type { Kind } from './side.ts'

const KINDS: readonly Kind[] = ['plain', 'onehop', 'in turn', 'again']
const PROCESSES = 8
const ROUNDS = 50
const WARM_UP_SLICES = 30

await runParts({ agent })

async function agent({ quick }: Effort): Promise<Report> {
  const plan = quick
    ? { processes: 1, warmUp: 1, rounds: 2 }
    : { processes: PROCESSES, warmUp: WARM_UP_SLICES, rounds: ROUNDS }
  const costs = await costsOf<Kind, Cost>(new URL('side.ts', import.meta.url), KINDS, plan)
  return {
    name: 'agent',
    title: '1. A request of node:http over loopback: CPU time of the client, in µs',
    columns: {
      inFlight: 'in flight',
      plain: 'plain',
      onehop: 'onehop',
      ...{ ratio: 'ratio', low: 'quartile', high: 'quartile', quiet: 'quiet' },
      ...{ inTurn: 'in turn', inTurnQuiet: 'quiet', again: 'again', againQuiet: 'quiet' },
    },
    rows: LOADS.map((load, index) => rowOf(load, costs[index] as Costs<Kind, Cost>)),
    notes: [
      'plain: an http.Agent with keepAlive, to one task. onehop: OnehopHttpAgent with its defaults and a static resolver, to four.',
      `ratio: onehop by plain, the median over ${plan.processes * plan.rounds} pairs of slices, and its quartiles. The sides take turns in going first.`,
      'quiet: of the tenth part of the slices of each side that took least, which other load disturbed least.',
      'in turn: the ratio for the plain agent to four tasks in round robin. again: for the plain agent once more, which is noise.',
    ],
  }
}

function rowOf({ inFlight }: Load, costs: Costs<Kind, Cost>): Row {
  const cpuOf = (kind: Kind): number[] => costs[kind].map(({ cpu }) => cpu)
  const plain = cpuOf('plain')
  const ratioOf = (kind: Kind): number => new Ratios(cpuOf(kind), plain).median
  const quietOf = (kind: Kind): number => lowestTenth(cpuOf(kind)) / lowestTenth(plain)
  const [low, high] = new Ratios(cpuOf('onehop'), plain).quartiles
  return {
    inFlight,
    plain: median(plain),
    onehop: median(cpuOf('onehop')),
    ratio: ratioOf('onehop'),
    low,
    high,
    quiet: quietOf('onehop'),
    inTurn: ratioOf('in turn'),
    inTurnQuiet: quietOf('in turn'),
    again: ratioOf('again'),
    againQuiet: quietOf('again'),
  }
}

/**
 * What `observe` of `onehop/otel` costs a request: `npm run bench:otel`. `-- --json`: for other programs. `-- --quick`:
 * only to see that it runs.
 */
import { join } from 'node:path'
import { installPackages } from '../../scripts/private-packages.ts'
import type { Effort, Report, Row } from '../discovery/report.ts'
import { median } from '../discovery/statistics.ts'
import { runParts } from '../parts.ts'
import type { Cost, Load } from '../sides/answer-loads.ts'
import { costsOf, LOADS, type Costs } from '../sides/costs.ts'
import { lowestTenth, Ratios } from '../sides/ratios.ts'
import type { Kind } from './side.ts'

const KINDS: readonly Kind[] = ['off', 'on', 'producer', 'own', 'by hand', 'undici']
const PROCESSES = 4
const ROUNDS = 40
const WARM_UP_SLICES = 30

installPackages(join(import.meta.dirname, '../../test/doors/otel/packages'))
await runParts({ metrics })

async function metrics({ quick }: Effort): Promise<Report> {
  const plan = quick
    ? { processes: 1, warmUp: 1, rounds: 2 }
    : { processes: PROCESSES, warmUp: WARM_UP_SLICES, rounds: ROUNDS }
  const costs = await costsOf<Kind, Cost>(new URL('side.ts', import.meta.url), KINDS, plan)
  return {
    name: 'metrics',
    title: '1. A request over loopback to 4 tasks: CPU time of the client, in µs',
    columns: {
      ...{ inFlight: 'in flight', off: 'off', on: 'on', ratio: 'ratio', low: 'quartile', high: 'quartile' },
      ...{
        quiet: 'quiet',
        producer: 'producer',
        producerQuiet: 'quiet',
        own: 'own',
        ownQuiet: 'quiet',
        byHand: 'by hand',
        byHandQuiet: 'quiet',
        undici: 'undici',
        undiciQuiet: 'quiet',
      },
    },
    rows: LOADS.map((load, index) => rowOf(load, costs[index] as Costs<Kind, Cost>)),
    notes: [
      'off: no observe(). on: observe() with its defaults, and a collection every second.',
      `ratio: on by off, the median over ${plan.processes * plan.rounds} pairs of slices, and its quartiles. The sides take turns in going first.`,
      'quiet: of the tenth part of the slices of each side that took least, which other load disturbed least.',
      'producer: the ratio for observe() with a histogramProducer(), which counts in place of the SDK.',
      "own: the ratio for observe() with histograms that record nothing, which is onehop's part of it.",
      "by hand: the ratio for a caller that records two of the SDK's histograms with three attributes. undici: for the metric of instrumentation-undici, which goes on making spans of no tracer.",
    ],
  }
}

function rowOf({ inFlight }: Load, costs: Costs<Kind, Cost>): Row {
  const cpuOf = (kind: Kind): number[] => costs[kind].map(({ cpu }) => cpu)
  const off = cpuOf('off')
  const ratioOf = (kind: Kind): number => new Ratios(cpuOf(kind), off).median
  const quietOf = (kind: Kind): number => lowestTenth(cpuOf(kind)) / lowestTenth(off)
  const [low, high] = new Ratios(cpuOf('on'), off).quartiles
  return {
    inFlight,
    off: median(off),
    on: median(cpuOf('on')),
    ratio: ratioOf('on'),
    low,
    high,
    quiet: quietOf('on'),
    producer: ratioOf('producer'),
    producerQuiet: quietOf('producer'),
    own: ratioOf('own'),
    ownQuiet: quietOf('own'),
    byHand: ratioOf('by hand'),
    byHandQuiet: quietOf('by hand'),
    undici: ratioOf('undici'),
    undiciQuiet: quietOf('undici'),
  }
}

/**
 * What `observe` of `onehop/otel` costs a request: `npm run bench:otel`. `-- --json`: for other programs. `-- --quick`:
 * only to see that it runs.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { installPackages } from '../../scripts/private-packages.ts'
import type { Effort, Report, Row } from '../discovery/report.ts'
import { median } from '../discovery/statistics.ts'
import { runParts } from '../parts.ts'
import type { Kind, Load } from './side.ts'

const LOADS: readonly Load[] = [
  { inFlight: 50, requestsPerSlice: 800 },
  { inFlight: 1, requestsPerSlice: 300 },
]
const KINDS: readonly Kind[] = ['off', 'on', 'own', 'by hand', 'undici']
/** V8 compiles the same code better in one process than in the next: each side has several, one after the other. */
const PROCESSES = 4
const ROUNDS = 40
const WARM_UP: Load = { inFlight: 50, requestsPerSlice: 1_000 }
const WARM_UP_SLICES = 30

type Costs = Readonly<Record<Kind, number[]>>

installPackages(join(import.meta.dirname, '../../test/doors/otel/packages'))
await runParts({ metrics })

async function metrics({ quick }: Effort): Promise<Report> {
  const plan = quick
    ? { processes: 1, warmUp: 1, rounds: 2 }
    : { processes: PROCESSES, warmUp: WARM_UP_SLICES, rounds: ROUNDS }
  const tasks = start('../overhead/tasks.ts')
  try {
    const [port] = (await once(tasks, 'message')) as [number]
    const costs = LOADS.map((): Costs => ({ off: [], on: [], own: [], 'by hand': [], undici: [] }))
    for (let turn = 0; turn < plan.processes; turn++) {
      const sides = new Map(KINDS.map((kind) => [kind, start('side.ts', kind, String(port))]))
      for (const side of sides.values()) {
        await once(side, 'message')
        for (let slice = 0; slice < plan.warmUp; slice++) await measure(side, WARM_UP)
      }
      for (const [index, load] of LOADS.entries())
        await addCosts(costs[index] as Costs, sides, load, plan.rounds)
      for (const side of sides.values()) side.disconnect()
    }
    return {
      name: 'metrics',
      title: '1. A request over loopback to 4 tasks: CPU time of the client, in µs',
      columns: {
        ...{ inFlight: 'in flight', off: 'off', on: 'on', ratio: 'ratio', low: 'quartile', high: 'quartile' },
        ...{
          quiet: 'quiet',
          own: 'own',
          ownQuiet: 'quiet',
          byHand: 'by hand',
          byHandQuiet: 'quiet',
          undici: 'undici',
          undiciQuiet: 'quiet',
        },
      },
      rows: LOADS.map((load, index) => rowOf(load, costs[index] as Costs)),
      notes: [
        'off: no observe(). on: observe() with its defaults, and a collection every second.',
        `ratio: on by off, the median over ${plan.processes * plan.rounds} pairs of slices, and its quartiles. The sides take turns in going first.`,
        'quiet: of the tenth part of the slices of each side that took least, which other load disturbed least.',
        "own: the ratio for observe() with histograms that record nothing, which is onehop's part of it.",
        "by hand: the ratio for a caller that records two of the SDK's histograms with three attributes. undici: for the metric of instrumentation-undici, which goes on making spans of no tracer.",
      ],
    }
  } finally {
    tasks.disconnect()
  }
}

function start(file: string, ...parameters: readonly string[]): ChildProcess {
  const child = fork(new URL(file, import.meta.url), parameters, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  // The measurement would wait for it for ever.
  child.once('exit', (code) => {
    if (code !== 0) throw new Error(`${file} ended with code ${code}`)
  })
  return child
}

async function measure(side: ChildProcess, load: Load): Promise<number> {
  const answer = once(side, 'message') as Promise<[number]>
  side.send(load)
  const [cost] = await answer
  return cost
}

async function addCosts(
  costs: Costs,
  sides: ReadonlyMap<Kind, ChildProcess>,
  load: Load,
  rounds: number,
): Promise<void> {
  // The first rounds are a warm-up: code that V8 compiled for another load takes other branches, and is compiled anew.
  for (let round = -Math.ceil(rounds / 2); round < rounds; round++) {
    for (let place = 0; place < KINDS.length; place++) {
      const kind = KINDS[Math.abs(round + place) % KINDS.length] as Kind
      const cost = await measure(sides.get(kind) as ChildProcess, load)
      if (round >= 0) costs[kind].push(cost)
    }
  }
}

function rowOf({ inFlight }: Load, { off, on, own, 'by hand': byHand, undici }: Costs): Row {
  const sorted = ratios(on, off)
  return {
    inFlight,
    off: median(off),
    on: median(on),
    ratio: median(sorted),
    low: sorted[Math.floor(sorted.length / 4)] ?? Number.NaN,
    high: sorted[Math.floor((3 * sorted.length) / 4)] ?? Number.NaN,
    quiet: lowestTenth(on) / lowestTenth(off),
    own: median(ratios(own, off)),
    ownQuiet: lowestTenth(own) / lowestTenth(off),
    byHand: median(ratios(byHand, off)),
    byHandQuiet: lowestTenth(byHand) / lowestTenth(off),
    undici: median(ratios(undici, off)),
    undiciQuiet: lowestTenth(undici) / lowestTenth(off),
  }
}

/** Within each round: a slow moment of the machine meets both. Sorted. */
function ratios(costs: readonly number[], base: readonly number[]): number[] {
  return costs.map((cost, round) => cost / (base[round] as number)).toSorted((one, other) => one - other)
}

/** The mean of the lowest tenth, one at least. */
function lowestTenth(samples: readonly number[]): number {
  const lowest = samples.toSorted((one, other) => one - other).slice(0, Math.ceil(samples.length / 10))
  return lowest.reduce((sum, cost) => sum + cost, 0) / lowest.length
}

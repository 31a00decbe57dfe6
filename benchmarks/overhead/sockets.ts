/** CPU time of a whole request over a socket: onehop beside undici pools that are called by hand. */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Effort, Report, Row } from '../discovery/report.ts'
import { median } from '../discovery/statistics.ts'
import type { Cost, Kind, Load } from './side.ts'

/** Slices of 10 to 30 ms: the speed of a shared machine changes from second to second, then for all sides alike. */
const LOADS: readonly Load[] = [
  { inFlight: 50, requestsPerSlice: 800 },
  { inFlight: 1, requestsPerSlice: 300 },
]
/**
 * V8 compiles the same code up to 8 % better in one process than in the next. So each side has several, one after the
 * other.
 */
const PROCESSES = 8
const ROUNDS = 50
/** Until V8 has compiled all sides: they have 50 in flight, for connections too. */
const WARM_UP: Load = { inFlight: 50, requestsPerSlice: 1_000 }
const WARM_UP_SLICES = 30
const KINDS: readonly Kind[] = ['onehop', 'in turn', 'at random']

type Costs = Readonly<Record<Kind, Cost[]>>

function noCosts(): Costs {
  return { onehop: [], 'in turn': [], 'at random': [] }
}

function cpuOf({ cpu }: Cost): number {
  return cpu
}

function wallOf({ wall }: Cost): number {
  return wall
}

export async function sockets({ quick }: Effort): Promise<Report> {
  const plan = quick
    ? { processes: 1, warmUp: 1, rounds: 2 }
    : { processes: PROCESSES, warmUp: WARM_UP_SLICES, rounds: ROUNDS }
  const tasks = start('tasks.ts')
  try {
    const [port] = (await once(tasks, 'message')) as [number]
    const costs = LOADS.map(() => noCosts())
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
    const rows = LOADS.map((load, index) => rowOf(load, costs[index] as Costs))
    return {
      name: 'sockets',
      title: '1. A request over loopback to 4 tasks: CPU time of the client, in µs',
      columns: {
        inFlight: 'in flight',
        onehop: 'onehop',
        byHand: 'by hand',
        ratio: 'ratio',
        low: 'quartile',
        high: 'quartile',
        quiet: 'quiet',
        wall: 'wall',
        random: 'at random',
      },
      rows,
      notes: [
        'by hand: four undici Pools in round robin, without discovery, balancing, health, retries and timeouts.',
        `onehop: the defaults, with a static resolver. Each side has processes of its own, ${plan.processes} one after the other.`,
        `ratio: median over ${plan.processes * plan.rounds} pairs of slices, and its quartiles. The sides take turns in going first.`,
        'quiet: of the tenth part of the slices of each side that took least, which other load disturbed least.',
        'wall: the same as ratio, for the time on the wall.',
        'at random: the same as ratio, for the four pools by hand drawn at random: a part of what any balancer costs.',
      ],
    }
  } finally {
    // A side ends with this process at the latest.
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

async function measure(side: ChildProcess, load: Load): Promise<Cost> {
  const answer = once(side, 'message') as Promise<[Cost]>
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

function rowOf({ inFlight }: Load, costs: Costs): Row {
  const sorted = ratios(costs, 'onehop', cpuOf)
  const onehop = costs.onehop.map(cpuOf)
  const byHand = costs['in turn'].map(cpuOf)
  return {
    inFlight,
    onehop: median(onehop),
    byHand: median(byHand),
    ratio: median(sorted),
    low: sorted[Math.floor(sorted.length / 4)] ?? Number.NaN,
    high: sorted[Math.floor((3 * sorted.length) / 4)] ?? Number.NaN,
    quiet: lowestTenth(onehop) / lowestTenth(byHand),
    wall: median(ratios(costs, 'onehop', wallOf)),
    random: median(ratios(costs, 'at random', cpuOf)),
  }
}

/** To the pools in turn, within each round: a slow moment of the machine meets both. Sorted. */
function ratios(costs: Costs, kind: Kind, of: (cost: Cost) => number): number[] {
  const base = costs['in turn']
  return costs[kind]
    .map((cost, round) => of(cost) / of(base[round] as Cost))
    .toSorted((one, other) => one - other)
}

/** The mean of the lowest tenth, one at least. */
function lowestTenth(samples: readonly number[]): number {
  const lowest = samples.toSorted((one, other) => one - other).slice(0, Math.ceil(samples.length / 10))
  return lowest.reduce((sum, cost) => sum + cost, 0) / lowest.length
}

/** CPU time of a whole request over a socket: onehop beside undici pools that are called by hand. */
import type { Effort, Report, Row } from '../discovery/report.ts'
import { median } from '../discovery/statistics.ts'
import type { Cost, Load } from '../sides/answer-loads.ts'
import { costsOf, LOADS, type Costs } from '../sides/costs.ts'
import { lowestTenth, Ratios } from '../sides/ratios.ts'
import type { Kind } from './side.ts'

const PROCESSES = 8
const ROUNDS = 50
const WARM_UP_SLICES = 30
const KINDS: readonly Kind[] = ['onehop', 'in turn', 'at random']

export async function sockets({ quick }: Effort): Promise<Report> {
  const plan = quick
    ? { processes: 1, warmUp: 1, rounds: 2 }
    : { processes: PROCESSES, warmUp: WARM_UP_SLICES, rounds: ROUNDS }
  const costs = await costsOf<Kind, Cost>(new URL('side.ts', import.meta.url), KINDS, plan)
  const rows = LOADS.map((load, index) => rowOf(load, costs[index] as Costs<Kind, Cost>))
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
}

function rowOf({ inFlight }: Load, costs: Costs<Kind, Cost>): Row {
  const cpuOf = (kind: Kind): number[] => costs[kind].map(({ cpu }) => cpu)
  const wallOf = (kind: Kind): number[] => costs[kind].map(({ wall }) => wall)
  const [onehop, byHand] = [cpuOf('onehop'), cpuOf('in turn')]
  const ratios = new Ratios(onehop, byHand)
  const [low, high] = ratios.quartiles
  return {
    inFlight,
    onehop: median(onehop),
    byHand: median(byHand),
    ratio: ratios.median,
    low,
    high,
    quiet: lowestTenth(onehop) / lowestTenth(byHand),
    wall: new Ratios(wallOf('onehop'), wallOf('in turn')).median,
    random: new Ratios(cpuOf('at random'), byHand).median,
  }
}

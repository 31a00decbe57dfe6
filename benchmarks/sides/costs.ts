/**
 * Costs of several ways to do the same, each in processes of its own: V8 compiles undici for the handlers and the options
 * that it sees, and the same code up to 8 % better in one process than in the next. So each side has several processes,
 * one after the other, and the slices of the sides take turns. Tasks and sides have processors of their own (`processors.ts`).
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Load } from './answer-loads.ts'
import { processors, type Placed } from './processors.ts'

export interface Plan {
  /** Of each side, one after the other. */
  readonly processes: number
  /** Slices before the first load, with 50 requests in flight: for V8, and for connections. */
  readonly warmUp: number
  /** Slices of each side and load, in each process. */
  readonly rounds: number
}

/** What each slice of a side took. */
export type Costs<Kind extends string, Cost> = Readonly<Record<Kind, readonly Cost[]>>

/** Slices of 10 to 30 ms: the speed of a shared machine changes from second to second, then for all sides alike. */
export const LOADS: readonly Load[] = [
  { inFlight: 50, requestsPerSlice: 800 },
  { inFlight: 1, requestsPerSlice: 300 },
]
/** Of all sides: until V8 has compiled them. */
const WARM_UP: Load = { inFlight: 50, requestsPerSlice: 1_000 }
const TASKS = new URL('../overhead/tasks.ts', import.meta.url)

/**
 * @param file the side's program: gets a kind and the port of the tasks, and answers each `Load` with a cost
 * @returns the costs for each of `LOADS`
 */
export async function costsOf<Kind extends string, Cost>(
  file: URL,
  kinds: readonly Kind[],
  plan: Plan,
): Promise<Costs<Kind, Cost>[]> {
  const costs = LOADS.map(
    () => Object.fromEntries(kinds.map((kind) => [kind, []])) as unknown as Record<Kind, Cost[]>,
  )
  const placed = processors()
  const tasks = start(placed.tasks, TASKS)
  try {
    const [port] = (await once(tasks, 'message')) as [number]
    for (let turn = 0; turn < plan.processes; turn++) {
      const sides = new Map(kinds.map((kind) => [kind, start(placed.sides, file, kind, String(port))]))
      for (const side of sides.values()) {
        await once(side, 'message')
        for (let slice = 0; slice < plan.warmUp; slice++) await measure(side, WARM_UP)
      }
      for (const [index, load] of LOADS.entries())
        await addCosts(costs[index] as Record<Kind, Cost[]>, sides, load, plan.rounds)
      for (const side of sides.values()) side.disconnect()
    }
    return costs
  } finally {
    // A side ends with this process at the latest.
    tasks.disconnect()
  }
}

function start(placed: Placed, file: URL, ...parameters: readonly string[]): ChildProcess {
  const child = fork(file, parameters, { ...placed, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  // The measurement would wait for it for ever.
  child.once('exit', (code) => {
    if (code !== 0) throw new Error(`${file.pathname} ended with code ${code}`)
  })
  return child
}

async function measure<Cost>(side: ChildProcess, load: Load): Promise<Cost> {
  const answer = once(side, 'message') as Promise<[Cost]>
  side.send(load)
  const [cost] = await answer
  return cost
}

async function addCosts<Kind extends string, Cost>(
  costs: Record<Kind, Cost[]>,
  sides: ReadonlyMap<Kind, ChildProcess>,
  load: Load,
  rounds: number,
): Promise<void> {
  const kinds = [...sides.keys()]
  // The first rounds are a warm-up: code that V8 compiled for another load takes other branches, and is compiled anew.
  for (let round = -Math.ceil(rounds / 2); round < rounds; round++) {
    for (let place = 0; place < kinds.length; place++) {
      const kind = kinds[Math.abs(round + place) % kinds.length] as Kind
      const cost = await measure<Cost>(sides.get(kind) as ChildProcess, load)
      if (round >= 0) costs[kind].push(cost)
    }
  }
}

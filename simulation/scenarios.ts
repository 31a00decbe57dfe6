/**
 * The scenarios. A task works on 4 calls at once for 10 ms each (median; lognormal, 99th percentile 32 ms), about 350
 * calls a second. Fleets run at half of that unless the title says otherwise.
 */
import type { Scenario } from './run.ts'
import { lognormal } from './service-time.ts'
import type { TaskPlan } from './task.ts'

const SERVICE_TIME = lognormal(10, 0.5)
/** Half the capacity of a task. */
const HALF_LOAD = 176

function fleet(size: number, plan: Partial<TaskPlan> = {}): readonly Partial<TaskPlan>[] {
  return Array.from({ length: size }, () => ({ serviceTime: SERVICE_TIME, ...plan }))
}

function inZones(counts: Readonly<Record<string, number>>): readonly Partial<TaskPlan>[] {
  return Object.entries(counts).flatMap(([zone, count]) => fleet(count, { zone }))
}

function clientsIn(counts: Readonly<Record<string, number>>): readonly string[] {
  return Object.entries(counts).flatMap(([zone, count]) => Array.from({ length: count }, () => zone))
}

function nowhere(count: number): readonly undefined[] {
  return Array.from({ length: count }, () => undefined)
}

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from }, (_, index) => from + index)
}

/** A task answers 503 at once from the 20th second to the 80th, then it recovers. */
export function blackHole(size: number): Scenario {
  return {
    name: `black-hole-${size}`,
    title: `1 of ${size} answers 503 at once, from the 10th second to the 70th`,
    tasks: fleet(size),
    clients: nowhere(5),
    callsPerSecond: (size === 2 ? 0.7 : 1) * HALF_LOAD * size,
    warmUpSeconds: 10,
    seconds: 110,
    events({ at, fault }) {
      at(10, () => fault(0, { status: 503 }))
      at(70, () => fault(0, { status: 200 }))
    },
  }
}

/** GETs without retries: only the choice of the task can help. */
export const TWO_SECONDS_SLOW: Scenario = {
  name: 'two-seconds-slow',
  title: '1 of 11 answers 2 s later, callers wait for 1 s, no retries',
  tasks: fleet(11),
  clients: nowhere(1),
  callsPerSecond: 200,
  warmUpSeconds: 10,
  seconds: 60,
  client: { retries: false },
  events: ({ at, fault }) => at(5, () => fault(0, { waitMs: 2_000 })),
}

export const TWO_SECONDS_SLOW_HEDGED: Scenario = {
  ...TWO_SECONDS_SLOW,
  name: 'two-seconds-slow-hedged',
  title: 'The same, with retries and hedging',
  client: { hedging: true },
}

export const HANGS: Scenario = {
  name: 'hangs',
  title:
    '1 of 4 takes connections and calls and says nothing for 20 s, as a process that is stopped; callers wait for 1 s',
  tasks: fleet(4),
  clients: nowhere(2),
  callsPerSecond: 4 * HALF_LOAD,
  warmUpSeconds: 10,
  seconds: 60,
  events({ at, fault }) {
    at(5, () => fault(0, { connections: 'hung' }))
    at(25, () => fault(0, { connections: 'accepted' }))
  },
}

export const TEN_TIMES_SLOW: Scenario = {
  name: 'ten-times-slow',
  title: '1 of 10 takes ten times as long',
  tasks: fleet(10),
  clients: nowhere(4),
  callsPerSecond: 10 * HALF_LOAD,
  warmUpSeconds: 10,
  seconds: 60,
  client: { retries: false, timeoutMs: undefined },
  events: ({ at, fault }) => at(0, () => fault(0, { slowBy: 10 })),
}

export const TEN_HEALTHY: Scenario = {
  ...TEN_TIMES_SLOW,
  name: 'steady',
  title: '10 healthy tasks',
  events: () => undefined,
}

export const ONE_AT_A_TIME: Scenario = {
  name: 'one-at-a-time',
  title: 'One client of 3 idle tasks makes 10 calls a second',
  tasks: fleet(3),
  clients: nowhere(1),
  callsPerSecond: 10,
  warmUpSeconds: 10,
  seconds: 120,
}

export const ALL_FAIL_ALIKE: Scenario = {
  name: 'all-fail-alike',
  title: 'All of 6 tasks answer one call in five with 500',
  tasks: fleet(6),
  clients: nowhere(3),
  callsPerSecond: 6 * HALF_LOAD,
  warmUpSeconds: 10,
  seconds: 60,
  events: ({ at, fault }) => at(0, () => range(0, 6).forEach((task) => fault(task, { badInput: 0.2 }))),
}

export const DATABASE_DOWN: Scenario = {
  ...ALL_FAIL_ALIKE,
  name: 'database-down',
  title: 'All of 6 tasks answer 500 at once, for 5 s',
  events({ at, fault }) {
    at(10, () => range(0, 6).forEach((task) => fault(task, { status: 500 })))
    at(15, () => range(0, 6).forEach((task) => fault(task, { status: 200 })))
  },
}

export const ZONES_EVEN: Scenario = {
  name: 'zones',
  title: '9 tasks and 9 clients in 3 zones',
  tasks: inZones({ a: 3, b: 3, c: 3 }),
  clients: clientsIn({ a: 3, b: 3, c: 3 }),
  callsPerSecond: 9 * HALF_LOAD,
  warmUpSeconds: 20,
  seconds: 60,
}

export const ZONE_SHRINKS: Scenario = {
  ...ZONES_EVEN,
  name: 'zone-shrinks',
  title: 'Zone a loses 2 of 3 tasks, in discovery too',
  events({ at, fault, register }) {
    at(10, () => {
      fault(0, { connections: 'refused' })
      fault(1, { connections: 'refused' })
      register(range(2, 9))
    })
  },
}

export const ZONE_LOST: Scenario = {
  ...ZONES_EVEN,
  name: 'zone-lost',
  title: 'All tasks of zone a are silent; discovery says so a minute later',
  events({ at, fault, register }) {
    at(10, () => range(0, 3).forEach((task) => fault(task, { connections: 'silent' })))
    at(50, () => register(range(3, 9)))
  },
}

export const ZONES_UNEVEN: Scenario = {
  ...ZONES_EVEN,
  name: 'zones-uneven',
  title: '2, 3 and 4 tasks for 4, 3 and 2 clients in zones a, b and c; clients know of each other',
  tasks: inZones({ a: 2, b: 3, c: 4 }),
  clients: clientsIn({ a: 4, b: 3, c: 2 }),
  peers: true,
}

export const ZONE_OVERLOADED: Scenario = {
  ...ZONES_EVEN,
  name: 'zone-overloaded',
  title: '7 of 9 clients are in zone a, with 3 of 9 tasks; clients do not know of each other',
  clients: clientsIn({ a: 7, b: 1, c: 1 }),
}

export const ZONE_HANGS: Scenario = {
  ...ZONES_EVEN,
  name: 'zone-hangs',
  title: 'All tasks of zone a hang for 20 s; callers wait for 1 s',
  events({ at, fault }) {
    at(10, () => range(0, 3).forEach((task) => fault(task, { connections: 'hung' })))
    at(30, () => range(0, 3).forEach((task) => fault(task, { connections: 'accepted' })))
  },
}

/** Clients need a location to find their place among their peers; one zone leaves routing without effect. */
export const SUBSET_FEW: Scenario = {
  name: 'subset-few',
  title: '6 clients of 20 tasks in one zone, each client calls 5 of them; clients know of each other',
  tasks: inZones({ a: 20 }),
  clients: clientsIn({ a: 6 }),
  callsPerSecond: 0.7 * 20 * HALF_LOAD,
  warmUpSeconds: 10,
  seconds: 30,
  client: { subset: 5 },
  peers: true,
}

export const HUNDREDS: Scenario = {
  name: 'hundreds',
  title: '100 clients of 100 tasks',
  tasks: fleet(100),
  clients: nowhere(100),
  callsPerSecond: 10_000,
  warmUpSeconds: 4,
  seconds: 8,
}

export const THOUSANDS: Scenario = {
  name: 'thousands',
  title: '1,000 clients of 1,000 tasks, each client calls 20 of them',
  tasks: fleet(1_000),
  clients: nowhere(1_000),
  callsPerSecond: 50_000,
  warmUpSeconds: 1,
  seconds: 6,
  client: { subset: 20 },
}

export const COLD_START: Scenario = {
  name: 'cold-start',
  title: 'A 6th task joins 5, and takes five times as long for its first 10 s',
  tasks: fleet(6),
  registered: range(0, 5),
  clients: nowhere(4),
  callsPerSecond: 5 * HALF_LOAD,
  warmUpSeconds: 10,
  seconds: 40,
  ttlMs: 2_000,
  events({ at, fault, register }) {
    at(5, () => {
      fault(5, { slowBy: 5 })
      register(range(0, 6))
    })
    at(17, () => fault(5, { slowBy: 1 }))
  },
}

export const FLAPPING: Scenario = {
  name: 'flapping',
  title: '1 of 6 answers 503 for 2 s in every 10 s',
  tasks: fleet(6),
  clients: nowhere(4),
  callsPerSecond: 6 * HALF_LOAD,
  warmUpSeconds: 10,
  seconds: 60,
  events({ at, fault }) {
    for (let second = 0; second < 60; second += 10) {
      at(second, () => fault(0, { status: 503 }))
      at(second + 2, () => fault(0, { status: 200 }))
    }
  },
}

export const HALF_DEAD: Scenario = {
  name: 'half-dead',
  title: '5 of 10 tasks refuse connections, discovery names them for 30 s more; 35 % load',
  tasks: fleet(10),
  clients: nowhere(4),
  callsPerSecond: 0.7 * 10 * HALF_LOAD,
  warmUpSeconds: 10,
  seconds: 60,
  events({ at, fault, register }) {
    at(5, () => range(0, 5).forEach((task) => fault(task, { connections: 'refused' })))
    at(35, () => register(range(5, 10)))
  },
}

export const ROLLING: Scenario = {
  name: 'rolling',
  title: 'All of 6 tasks are replaced, two at a time; answers of discovery are up to 10 s old',
  tasks: fleet(12),
  registered: range(0, 6),
  clients: nowhere(4),
  callsPerSecond: 6 * HALF_LOAD,
  warmUpSeconds: 10,
  seconds: 60,
  events({ at, fault, register }) {
    for (const task of range(6, 12)) fault(task, { connections: 'refused' })
    for (let step = 0; step < 3; step++) {
      // New tasks first, as with minimumHealthyPercent 100. The old ones stop 5 s after their deregistration.
      const from = 2 * (step + 1)
      at(10 + step * 15, () => {
        fault(2 * step + 6, { connections: 'accepted' })
        fault(2 * step + 7, { connections: 'accepted' })
        register(range(from, from + 6))
      })
      at(15 + step * 15, () => {
        fault(2 * step, { connections: 'refused' })
        fault(2 * step + 1, { connections: 'refused' })
      })
    }
  },
}

export const TWO_TASKS: Scenario = {
  name: 'two-tasks',
  title: '1 of 2 answers every second call with 500; 35 % load, POST',
  tasks: fleet(2),
  clients: nowhere(2),
  callsPerSecond: 0.7 * 2 * HALF_LOAD,
  warmUpSeconds: 10,
  seconds: 60,
  client: { method: 'POST' },
  events: ({ at, fault }) => at(5, () => fault(0, { badInput: 0.5 })),
}

export const RETRY_STORM: Scenario = {
  name: 'retry-storm',
  title:
    'All of 6 tasks take four times as long for 20 s: twice what they can bear. They answer 503 when 40 calls wait',
  tasks: fleet(6, { longestQueue: 40 }),
  clients: nowhere(6),
  callsPerSecond: 6 * HALF_LOAD,
  warmUpSeconds: 10,
  seconds: 60,
  events({ at, fault }) {
    at(10, () => range(0, 6).forEach((task) => fault(task, { slowBy: 4 })))
    at(30, () => range(0, 6).forEach((task) => fault(task, { slowBy: 1 })))
  },
}

export const SPILL: Scenario = {
  name: 'spill',
  title: '4 of 6 tasks refuse this client for 30 s, the load balancer reaches them; it is 2 ms farther',
  tasks: fleet(6),
  clients: nowhere(4),
  callsPerSecond: 6 * HALF_LOAD,
  warmUpSeconds: 10,
  seconds: 90,
  client: { fallback: true },
  events({ at, fault }) {
    at(10, () => range(0, 4).forEach((task) => fault(task, { connections: 'refused' })))
    at(40, () => range(0, 4).forEach((task) => fault(task, { connections: 'accepted' })))
  },
}

export const SCENARIOS: readonly Scenario[] = [
  TEN_HEALTHY,
  ONE_AT_A_TIME,
  TEN_TIMES_SLOW,
  TWO_SECONDS_SLOW,
  TWO_SECONDS_SLOW_HEDGED,
  HANGS,
  COLD_START,
  FLAPPING,
  blackHole(2),
  blackHole(4),
  blackHole(20),
  ALL_FAIL_ALIKE,
  DATABASE_DOWN,
  TWO_TASKS,
  HALF_DEAD,
  ROLLING,
  ZONES_EVEN,
  ZONE_SHRINKS,
  ZONE_LOST,
  ZONES_UNEVEN,
  ZONE_OVERLOADED,
  ZONE_HANGS,
  SUBSET_FEW,
  HUNDREDS,
  THOUSANDS,
  RETRY_STORM,
  SPILL,
]

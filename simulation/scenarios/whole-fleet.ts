/** Most or all tasks of a service fail, are replaced or overloaded; subsets and large fleets. */
import type { Scenario } from '../run.ts'
import { HALF_LOAD, fleet, inZones, clientsIn, nowhere, range } from './fleets.ts'

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

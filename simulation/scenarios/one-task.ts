/** One task of a fleet is slow, fails or starts cold. */
import type { Scenario } from '../run.ts'
import { HALF_LOAD, fleet, nowhere, range } from './fleets.ts'

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

/** A task answers 503 at once for a minute, then it recovers. */
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

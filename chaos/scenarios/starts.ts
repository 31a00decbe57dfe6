/** The first calls of a client, and worlds of few parts. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Scenario } from '../stage.ts'
import { refuse, terminate } from './crashes.ts'

/** Nothing is known, and calls are there at once. */
export const coldStart: Scenario = {
  name: 'cold start under load, DNS takes 150 ms',
  tasks: 4,
  warmUpSeconds: 0,
  seconds: { short: 6, long: 12 },
  setUp({ aws }) {
    aws.dns.faults.delayMs = 150
  },
  fault: async () => undefined,
}

export const coldStartWithServfail: Scenario = {
  ...coldStart,
  name: 'cold start under load, the first answers of DNS are SERVFAIL',
  setUp({ aws }) {
    aws.dns.faults.answer = 'servfail'
  },
  async fault({ aws }) {
    await delay(100)
    aws.dns.faults.clear()
  },
}

/** One that no packet can be sent to, as with a broken route, and one where nobody listens. */
export const unreachableDns: Scenario = {
  ...terminate,
  name: 'two of three DNS servers unreachable, SIGTERM with grace, 1 of 4',
  dnsBefore: ['255.255.255.255', '127.0.0.1:9'],
}

export const onlyTaskKilled: Scenario = {
  name: 'SIGKILL, 1 of 1, fallback',
  tasks: 1,
  taskMs: 5,
  fallback: true,
  fault: ({ victim }) => victim.kill(),
}

export const onlyTaskRefuses: Scenario = {
  ...refuse,
  name: 'refused, 1 of 1, fallback',
  tasks: 1,
  fallback: true,
}

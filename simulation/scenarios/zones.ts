/** Tasks and clients in three zones. */
import type { Scenario } from '../run.ts'
import { HALF_LOAD, inZones, clientsIn, range } from './fleets.ts'

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

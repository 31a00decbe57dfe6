/** Connections that are not made, or break. */
import { BlackHole } from '../black-hole.ts'
import type { Scenario } from '../stage.ts'
import type { Stage } from '../stage.ts'

/** Out of the way of the tasks' addresses, 127.0.1.x. */
const NOWHERE = '127.0.3.1'

async function addBlackHole(stage: Stage): Promise<void> {
  stage.use(await BlackHole.start(NOWHERE, stage.port))
  stage.addAddress('task-nowhere', NOWHERE)
}

export const connectTimeout: Scenario = {
  name: 'connect timeout, 1 more on 4',
  tasks: 4,
  // DNS tells of it after a TTL at the latest.
  seconds: { short: 7, long: 15 },
  fault: addBlackHole,
}

export const connectTimeoutWithLimit: Scenario = {
  ...connectTimeout,
  name: 'connect timeout, 1 more on 4, connectMs: 250',
  options: { timeouts: { connectMs: 250 } },
}

export const resetOnAccept: Scenario = {
  name: 'reset on accept, 1 of 4',
  tasks: 4,
  fault: ({ victim }) => victim.set({ kind: 'reset-on-accept' }),
}

export const resetMidHeaders: Scenario = {
  name: 'reset mid-headers, 1 of 4',
  tasks: 4,
  fault: ({ victim }) => victim.set({ kind: 'reset-mid-headers' }),
}

export const resetMidBody: Scenario = {
  name: 'reset mid-body, 1 of 4',
  tasks: 4,
  fault: ({ victim }) => victim.set({ kind: 'reset-mid-body' }),
}

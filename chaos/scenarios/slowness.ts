/** Tasks that answer, late or with bad news. */
import type { Scenario } from '../stage.ts'

const TASK_MS = 4
/** Estimates forget within some 10 s how slow tasks are that have just been started. */
const WARM_UP_SECONDS = 12

export const unavailable: Scenario = {
  name: '503 at once, 1 of 4',
  tasks: 4,
  taskMs: TASK_MS,
  control: true,
  fault: ({ victim }) => victim.set({ kind: 'status', status: 503 }),
}

export const twoSeconds: Scenario = {
  name: '2 s slow, 1 of 11',
  tasks: 11,
  warmUpSeconds: WARM_UP_SECONDS,
  // 3,000 calls.
  seconds: { short: 6, long: 15 },
  fault: ({ victim }) => victim.set({ kind: 'slow', delayMs: 2_000 }),
}

export const twoSecondsHedged: Scenario = {
  ...twoSeconds,
  name: '2 s slow, 1 of 11, hedged',
  options: { hedge: { minMs: 10 } },
}

export const tenfold: Scenario = {
  name: '10x slow, 1 of 10',
  warmUpSeconds: WARM_UP_SECONDS,
  tasks: 10,
  taskMs: TASK_MS,
  control: true,
  fault: ({ victim }) => victim.set({ kind: 'slow', delayMs: 10 * TASK_MS }),
}

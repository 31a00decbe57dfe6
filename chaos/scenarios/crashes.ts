/** A task dies, hangs or leaves. */
import type { Scenario } from '../stage.ts'

/** So that something is in flight on a task when it dies. */
const TASK_MS = 10

export const kill: Scenario = {
  name: 'SIGKILL, 1 of 4',
  tasks: 4,
  taskMs: TASK_MS,
  fault: ({ victim }) => victim.kill(),
}

export const hang: Scenario = {
  name: 'SIGSTOP, 1 of 4',
  tasks: 4,
  taskMs: TASK_MS,
  // Tasks that have just been started are slow, and estimates remember it for some 10 s.
  warmUpSeconds: 12,
  fault: ({ victim }) => victim.stop(),
}

export const hangWithLimit: Scenario = {
  ...hang,
  name: 'SIGSTOP, 1 of 4, attemptMs: 250',
  options: { timeouts: { attemptMs: 250 } },
}

export const terminate: Scenario = {
  name: 'SIGTERM with grace, 1 of 4',
  tasks: 4,
  taskMs: TASK_MS,
  fault: (stage) => stage.retire(stage.victim),
}

export const refuse: Scenario = {
  name: 'refused, 1 of 4',
  tasks: 4,
  fault: ({ victim }) => victim.cut(),
}

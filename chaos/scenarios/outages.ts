/** All tasks are gone, or what stands in for them. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Scenario } from '../stage.ts'
import type { Stage } from '../stage.ts'

const TASK_MS = 5

const killAll = async ({ tasks }: Stage): Promise<void> => {
  await Promise.all(tasks.map((task) => task.kill()))
}

export const allDown: Scenario = {
  name: 'all 4 down, no fallback',
  tasks: 4,
  taskMs: TASK_MS,
  fault: killAll,
}

export const allDownWithFallback: Scenario = {
  name: 'all 4 down, fallback',
  tasks: 4,
  taskMs: TASK_MS,
  fallback: true,
  fault: killAll,
}

export const fallbackDown: Scenario = {
  name: 'fallback and 2 of 4 down',
  tasks: 4,
  taskMs: TASK_MS,
  fallback: true,
  async fault({ fallbackTask, tasks }) {
    await Promise.all([...tasks.slice(0, 2).map((task) => task.kill()), fallbackTask?.kill()])
  },
}

/** When the tasks are back, in ms since the fault began. */
export const OUTAGE_MS = 2_500

export const recovery: Scenario = {
  name: `all 4 refuse for ${OUTAGE_MS / 1_000} s, then are back`,
  tasks: 4,
  async fault({ tasks }) {
    await Promise.all(tasks.map((task) => task.cut()))
    await delay(OUTAGE_MS)
    await Promise.all(tasks.map((task) => task.restore()))
  },
}

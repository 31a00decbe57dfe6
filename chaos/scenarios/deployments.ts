/** All tasks are replaced, one after the other, while clients know what DNS said up to a TTL ago. */
import { setTimeout as delay } from 'node:timers/promises'
import type { FleetTask } from 'onehop/testing'
import type { Scenario } from '../stage.ts'
import type { Stage } from '../stage.ts'

/** Two tasks of four go within a TTL of 5 s; clients cannot know of either. */
const STEP_MS = 3_000

async function replace(stage: Stage, tasks: readonly FleetTask[]): Promise<void> {
  for (const old of tasks) {
    const nextAt = performance.now() + STEP_MS
    await stage.add()
    await stage.retire(old)
    await delay(Math.max(0, nextAt - performance.now()))
  }
}

export const deployment: Scenario = {
  name: 'rolling deployment, 4 tasks',
  tasks: 4,
  taskMs: 5,
  seconds: { short: 13, long: 24 },
  fault: (stage) => replace(stage, stage.tasks),
}

/** Half of it, and no more until clients have heard of it. */
export const halfWithoutDns: Scenario = {
  ...deployment,
  name: 'DNS down while 2 of 4 are replaced',
  seconds: { short: 9, long: 12 },
  async fault(stage) {
    stage.aws.dns.faults.answer = 'servfail'
    await replace(stage, stage.tasks.slice(0, 2))
    stage.aws.dns.faults.clear()
  },
}

/** The rest follows within the seconds in which clients find out that DNS is back. */
export const onwardsFromOutage: Scenario = {
  ...deployment,
  name: 'DNS down while 2 of 4 are replaced, and it goes on',
  async fault(stage) {
    const { tasks } = stage
    await halfWithoutDns.fault(stage)
    await replace(stage, tasks.slice(2))
  },
}

/**
 * Two applications, in ESM and in CommonJS, which know nothing of onehop and call by all that there is. One of four tasks is
 * killed under load and replaced.
 */
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { afterAll, describe, expect, test } from 'vitest'
import { BlackHole } from '../../../chaos/black-hole.ts'
import type { FleetTask } from 'onehop/testing'
import { MAJORS, nodeOf } from '../../support/processes/nodes.ts'
import { APPS, World } from './world.ts'

const CALLS = 560
const MAX_CALLS = 10_000
const KILL_AFTER = 100
/** ECS notices, deregisters, and the new task is registered. */
const REPLACE_AFTER = 200
const TASK_MS = 20
/** From each task at least. The first calls of the new one are as late as discovery is: a TTL, and a read of the API. */
const ANSWERS = { 'task-2': 31, 'task-3': 31, 'task-4': 31, 'task-5': 1 }

interface Result {
  /** Of calls that began before the application knew that the connections of the killed task are gone, and after. */
  readonly failed: Readonly<Record<string, number>>
  readonly late: Readonly<Record<string, number>>
  readonly tasks: Readonly<Record<string, number>>
}

const table: object[] = []
afterAll(() => console.table(table))

interface Report {
  readonly results: Readonly<Record<string, Result>>
  /** Calls, until then. */
  readonly mostInFlight: number
  readonly signals: readonly string[]
}

async function play(app: string, major: string): Promise<Report> {
  await using world = await World.start(4)
  const slow = { kind: 'slow', delayMs: TASK_MS } as const
  for (const task of world.fleet.tasks) await task.set(slow)
  const [victim] = world.fleet.tasks as [FleetTask]
  let faults = Promise.resolve()
  let gone: BlackHole | undefined
  const kill = async (application: ChildProcessWithoutNullStreams): Promise<void> => {
    await victim.kill()
    application.stdin.write('gone\n')
    // On Fargate the address of a task that is gone answers nothing: no RST.
    gone = await BlackHole.start(victim.address, victim.port)
  }
  const replace = async (): Promise<void> => {
    world.aws.deregister('orders.shop.local', victim.id)
    const next = await world.fleet.add()
    await next.set(slow)
    world.register(next)
  }
  const { code, stdout, stderr } = await world.run([`${APPS}${app}`], {
    node: nodeOf(major),
    env: { CALLS: String(CALLS), MAX_CALLS: String(MAX_CALLS), ANSWERS: JSON.stringify(ANSWERS) },
    onLine: (line, application) => {
      if (line === `called ${KILL_AFTER}`) faults = faults.then(() => kill(application))
      if (line === `called ${REPLACE_AFTER}`) faults = faults.then(replace)
    },
  })
  await faults
  await gone?.[Symbol.asyncDispose]()
  expect([code, stderr]).toEqual([0, ''])
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Report
}

/** `task-2,11 task-3,24` */
const shares = (tasks: Readonly<Record<string, number>>): string =>
  Object.keys(tasks)
    .toSorted()
    .map((task) => `${task},${tasks[task]}`)
    .join(' ')

const sum = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((total, count) => total + count, 0)

describe.each(MAJORS)('Node %s', (major) => {
  test.concurrent.each(['esm-app.mjs', 'cjs-app.cjs'])(
    '%s loses only what cannot be repeated, and calls all tasks',
    async (app) => {
      const { results, mostInFlight, signals } = await play(app, major)
      expect(signals).toEqual([])
      const tasks: Record<string, number> = {}
      let failed = 0
      for (const [way, result] of Object.entries(results)) {
        table.push({
          ...{ node: major, app, way, failed: Object.entries(result.failed).join(' ') },
          answered: shares(result.tasks),
        })
        expect([way, result.late]).toEqual([way, {}])
        failed += sum(result.failed)
        for (const [task, count] of Object.entries(result.tasks)) tasks[task] = (tasks[task] ?? 0) + count
        // A retry of undici's calls is onehop's business; on node:http what has been sent is the library's.
        if (/fetch|undici/.test(way))
          expect(Object.keys(result.failed).filter((name) => name.startsWith('GET'))).toEqual([])
      }
      // At 250 calls a second that take 20 ms each, five are in flight, one or two of them on the killed task.
      expect(failed).toBeLessThanOrEqual(mostInFlight)
      for (const [task, count] of Object.entries(ANSWERS)) expect(tasks[task]).toBeGreaterThanOrEqual(count)
    },
  )
})

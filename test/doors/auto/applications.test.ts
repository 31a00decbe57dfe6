/**
 * Two applications, in ESM and in CommonJS, which know nothing of onehop and call by all that there is. One of four tasks is
 * killed under load and replaced.
 */
import { afterAll, describe, expect, test } from 'vitest'
import { BlackHole } from '../../../chaos/black-hole.ts'
import type { FleetTask } from 'onehop/testing'
import { MAJORS, nodeOf } from '../../support/processes/nodes.ts'
import { APPS, World } from './world.ts'

const CALLS = 560
const KILL_AFTER = 100
/** ECS notices, deregisters, and the new task is registered. */
const REPLACE_AFTER = 200
const TASK_MS = 20

interface Result {
  readonly failed: Readonly<Record<string, number>>
  readonly tasks: Readonly<Record<string, number>>
}

const table: object[] = []
afterAll(() => console.table(table))

async function play(app: string, major: string): Promise<Readonly<Record<string, Result>>> {
  await using world = await World.start(4)
  const slow = { kind: 'slow', delayMs: TASK_MS } as const
  for (const task of world.fleet.tasks) await task.set(slow)
  const [victim] = world.fleet.tasks as [FleetTask]
  let faults = Promise.resolve()
  let gone: BlackHole | undefined
  const kill = async (): Promise<void> => {
    await victim.kill()
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
    env: { CALLS: String(CALLS) },
    onLine: (line) => {
      if (line === `called ${KILL_AFTER}`) faults = faults.then(kill)
      if (line === `called ${REPLACE_AFTER}`) faults = faults.then(replace)
    },
  })
  await faults
  await gone?.[Symbol.asyncDispose]()
  expect([code, stderr]).toEqual([0, ''])
  const { results, signals } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as {
    results: Record<string, Result>
    signals: string[]
  }
  expect(signals).toEqual([])
  return results
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
      const results = await play(app, major)
      const tasks: Record<string, number> = {}
      let failed = 0
      for (const [way, result] of Object.entries(results)) {
        table.push({
          ...{ node: major, app, way, failed: Object.entries(result.failed).join(' ') },
          answered: shares(result.tasks),
        })
        failed += sum(result.failed)
        for (const [task, count] of Object.entries(result.tasks)) tasks[task] = (tasks[task] ?? 0) + count
        // A retry of undici's calls is onehop's business; on node:http what has been sent is the library's.
        if (/fetch|undici/.test(way))
          expect(Object.keys(result.failed).filter((name) => name.startsWith('GET'))).toEqual([])
      }
      // 250 calls a second that take 20 ms each: five are in flight, one or two of them on the killed task.
      expect(failed).toBeLessThanOrEqual(6)
      for (const task of ['task-2', 'task-3', 'task-4']) expect(tasks[task]).toBeGreaterThan(30)
      // Its first calls are as late as discovery is: a TTL, and a read of the API.
      expect(tasks['task-5']).toBeGreaterThan(0)
    },
  )
})

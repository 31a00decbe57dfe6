/**
 * The default, `auto`, with BIND as the DNS and a local Cloud Map API beside it. Each may be late, down or stale; the test
 * changes them on their own. Time is virtual, so that a minute takes a second; servers, sockets and tasks are real.
 */
import { createClient, roundRobin, type Client } from 'onehop'
import { manualClock, startLocalAws, type LocalAws, type ManualClock } from 'onehop/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { ORIGIN } from '../support/clients.ts'
import { eventsOf } from '../support/events.ts'
import { resources } from '../support/resources.ts'
import type { TestServer } from '../support/servers.ts'
import { HOST, inspect } from './clients.ts'
import { startNamed, type Named } from './named.ts'

const TTL = 5
const STEP_MS = 500
const { keep, servers } = resources()
let aws: LocalAws
let named: Named
let clock: ManualClock
let tasks: TestServer[]
let client: Client

/** Registered in both: the first three of six tasks. */
beforeEach(async () => {
  clock = manualClock()
  aws = keep(await startLocalAws({ clock }))
  aws.addService(HOST)
  tasks = await servers(6)
  named = keep(
    await startNamed({
      zones: { 'shop.local': { records: [1, 2, 3].map((task) => `orders ${TTL} A ${addressOf(task)}`) } },
    }),
  )
  for (const task of [1, 2, 3]) inApi(task, true)
  client = keep(
    createClient({
      namespaces: ['shop.local'],
      dns: { servers: [named.server], timeoutMs: 5_000 },
      cloudMap: aws.cloudMap,
      allowLoopback: true,
      balancer: roundRobin(),
      slowStartMs: 0,
      clock,
    }),
  )
  await calls(1)
})

function addressOf(task: number): string {
  return `127.0.1.${task}`
}

function inApi(task: number, isThere: boolean): void {
  // All tasks have one port.
  const port = tasks.at(-1)?.port ?? 0
  if (isThere) aws.register(HOST, `task-${task}`, { ipv4: addressOf(task), port, zone: 'eu-west-1a' })
  else aws.deregister(HOST, `task-${task}`)
}

async function inDns(task: number, isThere: boolean): Promise<void> {
  const change = isThere ? `add ${HOST} ${TTL} A` : `delete ${HOST} A`
  await named.update('shop.local', `update ${change} ${addressOf(task)}`)
}

/** Calls of which none may fail. A retry may wait for virtual time to pass. */
async function calls(count: number): Promise<void> {
  for (let made = 0; made < count; made++) {
    const wait = { isOver: false }
    const status = call().finally(() => (wait.isOver = true))
    status.catch(() => undefined)
    for (let turn = 0; turn < 50 && !wait.isOver; turn++)
      await new Promise((resolve) => setTimeout(resolve, 1))
    while (!wait.isOver) await clock.advance(25)
    expect(await status).toBe(200)
  }
}

async function call(): Promise<number> {
  const { statusCode, body } = await client.request(ORIGIN)
  await body.dump()
  return statusCode
}

/** Virtual time with two calls a second; none may fail. Real time for the lookups that it starts. */
async function passes(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += STEP_MS) {
    await clock.advance(STEP_MS)
    for (let turn = 0; turn < 2_000; turn++) {
      const { lookups = 0, refreshes = 0, failedLookups = 0 } = inspect(client) ?? {}
      if (lookups === refreshes + failedLookups) break
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    await calls(1)
  }
}

/** What joined and left since the start, sorted: `+4 -1`. */
function movesIn(changes: ReturnType<typeof eventsOf<'onehop:snapshot.changed'>>): string {
  const short = (sign: string) => (place: string) => `${sign}${place.slice('127.0.1.'.length).split(':')[0]}`
  return changes
    .flatMap(({ added, removed }) => [...added.map(short('+')), ...removed.map(short('-'))])
    .toSorted()
    .join(' ')
}

function tasksOf(): string {
  return (inspect(client)?.endpoints ?? [])
    .map((place) => Number(place.slice('127.0.1.'.length).split(':')[0]))
    .toSorted((one, other) => one - other)
    .join(' ')
}

describe.each(['dns', 'api'] as const)('a deployment that %s shows a minute late', (late) => {
  test.each([5_000, 30_000, 60_000])(
    '(%d ms): no call is lost, and each task joins and leaves once',
    async (lagMs) => {
      const changes = eventsOf('onehop:snapshot.changed')
      const show = async (source: 'dns' | 'api', task: number, isThere: boolean): Promise<void> => {
        if (source === 'dns') await inDns(task, isThere)
        else inApi(task, isThere)
      }
      const early = late === 'dns' ? 'api' : 'dns'
      // Two come, and two go once they take calls; the late source follows.
      const script = [
        { at: 0, task: 4, isThere: true },
        { at: 2_000, task: 5, isThere: true },
        { at: 40_000, task: 1, isThere: false },
        { at: 42_000, task: 2, isThere: false },
      ]
      const steps = script
        .flatMap(
          (step) =>
            [
              { ...step, source: early },
              { ...step, source: late, at: step.at + lagMs },
            ] as const,
        )
        .toSorted((one, other) => one.at - other.at)
      let now = 0
      for (const { at, source, task, isThere } of steps) {
        await passes(at - now)
        now = at
        await show(source, task, isThere)
        // It has announced its end, and takes no connections soon after.
        if (!isThere && source === early) await tasks[task - 1]?.kill()
      }
      await passes(400_000 - now)
      expect(tasksOf()).toBe('3 4 5')
      expect(movesIn(changes)).toBe('+4 +5 -1 -2')
      expect(tasks[3]?.seen.length).toBeGreaterThan(20)
    },
  )
})

test('the API down: DNS shows what comes and goes', async () => {
  const changes = eventsOf('onehop:snapshot.changed')
  aws.cloudMap.faults.answer = 'unavailable'
  await inDns(4, true)
  await passes(7_000)
  expect(tasksOf()).toBe('1 2 3 4')
  await inDns(1, false)
  await tasks[0]?.kill()
  await passes(120_000)
  expect(tasksOf()).toBe('2 3 4')
  aws.cloudMap.faults.clear()
  inApi(4, true)
  inApi(1, false)
  await passes(120_000)
  expect(inspect(client)).toMatchObject({ source: 'cloud-map', warning: undefined })
  expect(movesIn(changes)).toBe('+4 -1')
})

test('BIND down: the API shows what comes and goes', async () => {
  const changes = eventsOf('onehop:snapshot.changed')
  await named.kill()
  await passes(30_000)
  inApi(4, true)
  await passes(65_000)
  expect(tasksOf()).toBe('1 2 3 4')
  inApi(1, false)
  await tasks[0]?.kill()
  await passes(65_000)
  expect(tasksOf()).toBe('2 3 4')
  await named.restart()
  await inDns(4, true)
  await inDns(1, false)
  await passes(180_000)
  expect(inspect(client)?.warning).toBeUndefined()
  expect(movesIn(changes)).toBe('+4 -1')
})

test('the API stale: what DNS shows counts, after a minute also what it lacks', async () => {
  const changes = eventsOf('onehop:snapshot.changed')
  await inDns(4, true)
  await inDns(1, false)
  await tasks[0]?.kill()
  await passes(10_000)
  expect(tasksOf()).toBe('1 2 3 4')
  await passes(60_000)
  expect(tasksOf()).toBe('2 3 4')
  await passes(600_000)
  expect(movesIn(changes)).toBe('+4 -1')
})

test('DNS stale: the next read shows the truth, at once when a task refuses', async () => {
  const changes = eventsOf('onehop:snapshot.changed')
  inApi(4, true)
  inApi(1, false)
  await tasks[0]?.kill()
  await passes(5_000)
  expect(tasksOf()).toBe('2 3 4')
  await passes(600_000)
  expect(movesIn(changes)).toBe('+4 -1')
})

test('DNS that goes back to an old set and forth: nothing follows it, and it costs few reads', async () => {
  inApi(4, true)
  inApi(1, false)
  await inDns(4, true)
  await inDns(1, false)
  await passes(15_000)
  expect(tasksOf()).toBe('2 3 4')
  const changes = eventsOf('onehop:snapshot.changed')
  const reads = (): number => aws.cloudMap.calls['DiscoverInstances'] ?? 0
  const before = reads()
  for (let turn = 0; turn < 30; turn++) {
    await inDns(turn % 2 === 0 ? 1 : 4, true)
    await inDns(turn % 2 === 0 ? 4 : 1, false)
    await passes(20_000)
  }
  expect(movesIn(changes)).toBe('')
  // A full read in 5 minutes, and some while it was found out that this is no news.
  expect(reads() - before).toBeLessThanOrEqual(12)
})

/**
 * Each library under one fault: four tasks as processes, of which one is killed and replaced while calls go on. Beside it
 * the same library with Node's own keep-alive agent and DNS.
 */
import { Resolver } from 'node:dns'
import http, { type Agent } from 'node:http'
import type { LookupFunction } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { createClient } from 'onehop'
import { OnehopHttpAgent } from 'onehop/http'
import { startFleet, startLocalAws, type FleetTask } from 'onehop/testing'
import { afterAll, describe, expect, test } from 'vitest'
import { BlackHole } from '../../chaos/black-hole.ts'
import { LIBRARIES, type CallBy } from './libraries.ts'

const HOST = 'orders.shop.local'
const TOTAL = 800
const EVERY_MS = 4
/** Each task takes this long, so that calls are in flight on the one that is killed. */
const TASK_MS = 20
const KILL_AFTER = 200
/** ECS notices, deregisters, and the new task is registered. */
const REPLACE_AFTER = 400
/** More than tasks and this process take, and less than a connection that waits for a task that is gone. */
const SLOW_MS = 200

interface Result {
  readonly failed: { GET: number; POST: number }
  /** Calls that took longer than `SLOW_MS`. */
  slow: number
  readonly errors: Map<string, number>
  /** Calls that each task has taken; -1: it was killed. */
  readonly taken: Map<string, number>
}

const table: object[] = []
afterAll(() => console.table(table))

/** As a service without onehop: the records that DNS has, in its order, over connections that are kept. */
function nodesAgent(server: string): Agent {
  const resolver = new Resolver()
  resolver.setServers([server])
  const lookup: LookupFunction = (host, _options, callback) =>
    resolver.resolve4(host, (error, addresses: string[] | undefined) =>
      callback(
        error,
        (addresses ?? []).map((address) => ({ address, family: 4 })),
      ),
    )
  return new http.Agent({ keepAlive: true, lookup })
}

async function scenario(callBy: CallBy, kind: 'onehop' | 'node'): Promise<Result> {
  let gone: BlackHole | undefined
  await using aws = await startLocalAws()
  await using fleet = await startFleet({ tasks: 4, processes: true })
  aws.addService(HOST, { ttlSeconds: 1 })
  const register = ({ id, address, port }: (typeof fleet.tasks)[number]): void =>
    aws.register(HOST, id, { ipv4: address, port })
  for (const task of fleet.tasks) register(task)
  await using client = createClient({
    namespaces: ['shop.local'],
    discovery: 'dns',
    dns: { servers: [aws.dns.server] },
    allowLoopback: true,
    // The replacement takes its whole share at once: the scenario is shorter than the usual slow start.
    slowStartMs: 0,
  })
  const agent = kind === 'onehop' ? new OnehopHttpAgent(client) : nodesAgent(aws.dns.server)
  const result: Result = { failed: { GET: 0, POST: 0 }, slow: 0, errors: new Map(), taken: new Map() }
  for (const task of fleet.tasks) await task.set({ kind: 'slow', delayMs: TASK_MS })
  const call = async (method: 'GET' | 'POST'): Promise<void> => {
    const startedAt = performance.now()
    try {
      const status = await callBy(`http://${HOST}:${fleet.port}/v1/orders`, method, agent)
      expect(status).toBe(200)
    } catch (error) {
      result.failed[method]++
      const code = (error as NodeJS.ErrnoException).code ?? String(error)
      result.errors.set(code, (result.errors.get(code) ?? 0) + 1)
    }
    if (performance.now() - startedAt > SLOW_MS) result.slow++
  }
  const calls: Promise<void>[] = []
  const [victim] = fleet.tasks as [FleetTask]
  for (let count = 0; count < TOTAL; count++) {
    calls.push(call(count % 2 === 0 ? 'GET' : 'POST'))
    if (count === KILL_AFTER) {
      await victim.kill()
      // On Fargate the address of a task that is gone answers nothing: no RST.
      gone = await BlackHole.start(victim.address, victim.port)
    }
    if (count === REPLACE_AFTER) {
      aws.deregister(HOST, victim.id)
      const next = await fleet.add()
      await next.set({ kind: 'slow', delayMs: TASK_MS })
      register(next)
    }
    await delay(EVERY_MS)
  }
  await Promise.all(calls)
  agent.destroy()
  await gone?.[Symbol.asyncDispose]()
  for (const task of fleet.tasks) result.taken.set(task.id, task.alive ? (await task.stats()).requests : -1)
  return result
}

describe.each(Object.entries(LIBRARIES))('%s', (name, make) => {
  test('loses nothing but what was in flight on the killed task, and calls its replacement', async () => {
    const callBy = await make()
    const ours = await scenario(callBy, 'onehop')
    const without = await scenario(callBy, 'node')
    for (const [agent, result] of Object.entries({ onehop: ours, 'Node’s own': without }))
      table.push(rowOf(name, agent, result))
    // 250 calls a second that take 20 ms each: five are in flight, one or two of them on the killed task.
    expect(ours.failed.GET + ours.failed.POST).toBeLessThanOrEqual(6)
    expect(ours.taken.get('task-1')).toBe(-1)
    for (const [task, taken] of ours.taken) if (task !== 'task-1') expect(taken).toBeGreaterThan(30)
  })
})

function rowOf(library: string, agent: string, { failed, slow, errors, taken }: Result): object {
  const shares = [...taken.values()].filter((count) => count >= 0)
  return { library, agent, ...failed, slow, taken: shares.join(' '), errors: [...errors].join(' ') }
}

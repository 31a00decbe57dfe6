/** A rolling deployment of four tasks under load, and what its callers saw. */
import { setTimeout as delay } from 'node:timers/promises'
import { startLocalAws, type EcsTask, type EcsTaskExit } from 'onehop/testing'
import { CachingResolver } from '../../chaos/caching-resolver.ts'
import { CLIENTS, HOST, OVER_H2C, type ClientName } from './clients/clients.ts'
import { failedOf, postUntil, type Tally } from './load.ts'
import type { Times, Way } from './task/leave.ts'
import type { TaskOrders } from './task/main.ts'
import type { Kind } from './task/servers.ts'

/** Scaled down from 10 s. */
export const TTL_MS = 2_000
/** From the registry's change to the last resolver that answers by it: here at once, so this is slack. */
export const PROPAGATION_MS = 500
/** How late ECS deregisters, after SIGTERM: the worst that was seen is not documented. */
export const DEREGISTER_AFTER_MS = 3_000
const TASKS = 4
/** On an idle machine it takes a second. */
const START_WITHIN_MS = 100_000
const TASK = new URL('./task/main.ts', import.meta.url).pathname
/** Callers go on for this long after the last task has ended. */
const AFTERWARDS_MS = 300

/** Calls come late, and take long. On an idle machine a task waits for the former only. */
const FOR_BUSY_MACHINES = { quietMs: 1_500, finishMs: 20_000 }

/** Times of a shutdown that fit these tests. */
export const TIMES: Readonly<Record<'ecs' | 'task', Partial<Times>>> = {
  ecs: { ttlMs: TTL_MS, propagationMs: DEREGISTER_AFTER_MS + PROPAGATION_MS, ...FOR_BUSY_MACHINES },
  task: { propagationMs: PROPAGATION_MS, ...FOR_BUSY_MACHINES },
}

export interface Deployment {
  readonly kind: Kind
  readonly registeredBy?: 'ecs' | 'task'
  /** [onehop] */
  readonly way?: Way
  /** [those of `TIMES`] */
  readonly times?: Partial<Times>
  /** [all that speak the protocol] */
  readonly clients?: readonly ClientName[]
  /** POSTs of each client at least [5000]. */
  readonly posts?: number
  /** [60000] */
  readonly stopTimeoutMs?: number
}

export interface Outcome {
  readonly tallies: ReadonlyMap<ClientName, Tally>
  /** How the tasks that were replaced ended. */
  readonly exits: readonly (EcsTaskExit & { readonly output: string })[]
}

/** @returns the command of a task, and its variables; `script` for another program */
export function taskCommand(
  orders: TaskOrders,
  script: string = TASK,
): {
  command: readonly string[]
  env: Record<string, string>
} {
  return {
    command: [
      process.execPath,
      '--conditions=onehop:source',
      '--disable-warning=ExperimentalWarning',
      script,
    ],
    env: { TASK: JSON.stringify(orders) },
  }
}

export async function deploy(deployment: Deployment): Promise<Outcome> {
  const { kind, registeredBy = 'ecs', way = 'onehop', posts = 5_000, stopTimeoutMs = 60_000 } = deployment
  const { times = TIMES[registeredBy], clients = clientsOf(kind) } = deployment
  await using aws = await startLocalAws()
  const { id } = aws.addService(HOST, { ttlSeconds: TTL_MS / 1_000 })
  await using resolver = await CachingResolver.start(aws.dns.server)
  const service = await aws.startEcsService({
    ...taskCommand({ kind, way, times, ...(registeredBy === 'task' ? { service: id } : {}) }),
    ...{ host: HOST, tasks: TASKS, registeredBy, stopTimeoutMs, deregisterAfterMs: DEREGISTER_AFTER_MS },
    startWithinMs: START_WITHIN_MS,
  })
  const reach = { aws, dns: resolver.server, port: service.port, tls: kind === 'https', h2c: kind === 'h2c' }
  await using callers = new AsyncDisposableStack()
  let isOver = false
  const loads = clients.map(async (name) => {
    const caller = callers.use(CLIENTS[name](reach))
    return [name, await postUntil(caller, posts, () => isOver)] as const
  })
  await delay(AFTERWARDS_MS)
  const replaced = await service.deploy()
  await delay(AFTERWARDS_MS)
  isOver = true
  return { tallies: new Map(await Promise.all(loads)), exits: await Promise.all(replaced.map(exitOf)) }
}

async function exitOf(task: EcsTask): Promise<Outcome['exits'][number]> {
  return { ...(await task.exited), output: task.output }
}

function clientsOf(kind: Kind): readonly ClientName[] {
  return kind === 'h2c' ? OVER_H2C : (Object.keys(CLIENTS) as ClientName[])
}

/** `undici Pool: 0 of 5,012`, with the errors. */
export function describeTallies({ tallies }: Outcome): readonly string[] {
  return Array.from(tallies, ([name, tally]) => {
    const failed = failedOf(tally)
    const errors = Array.from(tally.failures, ([error, count]) => `${count} × ${error}`).join(', ')
    return `${name}: ${failed} of ${failed + tally.succeeded} failed${errors === '' ? '' : ` (${errors})`}`
  })
}

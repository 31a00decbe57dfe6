import { seededRandom } from 'onehop/testing'
import type { Random } from 'onehop'
import type { TaskLocation } from '../src/cluster/locality/locality.ts'
import { SimulatedClient, type ClientPlan } from './client.ts'
import { Connections, type Distance } from './connections.ts'
import { CachedView, Registry } from './discovery.ts'
import { SimulatedLoadBalancer } from './load-balancer.ts'
import { Measures, type Outcome } from './measures.ts'
import type { Policy } from './policies.ts'
import { SimulatedTask, type Fault, type Server, type TaskPlan } from './task.ts'
import { VirtualTime } from './virtual-time.ts'

/** A simulation: the fleet, its callers, their load, and the events. */
export interface Scenario {
  readonly name: string
  readonly title: string
  readonly tasks: readonly Partial<TaskPlan>[]
  /** The tasks that discovery lists at first [all]. */
  readonly registered?: readonly number[]
  /** The zone of each client; undefined: unknown to them. */
  readonly clients: readonly (string | undefined)[]
  /** Of all clients together. */
  readonly callsPerSecond: number
  readonly warmUpSeconds: number
  /** After the warm-up. */
  readonly seconds: number
  readonly client?: Partial<Omit<ClientPlan, 'policy'>>
  /** Whether clients know each other's zones. */
  readonly peers?: boolean
  readonly ttlMs?: number
  /** Events, as moments after the warm-up. */
  readonly events?: (world: World) => void
}

/** What an event can change. */
export interface World {
  readonly tasks: readonly SimulatedTask[]
  /** @param second after the warm-up */
  at(second: number, action: () => void): void
  fault(task: number, fault: Partial<Fault>): void
  /** Sets the tasks that discovery lists from now on. */
  register(tasks: readonly number[]): void
}

export const DEFAULT_TASK: TaskPlan = {
  address: '',
  zone: undefined,
  weight: 1,
  workers: 4,
  serviceTime: () => 10,
  longestQueue: Number.POSITIVE_INFINITY,
}

const DEFAULT_CLIENT: Omit<ClientPlan, 'policy'> = {
  retries: true,
  hedging: false,
  timeoutMs: 1_000,
  fallback: false,
  subset: undefined,
  method: 'GET',
}

/** Round trips within a zone, and between zones. */
const ROUND_TRIP_MS = 0.5
const ROUND_TRIP_FAR_MS = 1.5
/** What a load balancer adds: its work, and the network. */
const BALANCER_HOP_MS = 2
/** Three attempts of 15 s each, and the waits between them. */
const MAX_CALL_MS = 60_000

export interface Run {
  readonly outcome: Outcome
  readonly clients: readonly SimulatedClient[]
  readonly tasks: readonly SimulatedTask[]
}

/** Deterministic for a scenario, a policy and a seed. */
export function simulate(scenario: Scenario, policy: Policy, seed = 1): Run {
  const time = new VirtualTime()
  const random = seededRandom(seed)
  const tasks = scenario.tasks.map(
    (plan, index) =>
      new SimulatedTask(
        { ...DEFAULT_TASK, address: addressOf(index), ...plan },
        time,
        seededRandom(random.next() * 2 ** 32),
      ),
  )
  const registry = new Registry()
  const register = (indexes: readonly number[]): void => {
    registry.endpoints = indexes.flatMap((index) => tasks[index]?.endpoint ?? [])
  }
  register(scenario.registered ?? [...tasks.keys()])
  const servers = new Map<string, Server>(tasks.map((task) => [task.endpoint.address, task]))
  const plan: ClientPlan = { ...DEFAULT_CLIENT, ...scenario.client, policy }
  if (plan.fallback) {
    const balancer = new SimulatedLoadBalancer(tasks, BALANCER_HOP_MS, time)
    servers.set(balancer.endpoint.address, balancer)
  }
  const measures = new Measures([...servers.values()])
  const clients = startClients(scenario, plan, registry, servers, measures, time, random)
  for (const client of clients)
    callUntilEnd(
      client,
      scenario.callsPerSecond / clients.length,
      time,
      seededRandom(random.next() * 2 ** 32),
      measures,
      (scenario.warmUpSeconds + scenario.seconds) * 1_000,
    )
  const warmMs = scenario.warmUpSeconds * 1_000
  scenario.events?.({
    tasks,
    at: (second, action) => void time.setTimer(action, warmMs + second * 1_000),
    fault(index, fault) {
      const task = tasks[index]
      if (task === undefined) throw new Error(`no task with index ${index}`)
      task.fault = { ...task.fault, ...fault }
    },
    register,
  })
  for (let second = 1; second <= scenario.warmUpSeconds + scenario.seconds; second++) {
    time.runUntil(second * 1_000)
    measures.second(second - scenario.warmUpSeconds, meanDirectShare(clients))
    if (second === scenario.warmUpSeconds) measures.warm(time.now())
  }
  endCalls(measures, time)
  return { outcome: measures.outcome(), clients, tasks }
}

/**
 * Waits for the pending calls without new ones. They count too, because the slowest are among them.
 * @throws Error if a call never ends
 */
function endCalls(measures: Measures, time: VirtualTime): void {
  const latestMs = time.now() + MAX_CALL_MS
  while (measures.underWay > 0 && time.now() < latestMs) time.runUntil(time.now() + 1_000)
  if (measures.underWay > 0) throw new Error(`${measures.underWay} calls never ended`)
}

function startClients(
  { clients, ttlMs = 10_000, peers = false }: Scenario,
  plan: ClientPlan,
  registry: Registry,
  servers: ReadonlyMap<string, Server>,
  measures: Measures,
  time: VirtualTime,
  random: Random,
): readonly SimulatedClient[] {
  const callers = new Registry()
  callers.endpoints = clients.map(
    (zone, index) =>
      new SimulatedTask({ ...DEFAULT_TASK, address: callerAddress(index), zone }, time, random).endpoint,
  )
  return clients.map((zone, index) => {
    const own = seededRandom(random.next() * 2 ** 32)
    const location: TaskLocation | undefined =
      zone === undefined
        ? undefined
        : { zone, subnets: [], instanceId: undefined, addresses: [callerAddress(index)] }
    const distanceTo = ({ endpoint }: Server): Distance => {
      const isLocal = endpoint.zone === zone
      return {
        roundTripMs: isLocal ? ROUND_TRIP_MS : ROUND_TRIP_FAR_MS,
        onSent: () => measures.sent(isLocal),
      }
    }
    return new SimulatedClient(
      `client-${index}`,
      plan,
      new CachedView(registry, time, ttlMs, own),
      new Connections(servers, distanceTo, time),
      location,
      peers ? new CachedView(callers, time, ttlMs, own) : undefined,
      time,
      own,
    )
  })
}

/** Calls arrive independently of earlier ones: a Poisson process. */
function callUntilEnd(
  client: SimulatedClient,
  callsPerSecond: number,
  time: VirtualTime,
  random: Random,
  measures: Measures,
  endMs: number,
): void {
  const next = (): void => {
    const at = time.now()
    if (at > endMs) return
    measures.begun()
    client.call((status) => measures.ended(at, time.now() - at, status))
    time.setTimer(next, waitMs())
  }
  const waitMs = (): number => (-1_000 * Math.log(1 - random.next())) / callsPerSecond
  time.setTimer(next, waitMs())
}

function meanDirectShare(clients: readonly SimulatedClient[]): number {
  return clients.reduce((sum, { cluster }) => sum + cluster.directShare, 0) / clients.length
}

function addressOf(index: number): string {
  return `10.0.${Math.floor(index / 250)}.${(index % 250) + 1}`
}

function callerAddress(index: number): string {
  return `10.9.${Math.floor(index / 250)}.${(index % 250) + 1}`
}

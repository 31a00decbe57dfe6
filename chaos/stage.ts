import type { ClientOptions } from 'onehop'
import { startFleet, startLocalAws, type Fleet, type FleetTask, type LocalAws } from 'onehop/testing'
import { cert, key } from '../test/support/transports/tls.ts'
import { TRANSPORTS, type Transport } from '../test/support/transports/transports.ts'
import { CachingResolver } from './caching-resolver.ts'
import { hasEnded, killOnInterruption } from './interruption.ts'

/** What happens to a fleet under load. */
export interface Scenario {
  readonly name: string
  readonly tasks: number
  /** How long each task takes to answer, in ms [0]. */
  readonly taskMs?: number
  /** What the tasks speak, and how onehop's client connects to them [http]. The others' clients know http alone. */
  readonly transport?: Transport
  /** DNS servers that are asked before the one that knows [none]. */
  readonly dnsBefore?: readonly string[]
  /** A load balancer behind the tasks, for clients that know how to use one [none]. */
  readonly fallback?: boolean
  /** A second service, of as many tasks and without the fault, is called in turn with the first [false]. */
  readonly control?: boolean
  /** Options of onehop's client; it has its defaults otherwise. */
  readonly options?: ClientOptions
  /** How long calls are made before it happens [3]. With 0, the first call is the client's first. */
  readonly warmUpSeconds?: number
  /** How long calls count, in seconds, in CI and with `--long` [6, 12]. */
  readonly seconds?: { readonly short: number; readonly long: number }
  /** What is so before the first call is made [nothing]. */
  setUp?(stage: Stage): void
  /** What happens at the end of the warm-up. May go on for as long as calls are made. */
  fault(stage: Stage): Promise<void>
}

export const ORDERS = 'orders.shop.local'
/** The same tasks, and a sound one in the place of the first. */
export const CONTROL = 'control.shop.local'

export const TTL_SECONDS = 5
/** Long enough for what was on its way when the listener closed. */
const GRACE_MS = 1_000

/** A service, its tasks in processes of their own, and the DNS that names them, behind a resolver that caches. */
export class Stage implements AsyncDisposable {
  readonly scenario: Scenario
  readonly aws: LocalAws
  /** Origin of the load balancer, whose tasks are always others. */
  readonly fallback: string | undefined
  readonly fallbackTask: FleetTask | undefined
  readonly #resources: AsyncDisposableStack
  readonly #resolver: CachingResolver
  readonly #fleet: Fleet
  /** In the fleet, but for the control alone. */
  readonly #spare: FleetTask | undefined

  private constructor(
    scenario: Scenario,
    resources: AsyncDisposableStack,
    aws: LocalAws,
    resolver: CachingResolver,
    fleet: Fleet,
    balancer: Fleet | undefined,
  ) {
    this.scenario = scenario
    this.aws = aws
    this.#resources = resources
    this.#resolver = resolver
    this.#fleet = fleet
    this.#spare = scenario.control === true ? fleet.tasks.at(-1) : undefined
    this.fallbackTask = balancer?.tasks[0]
    this.fallback =
      this.fallbackTask === undefined
        ? undefined
        : `http://${this.fallbackTask.address}:${this.fallbackTask.port}`
  }

  static async start(scenario: Scenario): Promise<Stage> {
    await using starting = new AsyncDisposableStack()
    const count = scenario.tasks + (scenario.control === true ? 1 : 0)
    const aws = starting.use(await startLocalAws())
    const resolver = starting.use(await CachingResolver.start(aws.dns.server))
    const { scheme, protocol } = scenario.transport ?? TRANSPORTS.http
    const tls = scheme === 'https' ? { key, cert, http2: protocol === 'HTTP/2' } : undefined
    const fleet = starting.use(await startFleet({ tasks: count, processes: true, graceMs: GRACE_MS, tls }))
    const balancer =
      scenario.fallback === true ? starting.use(await startFleet({ tasks: 1, processes: true })) : undefined
    const stage = new Stage(scenario, starting.move(), aws, resolver, fleet, balancer)
    await stage.#open()
    return stage
  }

  /** `127.0.0.1:PORT` of the resolver, after those that the scenario puts before it. */
  get dnsServers(): readonly string[] {
    return [...(this.scenario.dnsBefore ?? []), this.dns]
  }

  /** `127.0.0.1:PORT` of the resolver. */
  get dns(): string {
    return this.#resolver.server
  }

  /** Of all tasks. */
  get port(): number {
    return this.#fleet.port
  }

  /** Those of the service at the time of asking, whether they live or not. */
  get tasks(): readonly FleetTask[] {
    return this.#fleet.tasks.filter((task) => task !== this.#spare)
  }

  /** All that take calls, the load balancer's task too. */
  get processes(): readonly FleetTask[] {
    return this.fallbackTask === undefined ? this.#fleet.tasks : [...this.#fleet.tasks, this.fallbackTask]
  }

  /** The first, which faults befall. */
  get victim(): FleetTask {
    const [victim] = this.#fleet.tasks
    if (victim === undefined) throw new Error('a fleet has tasks')
    return victim
  }

  /** Those that a host is registered with at first. */
  membersOf(host: string): readonly FleetTask[] {
    if (host === ORDERS) return this.tasks
    return this.#fleet.tasks.filter((task) => task !== this.victim)
  }

  get transport(): Transport {
    return this.scenario.transport ?? TRANSPORTS.http
  }

  originOf(host: string): string {
    return `${this.transport.scheme}://${host}:${this.port}`
  }

  /** Tells the calls of one service from those of the other. */
  pathOf(host: string): string {
    return `/${host}`
  }

  /** Starts one more task and tells DNS. */
  async add(): Promise<FleetTask> {
    const task = await this.#fleet.add()
    await this.#prepare(task)
    this.#register(ORDERS, task)
    return task
  }

  /** Has DNS name an address that is no task's. */
  addAddress(id: string, address: string): void {
    this.aws.register(ORDERS, id, { ipv4: address, port: this.port })
  }

  /** As ECS does it: out of DNS, then SIGTERM. Resolves when it has ended. */
  async retire(task: FleetTask): Promise<void> {
    this.aws.deregister(ORDERS, task.id)
    await task.shutdown()
  }

  /** Ended with the stage. */
  use<Resource extends AsyncDisposable>(resource: Resource): Resource {
    return this.#resources.use(resource)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync()
    hasEnded(...this.#pids())
  }

  async #open(): Promise<void> {
    for (const host of this.scenario.control === true ? [ORDERS, CONTROL] : [ORDERS]) {
      this.aws.addService(host, { ttlSeconds: TTL_SECONDS })
      for (const task of this.membersOf(host)) this.#register(host, task)
    }
    for (const task of this.#fleet.tasks) await this.#prepare(task)
    killOnInterruption(...this.#pids())
  }

  async #prepare(task: FleetTask): Promise<void> {
    const { taskMs = 0 } = this.scenario
    if (taskMs > 0) await task.set({ kind: 'slow', delayMs: taskMs })
    killOnInterruption(task.pid)
  }

  #register(host: string, { id, address, port }: FleetTask): void {
    this.aws.register(host, id, { ipv4: address, port })
  }

  #pids(): (number | undefined)[] {
    return this.processes.map(({ pid }) => pid)
  }
}

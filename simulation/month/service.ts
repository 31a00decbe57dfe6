/** One service over days: its tasks come, go, die and fall ill, and Cloud Map and DNS show it with their delays. */
import type { Random } from '../../src/core/clock.ts'
import type { VirtualTime } from '../virtual-time.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** ECS starts and stops tasks of a deployment one after the other. */
const DEPLOYMENT_STEP_MS = 10_000
/** Until a new task passes its health check, and an old one may go. */
const WARM_UP_MS = 60_000
/** From SIGTERM, which comes with the deregistration, until a task takes no connections. */
const SHUTDOWN_MS = 2_000
/** Until ECS notices that a task has died, and until the successor is registered. */
const NOTICED_MS = [5_000, 15_000] as const
const SUCCESSOR_MS = [30_000, 60_000] as const
/** How long a health check fails. */
const ILL_MS = [60_000, 180_000] as const

export interface ServicePlan {
  readonly tasks: number
  readonly deploymentsPerDay: number
  readonly crashesPerHour: number
  /** Times that a health check of one of the tasks fails, and passes again. */
  readonly illnessesPerHour: number
  /** From a change until the API shows it, and until the DNS servers do. */
  readonly apiLagMs: number
  readonly dnsLagMs: number
}

export interface SimulatedTask {
  readonly id: string
  readonly address: string
  readonly zone: string
  /** Takes connections. */
  isAlive: boolean
}

/** What a source shows. */
export interface Shown {
  readonly tasks: readonly SimulatedTask[]
  /** Of the registrations alone: health does not change it. */
  readonly revision: number
}

/** Why a task joined or left. */
export type Cause = 'deployment' | 'crash' | 'successor' | 'health'

export interface ServiceListener {
  /** A task joined or left the set of healthy ones. */
  changed(task: SimulatedTask, isMember: boolean, cause: Cause): void
  /** A task takes no connections any more. */
  died(): void
}

export class SimulatedService {
  api: Shown = { tasks: [], revision: 1 }
  dns: Shown = { tasks: [], revision: 1 }
  /** Tasks that joined or left the set of healthy ones. */
  changes = 0
  readonly #plan: ServicePlan
  readonly #time: VirtualTime
  readonly #random: Random
  readonly #listener: ServiceListener
  readonly #registered = new Map<SimulatedTask, { isHealthy: boolean }>()
  #revision = 1
  #tasksMade = 0
  #isDeploying = false

  constructor(plan: ServicePlan, time: VirtualTime, random: Random, listener: ServiceListener) {
    this.#plan = plan
    this.#time = time
    this.#random = random
    this.#listener = listener
    for (let task = 0; task < plan.tasks; task++) this.#register(this.#newTask(), undefined)
    this.#show('api')
    this.#show('dns')
    this.#every(DAY_MS / plan.deploymentsPerDay, () => this.#deploy())
    this.#every(HOUR_MS / plan.crashesPerHour, () => this.#crash())
    this.#every(HOUR_MS / plan.illnessesPerHour, () => this.#fallIll())
  }

  /** At random moments, so often on average. */
  #every(meanMs: number, happen: () => void): void {
    if (!Number.isFinite(meanMs)) return
    this.#time.setTimer(
      () => {
        // One thing after the other: what follows from a deployment is known.
        if (!this.#isDeploying) happen()
        this.#every(meanMs, happen)
      },
      -meanMs * Math.log(1 - this.#random.next()),
    )
  }

  #deploy(): void {
    const old = [...this.#registered.keys()]
    this.#isDeploying = true
    for (let step = 0; step < this.#plan.tasks; step++)
      this.#time.setTimer(() => this.#register(this.#newTask(), 'deployment'), step * DEPLOYMENT_STEP_MS)
    for (const [index, task] of old.entries())
      this.#time.setTimer(() => this.#stop(task), WARM_UP_MS + index * DEPLOYMENT_STEP_MS)
    this.#time.setTimer(
      () => {
        this.#isDeploying = false
      },
      WARM_UP_MS + (this.#plan.tasks + 1) * DEPLOYMENT_STEP_MS,
    )
  }

  #stop(task: SimulatedTask): void {
    this.#deregister(task, 'deployment')
    this.#time.setTimer(() => this.#end(task), SHUTDOWN_MS)
  }

  #crash(): void {
    const task = this.#anyTask()
    if (task === undefined) return
    this.#end(task)
    this.#time.setTimer(() => this.#deregister(task, 'crash'), this.#between(NOTICED_MS))
    this.#time.setTimer(() => this.#register(this.#newTask(), 'successor'), this.#between(SUCCESSOR_MS))
  }

  #fallIll(): void {
    const task = this.#anyTask()
    if (task === undefined) return
    this.#setHealth(task, false)
    this.#time.setTimer(() => this.#setHealth(task, true), this.#between(ILL_MS))
  }

  #between([min, max]: readonly [number, number]): number {
    return min + (max - min) * this.#random.next()
  }

  #end(task: SimulatedTask): void {
    task.isAlive = false
    this.#listener.died()
  }

  #anyTask(): SimulatedTask | undefined {
    const well = [...this.#registered].filter(([task, { isHealthy }]) => isHealthy && task.isAlive)
    return well[Math.floor(this.#random.next() * well.length)]?.[0]
  }

  #newTask(): SimulatedTask {
    const made = this.#tasksMade++
    const address = `10.${(made >> 16) & 255}.${(made >> 8) & 255}.${made & 255}`
    return { id: `task-${made}`, address, zone: `eu-west-1${'abc'[made % 3]}`, isAlive: true }
  }

  #register(task: SimulatedTask, cause: Cause | undefined): void {
    this.#registered.set(task, { isHealthy: true })
    this.#revision++
    if (cause !== undefined) this.#changed(task, true, cause)
  }

  #deregister(task: SimulatedTask, cause: Cause): void {
    const registration = this.#registered.get(task)
    if (registration === undefined) return
    this.#registered.delete(task)
    this.#revision++
    if (registration.isHealthy) this.#changed(task, false, cause)
  }

  #setHealth(task: SimulatedTask, isHealthy: boolean): void {
    const registration = this.#registered.get(task)
    if (registration === undefined || registration.isHealthy === isHealthy) return
    registration.isHealthy = isHealthy
    this.#changed(task, isHealthy, 'health')
  }

  #changed(task: SimulatedTask, isMember: boolean, cause: Cause): void {
    const { apiLagMs, dnsLagMs } = this.#plan
    this.changes++
    this.#listener.changed(task, isMember, cause)
    const shown = this.#now()
    this.#time.setTimer(() => {
      this.api = shown
    }, apiLagMs)
    this.#time.setTimer(() => {
      this.dns = shown
    }, dnsLagMs)
  }

  #show(source: 'api' | 'dns'): void {
    this[source] = this.#now()
  }

  /** The healthy ones, or all when none is. */
  #now(): Shown {
    const healthy = [...this.#registered].filter(([, { isHealthy }]) => isHealthy)
    const all = healthy.length > 0 ? healthy : [...this.#registered]
    return { tasks: all.map(([task]) => task), revision: this.#revision }
  }
}

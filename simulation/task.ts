import type { Random } from '../src/core/clock.ts'
import { taskEndpoint, type Endpoint } from '../src/discovery/endpoint.ts'
import type { ServiceTime } from './service-time.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface TaskPlan {
  readonly address: string
  readonly zone: string | undefined
  readonly weight: number
  /** Calls that it works on at the same time; the others wait. */
  readonly workers: number
  readonly serviceTime: ServiceTime
  /** Calls that may wait. Further ones get 503 at once. */
  readonly longestQueue: number
}

/** Faults of a task. A change holds for calls that arrive after it. */
export interface Fault {
  /** Factor on the service time. */
  readonly slowBy: number
  /** Added to the service time without work: the task waits for another service, in ms. */
  readonly waitMs: number
  /** Status that it answers at once, without work. */
  readonly status: number
  /** Share of the calls that get 500. */
  readonly badInput: number
  /**
   * `refused`: it refuses clients; a load balancer still reaches it. `silent`: no packet comes back, neither for new
   * connections nor for open ones, as from a lost zone. `hung`: it accepts connections and never answers, as a stopped
   * process.
   */
  readonly connections: 'accepted' | 'refused' | 'silent' | 'hung'
}

export const HEALTHY: Fault = { slowBy: 1, waitMs: 0, status: 200, badInput: 0, connections: 'accepted' }

/** Whether it never answers. */
export function isMute({ connections }: Fault): boolean {
  return connections === 'silent' || connections === 'hung'
}

const AT_ONCE_MS = 0.2

/** A task or a load balancer. */
export interface Server {
  readonly endpoint: Endpoint
  readonly fault: Fault
  /** Attempts that reached it, or would have. */
  received: number
  /** @param onAnswer called with the status, also after the caller has aborted: the task does the work anyway */
  serve(onAnswer: (status: number) => void): void
}

/** A task: workers and a queue. */
export class SimulatedTask implements Server {
  readonly endpoint: Endpoint
  fault: Fault = HEALTHY
  received = 0
  readonly #time: VirtualTime
  readonly #random: Random
  readonly #plan: TaskPlan
  readonly #queue: (() => void)[] = []
  #head = 0
  #working = 0

  constructor(plan: TaskPlan, time: VirtualTime, random: Random) {
    this.endpoint = taskEndpoint(plan.address, { port: 80, zone: plan.zone, weight: plan.weight })
    this.#plan = plan
    this.#time = time
    this.#random = random
  }

  serve(onAnswer: (status: number) => void): void {
    const { slowBy, waitMs, badInput } = this.fault
    const isFull = this.#queue.length - this.#head >= this.#plan.longestQueue
    const status = isFull ? 503 : this.fault.status
    if (status !== 200) {
      this.#time.setTimer(() => onAnswer(status), AT_ONCE_MS)
      return
    }
    if (badInput > 0 && this.#random.next() < badInput) {
      this.#time.setTimer(() => onAnswer(500), AT_ONCE_MS)
      return
    }
    const workMs = this.#plan.serviceTime(this.#random) * slowBy
    const work = (): void => {
      this.#working++
      this.#time.setTimer(() => {
        this.#working--
        this.#next()
        if (waitMs === 0) onAnswer(status)
        else this.#time.setTimer(() => onAnswer(status), waitMs)
      }, workMs)
    }
    if (this.#working < this.#plan.workers) work()
    else this.#queue.push(work)
  }

  #next(): void {
    const work = this.#queue[this.#head]
    if (work === undefined) return
    this.#head++
    if (this.#head === this.#queue.length) {
      this.#queue.length = 0
      this.#head = 0
    }
    work()
  }
}

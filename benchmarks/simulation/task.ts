import type { Random } from '../../src/core/clock.ts'
import { taskEndpoint, type Endpoint } from '../../src/discovery/endpoint.ts'
import type { ServiceTime } from './service-time.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface TaskPlan {
  readonly address: string
  readonly zone: string | undefined
  readonly weight: number
  /** Calls that it works on side by side; the others queue. */
  readonly workers: number
  readonly serviceTime: ServiceTime
  /** Calls that may wait; more are answered 503 at once. */
  readonly longestQueue: number
}

/** What is wrong with a task; may change at any moment, for calls that come from then on. */
export interface Fault {
  /** Times as long. */
  readonly slowBy: number
  /** Longer by so much, without work: it waits for somebody else. */
  readonly waitMs: number
  /** Answers this at once, instead of working. */
  readonly status: number
  /** Share of the calls that are answered 500, whatever the task. */
  readonly badInput: number
  /**
   * `refused`: by clients; a load balancer reaches it. `silent`: nothing comes from there any more, neither to new
   * connections nor over those that stand, as when a zone is cut off. `hung`: new connections are taken, too, and then
   * nothing, as when a process is stopped.
   */
  readonly connections: 'accepted' | 'refused' | 'silent' | 'hung'
}

export const HEALTHY: Fault = { slowBy: 1, waitMs: 0, status: 200, badInput: 0, connections: 'accepted' }

/** Whether nothing comes from it, whatever it is sent. */
export function isMute({ connections }: Fault): boolean {
  return connections === 'silent' || connections === 'hung'
}

const AT_ONCE_MS = 0.2

/** What takes calls: a task, or a load balancer. */
export interface Server {
  readonly endpoint: Endpoint
  readonly fault: Fault
  /** Attempts that reached it, or would have. */
  received: number
  /** @param onAnswer called with the status; also for a caller who has left meanwhile: the work is done all the same */
  serve(onAnswer: (status: number) => void): void
}

/** A task: some workers, and a queue. */
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

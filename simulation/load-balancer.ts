import type { Endpoint } from '../src/discovery/endpoint.ts'
import { HEALTHY, isMute, type Fault, type Server, type SimulatedTask } from './task.ts'
import type { VirtualTime } from './virtual-time.ts'

export const LOAD_BALANCER: Endpoint = {
  address: 'balancer.internal',
  port: 80,
  tier: 1,
  zone: undefined,
  weight: 1,
  id: undefined,
  attributes: undefined,
  origin: 'http://balancer.internal',
}

/** Sends each call to the healthy task with the fewest pending calls, as an ALB with least outstanding requests does. */
export class SimulatedLoadBalancer implements Server {
  readonly endpoint: Endpoint = LOAD_BALANCER
  readonly fault: Fault = HEALTHY
  received = 0
  readonly #targets: readonly SimulatedTask[]
  readonly #outstanding: number[]
  readonly #hopMs: number
  readonly #time: VirtualTime

  constructor(targets: readonly SimulatedTask[], hopMs: number, time: VirtualTime) {
    this.#targets = targets
    this.#outstanding = targets.map(() => 0)
    this.#hopMs = hopMs
    this.#time = time
  }

  serve(onAnswer: (status: number) => void): void {
    const outstanding = this.#outstanding
    let best = -1
    for (const [index, { fault }] of this.#targets.entries()) {
      if (isMute(fault) || fault.status !== 200) continue
      if (best < 0 || (outstanding[index] ?? 0) < (outstanding[best] ?? 0)) best = index
    }
    const target = this.#targets[best]
    if (target === undefined) {
      onAnswer(503)
      return
    }
    outstanding[best] = (outstanding[best] ?? 0) + 1
    this.#time.setTimer(() => {
      target.serve((status) => {
        outstanding[best] = (outstanding[best] ?? 0) - 1
        onAnswer(status)
      })
    }, this.#hopMs)
  }
}

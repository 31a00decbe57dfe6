import type { Fault } from '../fault.ts'
import { TaskServer, type TaskServerOptions, type TaskStats } from './task-server.ts'

/** One task of a fleet. What is asked of a task that has ended is rejected, except for ending it again. */
export interface FleetTask {
  /** `task-1`, as in the `task` field and the `x-task` header of its answers. */
  readonly id: string
  /** The loopback address that clients call. */
  readonly address: string
  /** Where a load balancer reaches it, whatever `cut` does; the same as `address` where there is but one. */
  readonly backAddress: string
  /** The port on both addresses. */
  readonly port: number
  /** Availability zone; undefined without `zones`. */
  readonly zone: string | undefined
  /** undefined for a task within this process. */
  readonly pid: number | undefined
  /** Neither killed nor shut down. */
  readonly alive: boolean
  /** Counts requests and connections. */
  stats(): Promise<TaskStats>
  /**
   * From the next request on. `{ kind: 'none' }` ends a fault.
   * @throws InvalidOptionsError for an unknown fault
   */
  set(fault: Fault): Promise<void>
  /** Refuses new clients and sends those connected away with their next answer; the back side goes on. */
  cut(): Promise<void>
  /** Takes clients again, on the same address and port. */
  restore(): Promise<void>
  /** SIGKILL for a process; within this process, every connection is reset at once. Also ends a `shutdown`. */
  kill(): Promise<void>
  /**
   * Processes only: SIGSTOP. It keeps its connections, accepts new ones, and does nothing. Until `resume`, only `kill` works:
   * `shutdown` waits, the other methods reject.
   */
  stop(): Promise<void>
  /** Processes only: SIGCONT. */
  resume(): Promise<void>
  /**
   * As on SIGTERM: takes no more connections, answers what it has taken, ends. A request that hangs keeps it from
   * ending, as in a real task until ECS kills it: `kill` does that here.
   */
  shutdown(): Promise<void>
}

export interface TaskPlace {
  readonly id: string
  readonly zone: string | undefined
  readonly address: string
  readonly backAddress: string
}

/** A task within this process. */
export async function startLocalTask(
  place: TaskPlace,
  port: number,
  options: Pick<TaskServerOptions, 'handler' | 'tls' | 'graceMs'>,
): Promise<FleetTask> {
  const server = new TaskServer(place, { ...options, id: place.id, zone: place.zone })
  await server.listen(port)
  let alive = true
  const onlyProcesses = (): Promise<never> =>
    Promise.reject(
      new Error(
        `${place.id} runs within this process, which cannot stop itself: startFleet({ processes: true })`,
      ),
    )
  return {
    ...place,
    port: server.port,
    pid: undefined,
    get alive() {
      return alive
    },
    stats: async () => server.stats(),
    set: async (fault) => server.set(fault),
    cut: async () => server.cut(),
    restore: () => server.restore(),
    async kill() {
      alive = false
      server.kill()
    },
    async shutdown() {
      alive = false
      await server.shutdown()
    },
    stop: onlyProcesses,
    resume: onlyProcesses,
  }
}

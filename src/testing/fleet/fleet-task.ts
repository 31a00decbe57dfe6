import type { Fault } from '../fault.ts'

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

/** What a task has been through since it started. */
export interface TaskStats {
  /** Requests received. */
  readonly requests: number
  /** Requests received, by method. */
  readonly byMethod: Readonly<Record<string, number>>
  /** Taken and not answered yet. */
  readonly inFlight: number
  /** Client-side connections that are open. */
  readonly connections: number
}

/** TLS of a fleet's tasks. */
export interface TaskTls {
  /** Private key, in PEM. */
  readonly key: string
  /** Certificate, in PEM. */
  readonly cert: string
  /** HTTP/2 for clients that offer it, HTTP/1.1 for the others [false]. */
  readonly http2?: boolean | undefined
}

/** Which task it is, and where it listens. */
export type TaskPlace = Pick<FleetTask, 'id' | 'zone' | 'address' | 'backAddress'>

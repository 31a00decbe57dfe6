import type { RequestListener } from 'node:http'
import { createServer } from 'node:net'
import { startLocalTask, startTaskProcess, type FleetTask, type TaskPlace } from './fleet-task.ts'

export interface FleetOptions {
  /** How many at first, from 1 to 200. */
  readonly tasks: number
  /** In processes of their own, which can be killed and stopped for real [false: within this process]. */
  readonly processes?: boolean
  /** Availability zones, taken in turn [none]. */
  readonly zones?: readonly string[]
  /** HTTPS with this key and certificate, in PEM [HTTP]. */
  readonly tls?: { readonly key: string; readonly cert: string }
  /** Answers requests, within this process only [JSON: task, zone, method, path, host, bytes of the body]. */
  readonly handler?: RequestListener
}

/** Tasks of a service: HTTP servers on 127.0.1.1, 127.0.1.2, ... that share one port. */
export interface Fleet extends AsyncDisposable {
  /** All that were ever started, in order; those that ended are not `alive`. */
  readonly tasks: readonly FleetTask[]
  /** Of the first task; of all of them where the OS has more than one loopback address. */
  readonly port: number
  /** Scales out by one. */
  add(): Promise<FleetTask>
  /** Ends all tasks, whatever state they are in. */
  close(): Promise<void>
}

const MOST_TASKS = 200
const MOST_TRIES = 10

/**
 * Starts a fleet. Where the OS has no 127.0.1.x (macOS without aliases), all tasks are on 127.0.0.1 with a port
 * each; then `cut` cuts the load balancer off as well.
 *
 * @throws RangeError for a number of tasks that is out of range
 * @throws TypeError for a handler where tasks are processes: functions stay in theirs
 */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const { tasks: count, processes = false, zones = [], tls, handler } = options
  if (!Number.isInteger(count) || count < 1 || count > MOST_TASKS) {
    throw new RangeError(`tasks: got ${count}; allowed: an integer from 1 to ${MOST_TASKS}`)
  }
  if (processes && handler !== undefined)
    throw new TypeError('handler: tasks in processes of their own take none')
  const manyAddresses = await canListenOn('127.0.1.1')
  const tasks: FleetTask[] = []

  const start = (port: number): Promise<FleetTask> => {
    const place = placeOf(tasks.length, manyAddresses, zones)
    return processes ? startTaskProcess(place, port, tls) : startLocalTask(place, port, { handler, tls })
  }
  const add = async (): Promise<FleetTask> => {
    const task = await start(manyAddresses ? (tasks[0]?.port ?? 0) : 0)
    tasks.push(task)
    return task
  }
  const close = async (): Promise<void> => {
    await Promise.all(tasks.map((task) => task.kill()))
  }

  for (let attempt = 1; tasks.length < count; attempt++) {
    try {
      await add()
    } catch (error) {
      await close()
      // The first task's port is taken on another address: all start anew, on another port.
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt >= MOST_TRIES) throw error
      tasks.length = 0
    }
  }
  const [first] = tasks
  return {
    tasks,
    port: first?.port ?? 0,
    add,
    close,
    [Symbol.asyncDispose]: close,
  }
}

function placeOf(index: number, manyAddresses: boolean, zones: readonly string[]): TaskPlace {
  return {
    id: `task-${index + 1}`,
    zone: zones.length === 0 ? undefined : zones[index % zones.length],
    address: manyAddresses ? `127.0.1.${index + 1}` : '127.0.0.1',
    backAddress: manyAddresses ? `127.0.2.${index + 1}` : '127.0.0.1',
  }
}

function canListenOn(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(0, address, () => server.close(() => resolve(true)))
  })
}

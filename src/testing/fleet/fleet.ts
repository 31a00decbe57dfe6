import type { RequestListener } from 'node:http'
import {
  checkArray,
  checkBoolean,
  checkKeys,
  checkNumber,
  checkString,
  given,
} from '../../core/check/check.ts'
import { checkFunction } from '../../core/check/functions.ts'
import { ClosedError, InvalidOptionsError } from '../../core/errors.ts'
import { canListenOn, untilPortsAreFree } from '../ports.ts'
import type { FleetTask, TaskPlace, TaskTls } from './fleet-task.ts'
import { TaskServer } from './task-server.ts'

/** Options of `startFleet`. Defaults in brackets. */
export interface FleetOptions {
  /** How many at first, from 1 to 200. */
  readonly tasks: number
  /** In processes of their own, which can be killed and stopped for real [false: within this process]. */
  readonly processes?: boolean | undefined
  /** Availability zones, taken in turn [none]. */
  readonly zones?: readonly string[] | undefined
  /** HTTPS with this key and certificate, in PEM [HTTP]; with `http2`, HTTP/2 for clients that offer it. */
  readonly tls?: TaskTls | undefined
  /**
   * On `shutdown`, how long clients may go on asking on connections that are open, in ms [0: a connection on which
   * nothing is under way is closed at once, under a request that is on its way, too].
   */
  readonly graceMs?: number | undefined
  /** Answers requests, within this process only [JSON: task, zone, method, path, host, bytes of the body]. */
  readonly handler?: RequestListener | undefined
}

/** Tasks of a service: HTTP servers on 127.0.1.1, 127.0.1.2, ... that share one port. */
export interface Fleet extends AsyncDisposable {
  /** All that were ever started, in order; those that ended are not `alive`. */
  readonly tasks: readonly FleetTask[]
  /** Of the first task; of all of them where the OS has more than one loopback address. */
  readonly port: number
  /** Scales out by one; 200 tasks is the most. */
  add(): Promise<FleetTask>
  /** Ends all tasks, whatever state they are in: hanging, stopped, shutting down. */
  close(): Promise<void>
}

const MAX_TASKS = 200
// ECS kills a task two minutes after SIGTERM at the latest.
const MAX_GRACE_MS = 120_000

/**
 * Starts a fleet. Where the OS has no 127.0.1.x (macOS without aliases), all tasks are on 127.0.0.1 with a port
 * each; then `cut` cuts the load balancer off as well.
 *
 * @throws InvalidOptionsError for options that are not allowed
 */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const { count, processes, zones, tls, graceMs, handler } = readOptions(options)
  const manyAddresses = await canListenOn('127.0.1.1')

  const start = async (index: number, port: number): Promise<FleetTask> => {
    const place = placeOf(index, manyAddresses, zones)
    if (!processes) {
      const task = new TaskServer(place, { handler, tls, graceMs })
      await task.listen(port)
      return task
    }
    // Loaded only where it is used: Babel and ts-jest leave its `import.meta` in CommonJS, which cannot be parsed.
    const { startTaskProcess } = await import('./fleet-process.ts')
    return startTaskProcess(place, port, { tls, graceMs })
  }
  const startAll = async (): Promise<FleetTask[]> => {
    const first = await start(0, 0)
    const others = Array.from({ length: count - 1 }, (_, index) =>
      start(index + 1, manyAddresses ? first.port : 0),
    )
    const started = await Promise.allSettled(others)
    const failed = started.find((result) => result.status === 'rejected')
    const tasks = [
      first,
      ...started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])),
    ]
    if (failed === undefined) return tasks
    await killAll(tasks)
    throw failed.reason
  }

  // The port that is free on the first address may be taken on another: then all start anew, on another port.
  const tasks = await untilPortsAreFree(startAll)
  const port = tasks[0]?.port ?? 0
  let closed = false
  /** One at a time: each takes the next address. */
  let lastAdded: Promise<unknown> = Promise.resolve()
  const addNext = async (): Promise<FleetTask> => {
    if (tasks.length === MAX_TASKS) throw new RangeError(`a fleet has at most ${MAX_TASKS} tasks`)
    const task = await start(tasks.length, manyAddresses ? port : 0)
    tasks.push(task)
    return task
  }
  const close = async (): Promise<void> => {
    closed = true
    await lastAdded
    await killAll(tasks)
  }
  return {
    tasks,
    port,
    add() {
      if (closed) return Promise.reject(new ClosedError('the fleet'))
      const added = lastAdded.then(addNext)
      lastAdded = added.catch(() => undefined)
      return added
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

function readOptions(options: FleetOptions) {
  checkKeys('', options, ['tasks', 'processes', 'zones', 'tls', 'graceMs', 'handler'])
  const { tls, handler } = options
  if (tls !== undefined) {
    checkKeys('tls', tls, ['key', 'cert', 'http2'])
    checkString('tls.key', tls.key, 'a key in PEM')
    checkString('tls.cert', tls.cert, 'a certificate in PEM')
    given('tls.http2', tls.http2, false, checkBoolean)
  }
  const processes = given('processes', options.processes, false, checkBoolean)
  if (handler !== undefined) {
    checkFunction('handler', handler, 'a function (request, response) => void')
    if (processes)
      throw new InvalidOptionsError('handler', handler, 'none where tasks are processes of their own')
  }
  return {
    count: checkNumber('tasks', options.tasks, { min: 1, max: MAX_TASKS, integer: true }),
    processes,
    zones: given('zones', options.zones, [], (path, value) =>
      checkArray(path, value, 'an array of zone names', (at, zone) => checkString(at, zone)),
    ),
    tls,
    graceMs: given('graceMs', options.graceMs, 0, (path, value) =>
      checkNumber(path, value, { min: 0, max: MAX_GRACE_MS, integer: true }),
    ),
    handler,
  }
}

async function killAll(tasks: readonly FleetTask[]): Promise<void> {
  await Promise.all(tasks.map((task) => task.kill()))
}

function placeOf(index: number, manyAddresses: boolean, zones: readonly string[]): TaskPlace {
  return {
    id: `task-${index + 1}`,
    zone: zones.length === 0 ? undefined : zones[index % zones.length],
    address: manyAddresses ? `127.0.1.${index + 1}` : '127.0.0.1',
    backAddress: manyAddresses ? `127.0.2.${index + 1}` : '127.0.0.1',
  }
}

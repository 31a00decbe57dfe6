/**
 * A scripted ECS service: tasks in processes of their own, started, registered, replaced and stopped as ECS does it at
 * its worst: SIGTERM first, deregistration some seconds later, SIGKILL after `stopTimeout`.
 */
import {
  checkArray,
  checkKeys,
  checkMs,
  checkNumber,
  checkOneOf,
  checkString,
  given,
} from '../../../core/check/check.ts'
import { ClosedError } from '../../../core/errors.ts'
import { canListenOn, freePort } from '../../ports.ts'
import type { EcsServiceOptions, LocalEcsService } from './ecs-service.ts'
import { TaskRun, type EcsWorld, type TaskScript } from './task-run.ts'

const MAX_TASKS = 50

/** @throws InvalidOptionsError for options that are not allowed */
export async function startEcsService(options: EcsServiceOptions, world: EcsWorld): Promise<LocalEcsService> {
  const { tasks: count, zones, ...script } = readOptions(options)
  const manyAddresses = await canListenOn('127.0.3.1')
  const port = await freePort(manyAddresses ? '127.0.3.1' : '127.0.0.1')
  const tasks: TaskRun[] = []
  let isClosed = false

  const start = async (env: Readonly<Record<string, string>> = {}): Promise<TaskRun> => {
    if (isClosed) throw new ClosedError('the service')
    const index = tasks.length
    const run = new TaskRun({ ...script, env: { ...script.env, ...env } }, world, {
      // One for each task that ever ran: an address is not given to another while callers may know it.
      address: manyAddresses ? addressOf(world.nextTask()) : '127.0.0.1',
      port: manyAddresses || index === 0 ? port : await freePort('127.0.0.1'),
      zone: zones.length === 0 ? undefined : zones[index % zones.length],
    })
    tasks.push(run)
    await run.start()
    return run
  }
  const close = async (): Promise<void> => {
    isClosed = true
    await Promise.all(tasks.map((task) => task.remove()))
  }
  const startMany = async (many: number, env?: Readonly<Record<string, string>>): Promise<void> => {
    const started = await Promise.allSettled(Array.from({ length: many }, () => start(env)))
    for (const result of started) if (result.status === 'rejected') throw result.reason
  }

  try {
    await startMany(count)
  } catch (error) {
    await close()
    throw error
  }
  return {
    tasks,
    port,
    add: () => start(),
    async deploy(deployment = {}) {
      checkKeys('', deployment, ['batch', 'env', 'awaitsExits'])
      const { batch = 1, env, awaitsExits = false } = deployment
      checkNumber('batch', batch, { min: 1, integer: true })
      const old = tasks.filter(({ state }) => state === 'RUNNING')
      const exits: Promise<unknown>[] = []
      for (let first = 0; first < old.length; first += batch) {
        const leaving = old.slice(first, first + batch)
        await startMany(leaving.length, env)
        exits.push(...leaving.map((task) => task.stop()))
        if (awaitsExits) await Promise.all(exits)
      }
      await Promise.all(exits)
      return old
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

function readOptions(
  options: EcsServiceOptions,
): TaskScript & { readonly tasks: number; readonly zones: readonly string[] } {
  checkKeys('', options, [
    ...['command', 'host', 'tasks', 'env', 'registeredBy', 'deregisterAfterMs', 'stopTimeoutMs'],
    ...['startWithinMs', 'zones'],
  ])
  const strings = (path: string, value: unknown): readonly string[] =>
    checkArray(path, value, 'an array of strings', (at, text) => checkString(at, text))
  return {
    command: strings('command', options.command),
    host: checkString('host', options.host),
    tasks: checkNumber('tasks', options.tasks, { min: 1, max: MAX_TASKS, integer: true }),
    env: options.env ?? {},
    registeredBy: given('registeredBy', options.registeredBy, 'ecs', (path, value) =>
      checkOneOf(path, value, ['ecs', 'task']),
    ),
    deregisterAfterMs: given('deregisterAfterMs', options.deregisterAfterMs, 0, checkMs),
    stopTimeoutMs: given('stopTimeoutMs', options.stopTimeoutMs, 30_000, checkMs),
    startWithinMs: given('startWithinMs', options.startWithinMs, 30_000, checkMs),
    zones: given('zones', options.zones, [], strings),
  }
}

/** 127.0.3.1 to 127.0.102.250, in turn. */
function addressOf(task: number): string {
  return `127.0.${3 + (Math.floor(task / 250) % 100)}.${(task % 250) + 1}`
}

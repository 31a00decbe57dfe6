/**
 * A Lambda function that deregisters what killed tasks left in Cloud Map: a SIGKILL or an out-of-memory kill leaves no
 * time for `deregister()`, and Cloud Map has no lease that would end.
 * @module onehop/ecs/reaper
 */
import { checkKeys, checkOneOrMany, given, msFrom } from '../core/check/check.ts'
import { keepAlive, systemClock, systemRandom, unawaited } from '../core/clock.ts'
import { InvalidOptionsError } from '../core/errors.ts'
import type { CloudMapOptions } from '../discovery/cloud-map/options.ts'
import { ServiceCalls, sdkTransport, type Transport } from './registration/cloud-map/calls.ts'
import { leave } from './registration/cloud-map/leave.ts'
import { listInstances, reportOrphan, type Registered } from './registration/cloud-map/look.ts'
import { IPV4, IPV6 } from './registration/cloud-map/limits.ts'
import { serviceIdOf } from './registration/cloud-map/service.ts'
import { checkService, readCloudMap } from './registration/options/read-options.ts'
import { stoppedTask, type StoppedTask, type TaskStateChange } from './task-state-change.ts'

export type { TaskStateChange } from './task-state-change.ts'
export { RegistrationError, type RegistrationFailure } from './registration/errors.ts'

/** Options of `reaper`. Defaults in brackets. */
export interface ReaperOptions {
  /** Cloud Map services that tasks register themselves in: ids, ARNs or names. */
  readonly services: string | readonly string[]
  /** Region, endpoint and credentials, as in `createClient`'s `cloudMap` [what the AWS SDK finds]. */
  readonly cloudMap?: Pick<CloudMapOptions, 'region' | 'endpoint' | 'credentials'> | undefined
  /** How long one event may take, in ms; give the Lambda function more [20000]. */
  readonly withinMs?: number | undefined
}

/** An instance that was deregistered. */
export interface ReapedInstance {
  /** Service as the option has it. */
  readonly service: string
  /** InstanceId. */
  readonly id: string
}

/**
 * Makes the handler of a Lambda function for EventBridge events "ECS Task State Change" with `lastStatus` STOPPED.
 *
 *     export const handler = reaper({ services: ['srv-…'] })
 *
 * It deregisters the instances whose id is the task's, or the task's with a port, and those at the task's addresses,
 * unless their id is that of another task. After a task that has deregistered itself, and for the same event again, it
 * only looks. Each removal is an event `onehop:registration.orphan-removed`.
 *
 * Needs servicediscovery:ListInstances and :DeregisterInstance on the services, and :GetOperation on `*`.
 *
 * @returns a handler that throws an AggregateError of RegistrationErrors if any service failed, so that Lambda repeats
 * the event; the others are done
 * @throws InvalidOptionsError for options that are unknown or not allowed
 */
export function reaper(
  options: ReaperOptions,
): (event: TaskStateChange) => Promise<readonly ReapedInstance[]> {
  const { services, cloudMap, withinMs } = checkKeys('', options, ['services', 'cloudMap', 'withinMs'])
  const names = checkOneOrMany('services', services, checkService)
  if (names.length === 0) throw new InvalidOptionsError('services', services, 'at least one service')
  const limitMs = given('withinMs', withinMs, 20_000, msFrom(1))
  // One client for all events that this process gets.
  const transport = sdkTransport(readCloudMap(cloudMap))
  return async (event) => {
    const task = stoppedTask(event)
    if (task === undefined) return []
    // Without it the process would count as idle while it waits for an answer.
    const alive = keepAlive(systemClock)
    try {
      return await reapAll(names, task, transport, systemClock.now() + limitMs)
    } finally {
      alive.cancel()
    }
  }
}

async function reapAll(
  services: readonly string[],
  task: StoppedTask,
  transport: Transport,
  deadlineAt: number,
): Promise<readonly ReapedInstance[]> {
  const ends = await Promise.allSettled(services.map((service) => reap(service, task, transport, deadlineAt)))
  const errors = ends.filter((end) => end.status === 'rejected').map(({ reason }) => reason as Error)
  if (errors.length === 0) return ends.flatMap((end) => (end.status === 'fulfilled' ? end.value : []))
  const reasons = errors.map(({ message }) => message).join('; ')
  throw new AggregateError(
    errors,
    `task ${task.id}: ${errors.length} of ${services.length} services: ${reasons}`,
  )
}

async function reap(
  service: string,
  task: StoppedTask,
  transport: Transport,
  deadlineAt: number,
): Promise<readonly ReapedInstance[]> {
  const clock = unawaited(systemClock)
  const callsFor = (id: string): ServiceCalls =>
    new ServiceCalls(service, { transport, clock, random: systemRandom, deadlineAt, id })
  const calls = callsFor(task.id)
  const serviceId = await calls.retried('ListServices', deadlineAt, () => serviceIdOf(calls))
  const instances = await calls.retried('ListInstances', deadlineAt, () => listInstances(calls, serviceId))
  const orphans = instances.filter((instance) => isLeftBy(task, instance))
  for (const orphan of orphans) {
    const { id } = orphan
    await leave({ calls: callsFor(id), serviceId, id }, deadlineAt)
    reportOrphan(service, orphan)
  }
  return orphans.map(({ id }) => ({ service, id }))
}

/** Ids of tasks as ECS makes them, and those of further ports. */
const TASK_ID = /^[0-9a-f]{32}(-\d{1,5})?$/
const PORT_SUFFIX = /^(-\d{1,5})?$/

/** At the task's address, another task's id is that of the one which got the address next. */
function isLeftBy({ id: taskId, addresses }: StoppedTask, { id, attributes }: Registered): boolean {
  if (id.startsWith(taskId) && PORT_SUFFIX.test(id.slice(taskId.length))) return true
  if (TASK_ID.test(id)) return false
  return [attributes[IPV4], attributes[IPV6]].some(
    (address) => address !== undefined && addresses.has(address),
  )
}

/** Tasks have the time that they need to leave, and health checks request a path that they answer. */
import { at, items, type Json, text } from '../template.ts'
import type { Task, World } from '../world.ts'
import { mayDo } from './permissions.ts'

/** The defaults of `gracefulShutdown()`, in seconds: docs/ecs/shutdown.md. */
const PROPAGATION_S = { own: 5, ecs: 10 }
const AFTER_WINDOW_S = 1 /* quiet */ + 10 /* finish */ + 2 /* close */ + 1 /* margin */

export function lifecycleComplaints({ tasks, registries, namespaces }: World): string[] {
  return [
    ...tasks.flatMap((task) => [
      ...containerComplaints(task),
      ...timeComplaints(task, registries),
      ...balancerComplaints(task),
    ]),
    ...Object.values(namespaces)
      .filter(isTooSlowToForget)
      .map((each) => `The SOA TTL of ${text(each, 'Name')} is above 10 s.`),
  ]
}

function containerComplaints({ name, container, definition }: Task): string[] {
  const serves = items(at(container, 'PortMappings')).length > 0
  const expected: readonly (readonly [what: string, value: Json | undefined, wanted: Json])[] = [
    ['NetworkMode', at(definition, 'NetworkMode'), 'awsvpc'],
    ['CpuArchitecture', at(definition, 'RuntimePlatform', 'CpuArchitecture'), 'ARM64'],
    ['ReadonlyRootFilesystem', at(container, 'ReadonlyRootFilesystem'), true],
    ['InitProcessEnabled', at(container, 'LinuxParameters', 'InitProcessEnabled'), true],
    ['User', at(container, 'User'), 'node'],
    ['the log mode', at(container, 'LogConfiguration', 'Options', 'mode'), 'non-blocking'],
  ]
  return [
    ...expected.flatMap(([what, value, wanted]) =>
      value === wanted ? [] : [`${name}: ${what} is ${text(value)}, not ${text(wanted)}.`],
    ),
    ...(serves && !at(container, 'HealthCheck') ? [`${name} has no health check.`] : []),
  ]
}

function timeComplaints(task: Task, registries: World['registries']): string[] {
  const stopTimeoutS = Number(at(task.container, 'StopTimeout'))
  const reported = task.environment['ONEHOP_STOP_TIMEOUT_S']
  const registersIn = task.environment['CLOUD_MAP_SERVICE']
  const registry = task.registry ?? registries[registersIn ?? '']
  const ttlS = Math.max(
    0,
    ...items(at(registry, 'DnsConfig', 'DnsRecords')).map((record) => Number(at(record, 'TTL'))),
  )
  const isOwn = mayDo(task, 'servicediscovery:RegisterInstance')
  const neededS = registry ? ttlS + PROPAGATION_S[isOwn ? 'own' : 'ecs'] + AFTER_WINDOW_S : 0
  return [
    ...(reported === String(stopTimeoutS)
      ? []
      : [`${task.name}: StopTimeout is ${stopTimeoutS}, ONEHOP_STOP_TIMEOUT_S ${reported}.`]),
    ...(stopTimeoutS <= 120
      ? []
      : [`${task.name}: Fargate ends a task after 120 s, StopTimeout is ${stopTimeoutS}.`]),
    ...(neededS <= stopTimeoutS
      ? []
      : [`${task.name} needs ${neededS} s to leave, its StopTimeout is ${stopTimeoutS} s.`]),
  ]
}

/** The balancer checks the same path as the container's check, and lets a task go before ECS would kill it. */
function balancerComplaints({ name, container, balancer }: Task): string[] {
  if (!balancer) return []
  const path = text(balancer.targets, 'HealthCheckPath')
  const delay = attribute(balancer.targets, 'TargetGroupAttributes', 'deregistration_delay.timeout_seconds')
  const asked =
    items(at(container, 'HealthCheck', 'Command'))
      .map(String)
      .at(-1) ?? ''
  return [
    ...(asked.endsWith(path) ? [] : [`${name}: its balancer asks ${path}, its container ${asked}.`]),
    ...(Number(delay) < Number(at(container, 'StopTimeout'))
      ? []
      : [`${name}: its balancer holds on to a task for ${text(delay)} s.`]),
    ...(at(balancer.targets, 'TargetType') === 'ip'
      ? []
      : [`${name}: the targets of Fargate are addresses.`]),
  ]
}

function attribute(resource: Json, list: string, key: string): Json | undefined {
  return at(
    items(at(resource, list)).find((each) => at(each, 'Key') === key),
    'Value',
  )
}

function isTooSlowToForget(namespace: Json): boolean {
  if (at(namespace, 'Vpc') === undefined) return false
  return !(Number(at(namespace, 'Properties', 'DnsProperties', 'SOA', 'TTL')) <= 10)
}

/** Each role has the permissions that its code needs, and no others. */
import { at, text } from '../template.ts'
import type { Statement, Task, World } from '../world.ts'

/** The calls of discovery. */
const DISCOVERY = ['servicediscovery:DiscoverInstances', 'servicediscovery:DiscoverInstancesRevision']
/** The calls of `register()`. */
export const REGISTRATION: readonly string[] = [
  'servicediscovery:RegisterInstance',
  'servicediscovery:DeregisterInstance',
  'servicediscovery:UpdateInstanceCustomHealthStatus',
  'servicediscovery:GetInstance',
  'servicediscovery:GetService',
  'servicediscovery:ListInstances',
]
/** The calls of the reaper. */
export const REAPING: readonly string[] = [
  'servicediscovery:DeregisterInstance',
  'servicediscovery:ListInstances',
]

/** Actions that AWS restricts to no resource, and why. */
const WITHOUT_RESOURCE: Readonly<Record<string, string>> = {
  'ecr:GetAuthorizationToken': 'the token is of the account',
  'servicediscovery:GetOperation': 'an operation has no ARN',
  'servicediscovery:DiscoverInstances': 'takes names; the condition restricts it',
  'servicediscovery:DiscoverInstancesRevision': 'takes names; the condition restricts it',
}

export function mayDo({ permissions }: Task, action: string): boolean {
  return permissions.some((statement) => statement.action === action)
}

export function permissionComplaints(world: World): string[] {
  return [
    ...Object.entries(world.roles).flatMap(([role, statements]) =>
      statements.flatMap((each) => wildcardComplaints(role, each)),
    ),
    ...world.tasks.flatMap((task) => taskComplaints(task, world)),
    ...reaperComplaints(world),
  ]
}

function wildcardComplaints(role: string, { action, resource, condition }: Statement): string[] {
  if (action.includes('*')) return [`${role} may ${action}: name the actions.`]
  if (resource !== '*')
    return resource.endsWith('*') && !resource.endsWith('.Arn/*')
      ? [`${role} may ${action} on ${resource}.`]
      : []
  if (!WITHOUT_RESOURCE[action]) return [`${role} may ${action} on every resource.`]
  const namespace = at(condition, 'StringEquals', 'servicediscovery:NamespaceName')
  return DISCOVERY.includes(action) && !namespace ? [`${role} may ${action} in every namespace.`] : []
}

function taskComplaints(task: Task, world: World): string[] {
  const registersIn = task.environment['CLOUD_MAP_SERVICE']
  const bucket = task.environment['BUCKET']
  const usesApi = task.environment['ORDERS_URL'] !== undefined || task.name === 'bench'
  const needed: Statement[] = [
    ...(usesApi ? DISCOVERY.map((action) => ({ action, resource: '*' })) : []),
    ...(bucket ? [{ action: 's3:PutObject', resource: `${bucket}.Arn/*` }] : []),
    ...(registersIn ? registration(registersIn, world, REGISTRATION) : []),
  ]
  return compare(task.name, task.permissions, needed)
}

function reaperComplaints(world: World): string[] {
  if (!world.reaper) return ['The reaper is missing.']
  const role = text(world.reaper.code, 'Role').replace(/\.Arn$/, '')
  const statements = (world.roles[role] ?? []).filter(({ action }) => !action.startsWith('logs:'))
  const services = world.tasks.flatMap(({ environment }) => environment['CLOUD_MAP_SERVICE'] ?? [])
  const pattern = at(world.reaper.rule, 'EventPattern')
  const hears =
    text(pattern, 'source', 0) === 'aws.ecs' &&
    text(pattern, 'detail-type', 0) === 'ECS Task State Change' &&
    text(pattern, 'detail', 'lastStatus', 0) === 'STOPPED'
  return [
    ...(hears ? [] : ['The rule of the reaper does not match tasks that have stopped.']),
    ...(world.counts['AWS::Lambda::Permission'] ? [] : ['EventBridge may not invoke the reaper.']),
    ...services
      .filter(
        (service) => !text(world.reaper?.code, 'Environment', 'Variables', 'SERVICES').includes(service),
      )
      .map((service) => `The reaper does not know ${service}.`),
    ...compare(
      'The reaper',
      statements,
      services.flatMap((service) => registration(service, world, REAPING)),
    ),
  ]
}

/** Permissions to change the instances of a service. With DNS, also the records of its namespace. */
function registration(
  service: string,
  { registries, namespaces }: World,
  actions: readonly string[],
): Statement[] {
  const namespace = text(registries[service], 'NamespaceId')
  const zone = `arn:\${AWS::Partition}:route53:::hostedzone/${namespace}.HostedZoneId`
  return [
    ...actions.map((action) => ({ action, resource: `${service}.Arn` })),
    { action: 'servicediscovery:GetOperation', resource: '*' },
    ...(at(namespaces[namespace], 'Vpc')
      ? [{ action: 'route53:ChangeResourceRecordSets', resource: zone }]
      : []),
  ]
}

function compare(name: string, has: readonly Statement[], needs: readonly Statement[]): string[] {
  // The stack of a service may be another one than the reaper's, which then makes the ARN of an id.
  const key = ({ action, resource }: Statement): string =>
    `${action} on ${resource.replace(/^arn:.*:service\/(.+)$/, '$1.Arn')}`
  const [had, needed] = [new Set(has.map(key)), new Set(needs.map(key))]
  return [
    ...[...needed].filter((each) => !had.has(each)).map((each) => `${name} may not ${each}, but has to.`),
    ...[...had]
      .filter((each) => !needed.has(each))
      .map((each) => `${name} may ${each}, and does not need it.`),
  ]
}

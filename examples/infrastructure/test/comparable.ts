import type { Json } from '../check/template.ts'
import type { World } from '../check/world.ts'

/** Properties that do not matter to the comparison: defaults that CDK writes out, generated names, places of code and images. */
const LEFT_OUT = new Set([
  'Alarms',
  'Capabilities',
  'Code',
  'DeploymentController',
  'EnableECSManagedTags',
  'Family',
  'Id',
  'Image',
  'InstanceTenancy',
  'RouteTableIds',
  'Tags',
  'awslogs-region',
  // A zone by name, or by its place in the list of zones.
  'AvailabilityZone',
])

/** Lists whose order means nothing. */
const UNORDERED = new Set(['LoadBalancerAttributes', 'TargetGroupAttributes', 'admits', 'roles', 'endpoints'])

/** Equal for two styles that make the same. */
export function comparable(world: World): unknown {
  const { tasks, roles, counts: _counts, ...rest } = world
  return plain({
    ...rest,
    tasks: tasks.map(({ definition, container, service, ...task }) => ({
      ...task,
      // CDK makes a role for each task; a role without permissions equals none.
      definition: without(definition, [
        'ContainerDefinitions',
        ...(task.permissions.length > 0 ? [] : ['TaskRoleArn']),
      ]),
      container,
      service: service ?? null,
    })),
    roles: Object.entries(roles)
      .filter(([, statements]) => statements.length > 0)
      .map(([role, statements]) => ({ role, may: statements.map(statementOf).toSorted() })),
  } as unknown as Json)
}

function statementOf({ action, resource, condition }: World['roles'][string][number]): string {
  // The repository of the templates and that of CDK; an ARN from an id and an attribute of the service.
  const on = resource
    .replace(/^arn:.*:repository\/.*$|^Repository\(.*\)\.Arn$/, '(repository)')
    .replace(/^arn:.*:service\/(.+)$/, '$1.Arn')
  return `${action} on ${on}${condition ? ` if ${JSON.stringify(condition)}` : ''}`
}

function plain(value: Json, key = ''): unknown {
  if (Array.isArray(value)) {
    const list = value.filter((item) => !isPlaceholder(item)).map((item) => plain(item))
    return UNORDERED.has(key)
      ? list.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
      : list
  }
  // The service has it too, where it belongs.
  if (key === 'DnsConfig') return plain(without(value, ['NamespaceId']))
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(
      Object.entries(value)
        .filter(([name]) => !LEFT_OUT.has(name))
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, item]) => [name, plain(item, name)]),
    )
  if (key === 'max-buffer-size') return value === '4m' ? '4194304b' : value
  if (key === 'ServiceName') return String(value).replace(/\$\{AWS::Region\}|eu-west-1/, '(region)')
  // A list as a parameter has it.
  if (typeof value === 'string' && /Subnets$|SubnetIds$/.test(key)) return value.split(',')
  return value
}

function without(value: Json, keys: readonly string[]): Json {
  return Object.fromEntries(
    Object.entries(value as Record<string, Json>).filter(([key]) => !keys.includes(key)),
  )
}

/** CDK's rule for a group that is to send nothing: a group without rules sends everything. */
function isPlaceholder(rule: Json): boolean {
  return typeof rule === 'object' && rule !== null && 'peer' in rule && rule['peer'] === '255.255.255.255/32'
}

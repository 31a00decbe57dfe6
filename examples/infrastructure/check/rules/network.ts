/** No way out but the endpoints, no way in but from callers. */
import { at, items, type Json, text } from '../template.ts'
import type { Task, World } from '../world.ts'
import { mayDo } from './permissions.ts'

const CALLERS = 'SecurityGroup(shop-network: Tasks that call services)'

/** Resources that would give the VPC a way out, or a task a public address. */
const WAYS_OUT = ['NatGateway', 'InternetGateway', 'EgressOnlyInternetGateway', 'EIP']

export function networkComplaints(world: World): string[] {
  return [
    ...WAYS_OUT.filter((type) => world.counts[`AWS::EC2::${type}`]).map((type) => `The VPC has a ${type}.`),
    ...world.vpcs
      .filter((vpc) => at(vpc, 'EnableDnsHostnames') !== true || at(vpc, 'EnableDnsSupport') !== true)
      .map(() => 'The VPC has no DNS: its endpoints have no private names.'),
    ...world.subnets
      .filter((subnet) => at(subnet, 'MapPublicIpOnLaunch') === true)
      .map((subnet) => `Subnet ${text(subnet, 'CidrBlock')} gives public addresses.`),
    ...world.tasks.flatMap((task) => [
      ...addressComplaints(task),
      ...endpointComplaints(task, world),
      ...admissionComplaints(task, world),
    ]),
    ...Object.entries(world.admits).flatMap(([group, rules]) =>
      rules
        .filter(({ peer }) => !peer.startsWith('SecurityGroup('))
        .map(({ peer }) => `${group} admits ${peer}, and not a group.`),
    ),
  ]
}

function addressComplaints({ name, service, balancer }: Task): string[] {
  const assigned = at(service, 'NetworkConfiguration', 'AwsvpcConfiguration', 'AssignPublicIp')
  return [
    ...(service && assigned !== 'DISABLED' ? [`${name}: AssignPublicIp is ${text(assigned)}.`] : []),
    ...(balancer && at(balancer.itself, 'Scheme') !== 'internal'
      ? [`${name}: its balancer is not internal.`]
      : []),
  ]
}

/** The endpoints that a task needs, and whether they admit it. */
function endpointComplaints(task: Task, { endpoints, admits }: World): string[] {
  const needed = ['ecr.api', 'ecr.dkr', 'logs', 's3']
  if (mayDo(task, 'servicediscovery:DiscoverInstances')) needed.push('data-servicediscovery')
  if (mayDo(task, 'servicediscovery:RegisterInstance')) needed.push('servicediscovery')
  return needed.flatMap((name) => {
    const endpoint = endpoints.find(
      (each) => text(each, 'ServiceName').match(/^com\.amazonaws\.[^.]+\.(.+)$/)?.[1] === name,
    )
    if (!endpoint) return [`${task.name} needs the endpoint ${name}.`]
    if (name === 's3')
      return items(at(endpoint, 'RouteTableIds')).length > 0
        ? []
        : [`${task.name}: no route table has the endpoint s3.`]
    const isAdmitted = items(at(endpoint, 'SecurityGroupIds')).some((group) =>
      hasRule(admits, group, task.groups, 443),
    )
    return [
      ...(at(endpoint, 'PrivateDnsEnabled') === true ? [] : [`The endpoint ${name} has no private DNS.`]),
      ...(isAdmitted ? [] : [`The endpoint ${name} does not admit ${task.name} on port 443.`]),
    ]
  })
}

function admissionComplaints(task: Task, { admits, reaches }: World): string[] {
  const port = Number(at(task.container, 'PortMappings', 0, 'ContainerPort'))
  const [group = '(no group)'] = task.groups
  const isDirect = task.registry !== undefined || mayDo(task, 'servicediscovery:RegisterInstance')
  const complaints: string[] = []
  if (isDirect && !hasRule(admits, group, [CALLERS], port))
    complaints.push(`${task.name} does not admit callers on port ${port}.`)
  if (task.balancer) {
    const [balancer = '(no group)'] = items(at(task.balancer.itself, 'SecurityGroups')).map(String)
    const open = Number(at(task.balancer.listener, 'Port'))
    if (!hasRule(admits, group, [balancer], port))
      complaints.push(`${task.name} does not admit its balancer on port ${port}.`)
    if (!hasRule(reaches, balancer, [group], port))
      complaints.push(`The balancer of ${task.name} does not reach it on port ${port}.`)
    if (!hasRule(admits, balancer, [CALLERS], open))
      complaints.push(`The balancer of ${task.name} does not admit callers on port ${open}.`)
  }
  return complaints
}

function hasRule(rules: World['admits'], group: Json, groups: readonly string[], port: number): boolean {
  return (rules[text(group)] ?? []).some((rule) => groups.includes(rule.peer) && rule.port === port)
}

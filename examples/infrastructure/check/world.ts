/** What a style makes in an account, whatever its syntax: the rules and the comparison read this. */
import { resolver, nameOf, type Resolve } from './references.ts'
import type { Stack, Style } from './styles.ts'
import { at, items, type Json, type Resource, text } from './template.ts'

/** A rule of a security group: the other side, and the port. */
export interface Rule {
  readonly peer: string
  readonly port: number
}

export interface Statement {
  readonly action: string
  readonly resource: string
  readonly condition?: Json
}

export interface Task {
  readonly stack: string
  readonly name: string
  /** Of the task definition and its container, as they are. */
  readonly definition: Json
  readonly container: Json
  readonly environment: Readonly<Record<string, string>>
  readonly permissions: readonly Statement[]
  /** Undefined: started by RunTask. */
  readonly service: Json | undefined
  /** The groups of its network interface, as its service has them or the command that the stack outputs. */
  readonly groups: readonly string[]
  readonly registry: Json | undefined
  readonly balancer: { readonly itself: Json; readonly listener: Json; readonly targets: Json } | undefined
}

export interface World {
  readonly tasks: readonly Task[]
  /** By the name of a security group: what may connect to it, and what it may connect to, if that is restricted. */
  readonly admits: Readonly<Record<string, readonly Rule[]>>
  readonly reaches: Readonly<Record<string, readonly Rule[]>>
  readonly endpoints: readonly Json[]
  /** Namespaces and services of Cloud Map, by their names here. */
  readonly namespaces: Readonly<Record<string, Json>>
  readonly registries: Readonly<Record<string, Json>>
  readonly roles: Readonly<Record<string, readonly Statement[]>>
  readonly vpcs: readonly Json[]
  readonly subnets: readonly Json[]
  readonly reaper: { readonly code: Json; readonly rule: Json } | undefined
  /** How many resources of each type. */
  readonly counts: Readonly<Record<string, number>>
}

interface Found {
  readonly stack: Stack
  readonly id: string
  readonly resource: Resource
  readonly name: string
  readonly properties: Json
}

export function worldOf(style: Style): World {
  const resolve = resolver(style)
  const found = style.stacks.flatMap((stack) => resourcesOf(stack, resolve))
  const byType = (type: string): Found[] => found.filter(({ resource }) => resource.Type === type)
  const properties = (type: string): Json[] => byType(type).map((each) => each.properties)
  const roles = rolesOf(byType)
  const reaper = properties('AWS::Lambda::Function')[0]
  const rule = properties('AWS::Events::Rule')[0]
  return {
    tasks: byType('AWS::ECS::TaskDefinition').map((each) => taskOf(each, byType, roles, resolve)),
    admits: groupRules(byType, 'SecurityGroupIngress'),
    reaches: groupRules(byType, 'SecurityGroupEgress'),
    endpoints: properties('AWS::EC2::VPCEndpoint'),
    namespaces: named([
      ...byType('AWS::ServiceDiscovery::PrivateDnsNamespace'),
      ...byType('AWS::ServiceDiscovery::HttpNamespace'),
    ]),
    registries: named(byType('AWS::ServiceDiscovery::Service')),
    roles,
    vpcs: properties('AWS::EC2::VPC'),
    subnets: properties('AWS::EC2::Subnet'),
    reaper: reaper && rule ? { code: reaper, rule } : undefined,
    counts: Object.fromEntries(
      Object.entries(Object.groupBy(found, ({ resource }) => resource.Type)).map(([type, all]) => [
        type,
        all?.length ?? 0,
      ]),
    ),
  }
}

function named(found: readonly Found[]): Record<string, Json> {
  return Object.fromEntries(found.map(({ name, properties }) => [name, properties]))
}

function resourcesOf(stack: Stack, resolve: Resolve): Found[] {
  return Object.entries(stack.template.Resources).map(([id, resource]) => ({
    stack,
    id,
    resource,
    name: nameOf(stack, resource),
    properties: resolve(stack, resource.Properties) ?? {},
  }))
}

type ByType = (type: string) => Found[]

function taskOf(
  { stack, name, properties }: Found,
  byType: ByType,
  roles: World['roles'],
  resolve: Resolve,
): Task {
  const container = items(at(properties, 'ContainerDefinitions'))[0] ?? {}
  const service = byType('AWS::ECS::Service').find(
    (each) => at(each.properties, 'TaskDefinition') === name,
  )?.properties
  const network = at(service, 'NetworkConfiguration', 'AwsvpcConfiguration')
  const lookUp = (type: string, wanted: Json | undefined): Json | undefined =>
    wanted === undefined
      ? undefined
      : byType(type).find((each) => each.name === text(wanted).replace(/\.\w+$/, ''))?.properties
  const targets = at(service, 'LoadBalancers', 0, 'TargetGroupArn')
  const listener = byType('AWS::ElasticLoadBalancingV2::Listener').find(
    (each) => at(each.properties, 'DefaultActions', 0, 'TargetGroupArn') === targets,
  )?.properties
  const itself = lookUp('AWS::ElasticLoadBalancingV2::LoadBalancer', at(listener, 'LoadBalancerArn'))
  const targetGroup = lookUp('AWS::ElasticLoadBalancingV2::TargetGroup', targets)
  return {
    stack: stack.name,
    name: text(container, 'Name'),
    definition: properties,
    container,
    environment: Object.fromEntries(
      items(at(container, 'Environment')).map((each) => [text(each, 'Name'), text(each, 'Value')]),
    ),
    permissions: roles[text(properties, 'TaskRoleArn').replace(/\.Arn$/, '')] ?? [],
    service,
    groups: service ? items(at(network, 'SecurityGroups')).map(String) : groupsOfRun(stack, resolve),
    registry: lookUp('AWS::ServiceDiscovery::Service', at(service, 'ServiceRegistries', 0, 'RegistryArn')),
    balancer:
      targets && listener && itself && targetGroup ? { itself, listener, targets: targetGroup } : undefined,
  }
}

/** RunTask gets its groups from its caller, so from the command that the stack outputs. */
function groupsOfRun(stack: Stack, resolve: Resolve): string[] {
  const command = text(resolve(stack, stack.template.Outputs?.['Run']?.Value))
  return /securityGroups=\[([^\]]+)\]/.exec(command)?.[1]?.split(',') ?? []
}

/** Statements with one action and one resource each, of the role and of the policies that are attached to it. */
function rolesOf(byType: ByType): World['roles'] {
  const roles: Record<string, Statement[]> = {}
  const add = (role: string, document: Json | undefined): void => {
    for (const statement of items(at(document, 'Statement')))
      for (const action of items(at(statement, 'Action')))
        for (const resource of items(at(statement, 'Resource'))) {
          const condition = at(statement, 'Condition')
          const one = { action: text(action), resource: text(resource), ...(condition && { condition }) }
          roles[role] = [...(roles[role] ?? []), one]
        }
  }
  for (const { name, properties } of byType('AWS::IAM::Role')) {
    roles[name] ??= []
    for (const policy of items(at(properties, 'Policies'))) add(name, at(policy, 'PolicyDocument'))
  }
  for (const { properties } of byType('AWS::IAM::Policy'))
    for (const role of items(at(properties, 'Roles'))) add(text(role), at(properties, 'PolicyDocument'))
  return roles
}

/** Rules inside the group, and those beside it. */
function groupRules(byType: ByType, kind: 'SecurityGroupIngress' | 'SecurityGroupEgress'): World['admits'] {
  const rules: Record<string, Rule[]> = {}
  const add = (group: string, rule: Json): void => {
    const keys = ['SourceSecurityGroupId', 'DestinationSecurityGroupId', 'CidrIp', 'CidrIpv6']
    const peer = keys.map((key) => at(rule, key)).find(Boolean)
    rules[group] = [...(rules[group] ?? []), { peer: text(peer), port: Number(at(rule, 'FromPort')) }]
  }
  for (const { name, properties } of byType('AWS::EC2::SecurityGroup')) {
    rules[name] ??= []
    for (const rule of items(at(properties, kind))) add(name, rule)
  }
  for (const { properties } of byType(`AWS::EC2::${kind}`)) add(text(properties, 'GroupId'), properties)
  return rules
}

import { CfnSecurityGroupIngress, Port, SecurityGroup, SubnetType } from 'aws-cdk-lib/aws-ec2'
import {
  AvailabilityZoneRebalancing,
  type CloudMapOptions,
  FargateService,
  type FargateTaskDefinition,
} from 'aws-cdk-lib/aws-ecs'
import type { Construct } from 'constructs'
import type { NetworkStack } from '../stacks/network.ts'
import { port } from './settings.ts'

/** The group of tasks that callers connect to. */
export function calledDirectly(scope: Construct, network: NetworkStack, name: string): SecurityGroup {
  const group = calledByBalancer(scope, network, name)
  group.addIngressRule(network.callers, Port.tcp(port), 'Direct calls')
  return group
}

/** The group of tasks that only their balancer connects to; CDK adds that rule. The endpoints admit the group. */
export function calledByBalancer(scope: Construct, network: NetworkStack, name: string): SecurityGroup {
  const group = new SecurityGroup(scope, 'Tasks', { vpc: network.vpc, description: `Tasks of ${name}` })
  // Here and not in the network's stack, which would then depend on this one.
  new CfnSecurityGroupIngress(scope, 'ToEndpoints', {
    groupId: network.endpoints.securityGroupId,
    sourceSecurityGroupId: group.securityGroupId,
    ipProtocol: 'tcp',
    fromPort: 443,
    toPort: 443,
    description: `${name} to AWS`,
  })
  return group
}

interface ServiceOptions {
  readonly task: FargateTaskDefinition
  readonly group: SecurityGroup
  /** The Cloud Map service in which ECS registers the tasks. Without it they register themselves, or are behind a balancer only. */
  readonly cloudMap?: CloudMapOptions
}

/** Two tasks in two zones. During a deployment there are never fewer than two. */
export function runService(
  scope: Construct,
  network: NetworkStack,
  { task, group, cloudMap }: ServiceOptions,
): FargateService {
  return new FargateService(scope, 'Service', {
    cluster: network.cluster,
    taskDefinition: task,
    desiredCount: 2,
    minHealthyPercent: 100,
    maxHealthyPercent: 200,
    circuitBreaker: { rollback: true },
    availabilityZoneRebalancing: AvailabilityZoneRebalancing.ENABLED,
    vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
    securityGroups: [group],
    assignPublicIp: false,
    ...(cloudMap && { cloudMapOptions: cloudMap }),
  })
}

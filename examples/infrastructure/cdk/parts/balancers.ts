import { Duration } from 'aws-cdk-lib'
import { Port, SecurityGroup, SubnetType } from 'aws-cdk-lib/aws-ec2'
import type { FargateService } from 'aws-cdk-lib/aws-ecs'
import {
  ApplicationLoadBalancer,
  ApplicationProtocol,
  NetworkLoadBalancer,
  Protocol,
} from 'aws-cdk-lib/aws-elasticloadbalancingv2'
import type { Construct } from 'constructs'
import type { NetworkStack } from '../stacks/network.ts'
import { balancerPort, port } from './settings.ts'

/** How a balancer checks a task's health, and how long it still uses a task that leaves. */
const TARGETS = {
  port,
  // By default a deployment waits for 300 s.
  deregistrationDelay: Duration.seconds(15),
}
const HEALTH = {
  path: '/ready',
  interval: Duration.seconds(10),
  timeout: Duration.seconds(5),
  healthyThresholdCount: 2,
  unhealthyThresholdCount: 2,
}

export type Balancer = ApplicationLoadBalancer | NetworkLoadBalancer

/** An internal ALB in front of a service's tasks. */
export function behindAlb(scope: Construct, network: NetworkStack, service: FargateService): Balancer {
  const balancer = new ApplicationLoadBalancer(scope, 'Balancer', {
    ...internal(network),
    securityGroup: balancerGroup(scope, network),
    // If this is longer than the tasks' keep-alive timeout, they close connections that the balancer is about to use: 502.
    idleTimeout: Duration.seconds(60),
    dropInvalidHeaderFields: true,
  })
  balancer
    .addListener('Listener', { port: balancerPort, protocol: ApplicationProtocol.HTTP, open: false })
    .addTargets('Targets', {
      ...TARGETS,
      protocol: ApplicationProtocol.HTTP,
      healthCheck: HEALTH,
      targets: [service],
    })
  return balancer
}

/** An internal NLB in front of a service's tasks. */
export function behindNlb(scope: Construct, network: NetworkStack, service: FargateService): Balancer {
  const group = balancerGroup(scope, network)
  const balancer = new NetworkLoadBalancer(scope, 'Balancer', {
    ...internal(network),
    securityGroups: [group],
  })
  // CDK connects the targets of an ALB, but not those of an NLB.
  service.connections.allowFrom(group, Port.tcp(port), 'Load balancer to target')
  balancer.addListener('Listener', { port: balancerPort }).addTargets('Targets', {
    ...TARGETS,
    healthCheck: { ...HEALTH, protocol: Protocol.HTTP },
    targets: [service],
  })
  return balancer
}

function internal({ vpc }: NetworkStack) {
  return { vpc, internetFacing: false, vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED } }
}

function balancerGroup(scope: Construct, { vpc, callers }: NetworkStack): SecurityGroup {
  const description = 'The balancer'
  const group = new SecurityGroup(scope, 'BalancerGroup', { vpc, description, allowAllOutbound: false })
  group.addIngressRule(callers, Port.tcp(balancerPort), 'Calls through the balancer')
  return group
}

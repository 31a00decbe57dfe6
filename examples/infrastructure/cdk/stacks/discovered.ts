import { CfnOutput, Duration, Stack, type StackProps } from 'aws-cdk-lib'
import { DnsRecordType } from 'aws-cdk-lib/aws-servicediscovery'
import type { Construct } from 'constructs'
import { behindAlb, type Balancer } from '../parts/balancers.ts'
import { calledDirectly, runService } from '../parts/service.ts'
import { dnsTtlS } from '../parts/settings.ts'
import { defineTask } from '../parts/task.ts'
import type { NetworkStack } from './network.ts'

/** A service that ECS registers in Cloud Map, with an internal ALB as the fallback of its callers. */
export class DiscoveredStack extends Stack {
  readonly fallback: Balancer

  constructor(scope: Construct, id: string, { network, ...props }: StackProps & { network: NetworkStack }) {
    super(scope, id, props)
    const service = runService(this, network, {
      task: defineTask(this, network, { name: 'orders' }),
      group: calledDirectly(this, network, 'orders'),
      cloudMap: {
        name: 'orders',
        cloudMapNamespace: network.dns,
        dnsRecordType: DnsRecordType.A,
        // CDK's default is 60 s: callers would use the address of a task for that long after its deregistration.
        dnsTtl: Duration.seconds(dnsTtlS),
      },
    })
    this.fallback = behindAlb(this, network, service)
    new CfnOutput(this, 'Fallback', { value: `http://${this.fallback.loadBalancerDnsName}` })
  }
}

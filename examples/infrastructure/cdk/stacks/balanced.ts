import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import { behindAlb, behindNlb } from '../parts/balancers.ts'
import { calledByBalancer, runService } from '../parts/service.ts'
import { defineTask } from '../parts/task.ts'
import type { NetworkStack } from './network.ts'

interface BalancedProps extends StackProps {
  readonly network: NetworkStack
  readonly balancer: 'alb' | 'nlb'
}

/** A service that callers reach through an internal balancer only. */
export class BalancedStack extends Stack {
  constructor(scope: Construct, id: string, { network, balancer, ...props }: BalancedProps) {
    super(scope, id, props)
    const service = runService(this, network, {
      task: defineTask(this, network, { name: 'payments' }),
      group: calledByBalancer(this, network, 'payments'),
    })
    const { loadBalancerDnsName } = { alb: behindAlb, nlb: behindNlb }[balancer](this, network, service)
    new CfnOutput(this, 'Url', { value: `http://${loadBalancerDnsName}` })
  }
}

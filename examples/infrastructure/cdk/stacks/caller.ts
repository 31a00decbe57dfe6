import { Stack, type StackProps } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import type { Balancer } from '../parts/balancers.ts'
import { mayDiscover } from '../parts/permissions.ts'
import { runService } from '../parts/service.ts'
import { dnsNamespace, port } from '../parts/settings.ts'
import { defineTask } from '../parts/task.ts'
import type { NetworkStack } from './network.ts'

interface CallerProps extends StackProps {
  readonly network: NetworkStack
  /** The balancer that takes the calls which the tasks cannot take. */
  readonly fallback: Balancer
}

/** A service that calls orders directly, and through the balancer if the tasks cannot be reached. */
export class CallerStack extends Stack {
  constructor(scope: Construct, id: string, { network, fallback, ...props }: CallerProps) {
    super(scope, id, props)
    const task = defineTask(this, network, {
      name: 'web',
      command: ['node', 'caller.ts'],
      environment: {
        ORDERS_URL: `http://orders.${dnsNamespace}:${port}`,
        ORDERS_FALLBACK: `http://${fallback.loadBalancerDnsName}`,
      },
    })
    for (const statement of mayDiscover(dnsNamespace)) task.addToTaskRolePolicy(statement)
    runService(this, network, { task, group: network.callers })
  }
}

import { Stack, type StackProps } from 'aws-cdk-lib'
import type { Construct } from 'constructs'
import type { Balancer } from '../parts/balancers.ts'
import { mayDiscover } from '../parts/permissions.ts'
import { outputRunTask } from '../parts/run-task.ts'
import { dnsNamespace, port } from '../parts/settings.ts'
import { defineTask } from '../parts/task.ts'
import type { NetworkStack } from './network.ts'

interface BenchProps extends StackProps {
  readonly network: NetworkStack
  readonly fallback: Balancer
}

/** Compares direct calls with calls through the balancer, from a task of its own. */
export class BenchStack extends Stack {
  constructor(scope: Construct, id: string, { network, fallback, ...props }: BenchProps) {
    super(scope, id, props)
    const task = defineTask(this, network, {
      name: 'bench',
      serves: false,
      command: [
        'node_modules/.bin/onehop',
        'bench',
        `http://orders.${dnsNamespace}:${port}/v1/orders/42`,
        '--fallback',
        `http://${fallback.loadBalancerDnsName}`,
      ],
    })
    for (const statement of mayDiscover(dnsNamespace)) task.addToTaskRolePolicy(statement)
    outputRunTask(this, network, task, network.callers)
  }
}

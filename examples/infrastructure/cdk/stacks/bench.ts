import { CfnOutput, Duration, Stack, type StackProps } from 'aws-cdk-lib'
import { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import { BlockPublicAccess, Bucket } from 'aws-cdk-lib/aws-s3'
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
    const reports = new Bucket(this, 'Reports', {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      lifecycleRules: [{ id: 'expire', expiration: Duration.days(90) }],
    })
    const task = defineTask(this, network, {
      name: 'bench',
      serves: false,
      // With less, the generator itself would be measured.
      size: { cpu: 1024, memoryMiB: 2048 },
      volume: 'report',
      command: [
        ...['node', 'bench.ts', `http://orders.${dnsNamespace}:${port}/v1/orders/42`],
        ...['--fallback', `http://${fallback.loadBalancerDnsName}`],
      ],
      environment: { BUCKET: reports.bucketName },
    })
    for (const statement of mayDiscover(dnsNamespace)) task.addToTaskRolePolicy(statement)
    task.addToTaskRolePolicy(
      new PolicyStatement({ actions: ['s3:PutObject'], resources: [reports.arnForObjects('*')] }),
    )
    new CfnOutput(this, 'Log', { value: network.logGroup.logGroupName })
    new CfnOutput(this, 'Bucket', { value: reports.bucketName })
    outputRunTask(this, network, task, network.callers)
  }
}

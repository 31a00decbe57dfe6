import { CfnOutput, Fn, type Stack } from 'aws-cdk-lib'
import type { SecurityGroup } from 'aws-cdk-lib/aws-ec2'
import type { FargateTaskDefinition } from 'aws-cdk-lib/aws-ecs'
import type { NetworkStack } from '../stacks/network.ts'

/** Outputs the command that starts a task which belongs to no service. */
export function outputRunTask(
  stack: Stack,
  { cluster, vpc }: NetworkStack,
  task: FargateTaskDefinition,
  group: SecurityGroup,
): void {
  const subnets = Fn.join(
    ',',
    vpc.isolatedSubnets.map(({ subnetId }) => subnetId),
  )
  const configuration = `awsvpcConfiguration={subnets=[${subnets}],securityGroups=[${group.securityGroupId}]}`
  new CfnOutput(stack, 'Run', {
    value:
      `aws ecs run-task --cluster ${cluster.clusterName} --launch-type FARGATE ` +
      `--task-definition ${task.taskDefinitionArn} --network-configuration '${configuration}'`,
  })
}

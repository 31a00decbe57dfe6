import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Annotations, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib'
import { Rule } from 'aws-cdk-lib/aws-events'
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets'
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { Architecture, Code, Function, Runtime } from 'aws-cdk-lib/aws-lambda'
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { IService } from 'aws-cdk-lib/aws-servicediscovery'
import type { Construct } from 'constructs'
import { mayDeregister } from '../parts/permissions.ts'
import type { NetworkStack } from './network.ts'

const folder = fileURLToPath(new URL('../../reaper', import.meta.url))

interface ReaperProps extends StackProps {
  readonly network: NetworkStack
  /** Services whose tasks register themselves. ECS deregisters the tasks that it registered. */
  readonly services: readonly IService[]
}

/** Deregisters the instances of killed tasks. It runs outside the VPC, where it needs no endpoint. */
export class ReaperStack extends Stack {
  constructor(scope: Construct, id: string, { network, services, ...props }: ReaperProps) {
    super(scope, id, props)
    if (!existsSync(`${folder}/node_modules/onehop`))
      Annotations.of(this).addWarningV2(
        'shop:package',
        'The Lambda has no onehop yet: run `npm run package`.',
      )
    const logGroup = new LogGroup(this, 'Log', {
      retention: RetentionDays.TWO_WEEKS,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    // CDK's own role may write to every log group of the account.
    const role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') })
    logGroup.grantWrite(role)
    for (const statement of mayDeregister(services, network.dns)) role.addToPolicy(statement)
    const reaper = new Function(this, 'Reaper', {
      description: 'Deregisters what killed tasks left',
      code: Code.fromAsset(folder),
      handler: 'index.handler',
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: 256,
      timeout: Duration.seconds(60),
      environment: { SERVICES: services.map(({ serviceId }) => serviceId).join(',') },
      role,
      logGroup,
    })
    new Rule(this, 'Stopped', {
      description: 'Tasks of the cluster that have stopped',
      eventPattern: {
        source: ['aws.ecs'],
        detailType: ['ECS Task State Change'],
        detail: { clusterArn: [network.cluster.clusterArn], lastStatus: ['STOPPED'] },
      },
      targets: [new LambdaFunction(reaper, { retryAttempts: 10, maxEventAge: Duration.hours(1) })],
    })
  }
}

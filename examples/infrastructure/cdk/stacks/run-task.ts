import { Duration, Stack, type StackProps } from 'aws-cdk-lib'
import { DnsRecordType, Service } from 'aws-cdk-lib/aws-servicediscovery'
import type { Construct } from 'constructs'
import { mayRegister } from '../parts/permissions.ts'
import { outputRunTask } from '../parts/run-task.ts'
import { calledDirectly } from '../parts/service.ts'
import { dnsTtlS } from '../parts/settings.ts'
import { defineTask } from '../parts/task.ts'
import type { NetworkStack } from './network.ts'

/** A task that RunTask starts: ECS registers no such task, so it registers itself. */
export class RunTaskStack extends Stack {
  readonly service: Service

  constructor(scope: Construct, id: string, { network, ...props }: StackProps & { network: NetworkStack }) {
    super(scope, id, props)
    this.service = new Service(this, 'CloudMap', {
      namespace: network.dns,
      name: 'reports',
      dnsRecordType: DnsRecordType.A,
      dnsTtl: Duration.seconds(dnsTtlS),
      customHealthCheck: { failureThreshold: 1 },
    })
    const task = defineTask(this, network, {
      name: 'reports',
      environment: { CLOUD_MAP_SERVICE: this.service.serviceId },
    })
    for (const statement of mayRegister(this.service, network.dns)) task.addToTaskRolePolicy(statement)
    outputRunTask(this, network, task, calledDirectly(this, network, 'reports'))
  }
}

import { Stack, type StackProps } from 'aws-cdk-lib'
import { Service } from 'aws-cdk-lib/aws-servicediscovery'
import type { Construct } from 'constructs'
import { mayRegister } from '../parts/permissions.ts'
import { calledDirectly, runService } from '../parts/service.ts'
import { defineTask } from '../parts/task.ts'
import type { NetworkStack } from './network.ts'

/** A service in the HTTP namespace: its tasks register themselves, and callers find them by the API alone. */
export class RegisteringStack extends Stack {
  readonly service: Service

  constructor(scope: Construct, id: string, { network, ...props }: StackProps & { network: NetworkStack }) {
    super(scope, id, props)
    this.service = new Service(this, 'CloudMap', {
      namespace: network.http,
      name: 'stock',
      customHealthCheck: { failureThreshold: 1 },
    })
    const task = defineTask(this, network, {
      name: 'stock',
      environment: { CLOUD_MAP_SERVICE: this.service.serviceId },
    })
    for (const statement of mayRegister(this.service)) task.addToTaskRolePolicy(statement)
    runService(this, network, { task, group: calledDirectly(this, network, 'stock') })
  }
}

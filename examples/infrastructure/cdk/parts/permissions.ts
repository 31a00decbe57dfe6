import { Stack } from 'aws-cdk-lib'
import { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import type { IService, PrivateDnsNamespace } from 'aws-cdk-lib/aws-servicediscovery'

/** Permissions of a caller: the Cloud Map API, for the services of one namespace only. */
export function mayDiscover(namespace: string): PolicyStatement[] {
  return [
    new PolicyStatement({
      actions: ['servicediscovery:DiscoverInstances', 'servicediscovery:DiscoverInstancesRevision'],
      // Restricted by the names in the request: these two take names, and not ids.
      resources: ['*'],
      conditions: { StringEquals: { 'servicediscovery:NamespaceName': namespace } },
    }),
  ]
}

/**
 * Permissions of a task that registers itself in a service.
 *
 * @param zone The namespace, if it has DNS: Cloud Map changes the records with the permissions of the caller.
 */
export function mayRegister(service: IService, zone?: PrivateDnsNamespace): PolicyStatement[] {
  return [
    new PolicyStatement({
      actions: [
        'servicediscovery:RegisterInstance',
        'servicediscovery:DeregisterInstance',
        'servicediscovery:UpdateInstanceCustomHealthStatus',
        'servicediscovery:GetInstance',
        'servicediscovery:GetService',
        'servicediscovery:ListInstances',
      ],
      resources: [service.serviceArn],
    }),
    mayFollowOperations(),
    ...mayChangeRecords(zone),
  ]
}

/** Permissions of the reaper in the services that it cleans. */
export function mayDeregister(services: readonly IService[], zone: PrivateDnsNamespace): PolicyStatement[] {
  return [
    new PolicyStatement({
      actions: ['servicediscovery:DeregisterInstance', 'servicediscovery:ListInstances'],
      resources: services.map(({ serviceArn }) => serviceArn),
    }),
    mayFollowOperations(),
    ...mayChangeRecords(zone),
  ]
}

function mayFollowOperations(): PolicyStatement {
  // An operation has no ARN. Editions of AWS's service authorization reference differ on whether the ARN of its service is enough.
  return new PolicyStatement({ actions: ['servicediscovery:GetOperation'], resources: ['*'] })
}

function mayChangeRecords(zone: PrivateDnsNamespace | undefined): PolicyStatement[] {
  if (!zone) return []
  const { partition } = Stack.of(zone)
  const resources = [`arn:${partition}:route53:::hostedzone/${zone.namespaceHostedZoneId}`]
  return [new PolicyStatement({ actions: ['route53:ChangeResourceRecordSets'], resources })]
}

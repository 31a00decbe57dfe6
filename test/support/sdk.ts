import {
  GetOperationCommand,
  RegisterInstanceCommand,
  ServiceDiscoveryClient,
  type Operation,
} from '@aws-sdk/client-servicediscovery'
import type { LocalAws } from '../../src/testing/local-aws/index.ts'

/** AWS's own client, as it comes, without retries: a test counts its calls. */
export function sdkOf(aws: LocalAws): ServiceDiscoveryClient {
  return new ServiceDiscoveryClient({ ...aws.cloudMap, disableHostPrefix: true, maxAttempts: 1 })
}

/** Asks until the operation has ended; all the states that were seen on the way. */
export async function finished(
  sdk: ServiceDiscoveryClient,
  id: string | undefined,
): Promise<{ operation: Operation; seen: string[] }> {
  const seen: string[] = []
  for (;;) {
    const { Operation: operation } = await sdk.send(new GetOperationCommand({ OperationId: id }))
    if (operation?.Status === undefined) throw new Error(`operation ${id} has no status`)
    if (seen.at(-1) !== operation.Status) seen.push(operation.Status)
    if (operation.Status === 'SUCCESS' || operation.Status === 'FAIL') return { operation, seen }
  }
}

export async function registered(
  sdk: ServiceDiscoveryClient,
  ServiceId: string,
  InstanceId: string,
  Attributes: Record<string, string>,
): Promise<string[]> {
  const { OperationId } = await sdk.send(new RegisterInstanceCommand({ ServiceId, InstanceId, Attributes }))
  return (await finished(sdk, OperationId)).seen
}

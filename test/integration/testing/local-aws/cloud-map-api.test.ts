import {
  CreateHttpNamespaceCommand,
  CreatePrivateDnsNamespaceCommand,
  CreateServiceCommand,
  DeleteNamespaceCommand,
  DeleteServiceCommand,
  DeregisterInstanceCommand,
  DiscoverInstancesCommand,
  DiscoverInstancesRevisionCommand,
  DuplicateRequest,
  GetInstanceCommand,
  GetInstancesHealthStatusCommand,
  GetNamespaceCommand,
  GetOperationCommand,
  GetServiceCommand,
  InstanceNotFound,
  ListInstancesCommand,
  ListNamespacesCommand,
  ListServicesCommand,
  NamespaceAlreadyExists,
  OperationNotFound,
  RegisterInstanceCommand,
  ServiceNotFound,
  UpdateInstanceCustomHealthStatusCommand,
  type ServiceDiscoveryClient,
} from '@aws-sdk/client-servicediscovery'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startLocalAws, type LocalAws } from '../../../../src/testing/local-aws/index.ts'
import { addressesIn, askUdp } from '../../../support/dns/ask.ts'
import { manualClock } from '../../../../src/testing/fakes/manual-clock.ts'
import { failureOf } from '../../../support/failure-of.ts'
import { finished, registered, sdkOf } from '../../../support/sdk.ts'

const ORDERS = { NamespaceName: 'shop.local', ServiceName: 'orders' }
const IPV4 = { AWS_INSTANCE_IPV4: '10.0.0.1' }

let aws: LocalAws
let sdk: ServiceDiscoveryClient

beforeEach(async () => {
  aws = await startLocalAws({ operationStepMs: 2 })
  sdk = sdkOf(aws)
})

afterEach(async () => {
  sdk.destroy()
  await aws.close()
})

async function revision(): Promise<number> {
  const { InstancesRevision } = await sdk.send(new DiscoverInstancesRevisionCommand(ORDERS))
  return InstancesRevision ?? Number.NaN
}

test('a namespace, a service and an instance made through the API are discovered by API and DNS', async () => {
  const made = await sdk.send(
    new CreatePrivateDnsNamespaceCommand({ Name: 'shop.local', Vpc: 'vpc-1', CreatorRequestId: 'one' }),
  )
  const { operation } = await finished(sdk, made.OperationId)
  expect(operation).toMatchObject({
    Type: 'CREATE_NAMESPACE',
    Targets: { NAMESPACE: expect.stringMatching(/^ns-/) },
  })
  const { Service } = await sdk.send(
    new CreateServiceCommand({
      Name: 'orders',
      NamespaceId: operation.Targets?.NAMESPACE,
      DnsConfig: { DnsRecords: [{ Type: 'A', TTL: 42 }] },
      HealthCheckCustomConfig: { FailureThreshold: 1 },
    }),
  )
  await registered(sdk, Service?.Id ?? '', 'task-1', { ...IPV4, color: 'blue' })

  const found = await sdk.send(new DiscoverInstancesCommand(ORDERS))
  expect(found.Instances).toEqual([
    {
      InstanceId: 'task-1',
      NamespaceName: 'shop.local',
      ServiceName: 'orders',
      HealthStatus: 'HEALTHY',
      Attributes: { ...IPV4, color: 'blue' },
    },
  ])
  const answer = await askUdp(aws.dns.server, { name: 'orders.shop.local' })
  expect(answer.answers).toMatchObject([{ name: 'orders.shop.local', ttl: 42, data: '10.0.0.1' }])
})

test('an operation goes from SUBMITTED over PENDING to SUCCESS, and shows its effect only then', async () => {
  const clock = manualClock()
  const slow = await startLocalAws({ clock, operationStepMs: 100 })
  const client = sdkOf(slow)
  try {
    const { id } = slow.addService('orders.shop.local')
    const { OperationId } = await client.send(
      new RegisterInstanceCommand({ ServiceId: id, InstanceId: 'task-1', Attributes: IPV4 }),
    )
    expect((await client.send(new DiscoverInstancesCommand(ORDERS))).Instances).toEqual([])
    expect((await askUdp(slow.dns.server, { name: 'orders.shop.local' })).rcode).toBe('NXDOMAIN')
    const seen: unknown[] = []
    for (const ms of [99, 1, 99]) {
      const { Operation } = await client.send(new GetOperationCommand({ OperationId }))
      seen.push(Operation?.Status)
      await clock.advance(ms)
    }
    expect(seen).toEqual(['SUBMITTED', 'SUBMITTED', 'PENDING'])
    expect((await client.send(new DiscoverInstancesCommand(ORDERS))).Instances).toEqual([])
    await clock.advance(1)
    const { operation } = await finished(client, OperationId)
    expect(operation.Status).toBe('SUCCESS')
    expect(operation.Targets).toEqual({ INSTANCE: 'task-1', SERVICE: id })
    expect((await client.send(new DiscoverInstancesCommand(ORDERS))).Instances).toHaveLength(1)
    expect(addressesIn(await askUdp(slow.dns.server, { name: 'orders.shop.local' }))).toEqual(['10.0.0.1'])
  } finally {
    client.destroy()
    await slow.close()
  }
})

test('a service is named by its id or by its ARN', async () => {
  const { id, arn } = aws.addService('orders.shop.local')
  await registered(sdk, arn, 'task-1', IPV4)
  const one = await sdk.send(new GetInstanceCommand({ ServiceId: id, InstanceId: 'task-1' }))
  expect(one.Instance).toMatchObject({ Id: 'task-1', Attributes: IPV4 })
  const service = await sdk.send(new GetServiceCommand({ Id: id }))
  expect(service.Service).toMatchObject({ Arn: arn, Name: 'orders', InstanceCount: 1, Type: 'DNS_HTTP' })
})

test('the revision changes on register, re-register and deregister, and not on health', async () => {
  const { id } = aws.addService('orders.shop.local')
  const empty = await revision()
  await registered(sdk, id, 'task-1', IPV4)
  const one = await revision()
  expect(one).toBeGreaterThan(empty)
  await sdk.send(
    new UpdateInstanceCustomHealthStatusCommand({ ServiceId: id, InstanceId: 'task-1', Status: 'UNHEALTHY' }),
  )
  expect(await revision()).toBe(one)
  await registered(sdk, id, 'task-1', { AWS_INSTANCE_IPV4: '10.0.0.2' })
  const moved = await revision()
  expect(moved).toBeGreaterThan(one)
  const found = await sdk.send(new DiscoverInstancesCommand(ORDERS))
  expect(found.Instances?.map(({ Attributes }) => Attributes)).toEqual([{ AWS_INSTANCE_IPV4: '10.0.0.2' }])
  expect(found.InstancesRevision).toBe(moved)
  const { OperationId } = await sdk.send(
    new DeregisterInstanceCommand({ ServiceId: id, InstanceId: 'task-1' }),
  )
  await finished(sdk, OperationId)
  expect(await revision()).toBeGreaterThan(moved)
})

test('one operation at a time works on an instance; the same request again gets the same operation', async () => {
  const { id } = aws.addService('orders.shop.local')
  const request = { ServiceId: id, InstanceId: 'task-1', Attributes: IPV4, CreatorRequestId: 'once' }
  const slow = await startLocalAws({ operationStepMs: 60_000 })
  const client = sdkOf(slow)
  try {
    const ServiceId = slow.addService('orders.shop.local').id
    const first = await client.send(new RegisterInstanceCommand({ ...request, ServiceId }))
    const again = await client.send(new RegisterInstanceCommand({ ...request, ServiceId }))
    expect(again.OperationId).toBe(first.OperationId)
    const other = { ...request, ServiceId, CreatorRequestId: 'twice' }
    const error = await failureOf(client.send(new RegisterInstanceCommand(other)))
    expect(error).toBeInstanceOf(DuplicateRequest)
    expect(error['DuplicateOperationId']).toBe(first.OperationId)
  } finally {
    client.destroy()
    await slow.close()
  }
})

test('health begins with AWS_INIT_HEALTH_STATUS and is returned by GetInstancesHealthStatus', async () => {
  const { id } = aws.addService('orders.shop.local')
  await registered(sdk, id, 'task-1', { ...IPV4, AWS_INIT_HEALTH_STATUS: 'UNHEALTHY' })
  await registered(sdk, id, 'task-2', IPV4)
  const before = await sdk.send(new GetInstancesHealthStatusCommand({ ServiceId: id }))
  expect(before.Status).toEqual({ 'task-1': 'UNHEALTHY', 'task-2': 'HEALTHY' })
  await sdk.send(
    new UpdateInstanceCustomHealthStatusCommand({ ServiceId: id, InstanceId: 'task-1', Status: 'HEALTHY' }),
  )
  const after = await sdk.send(new GetInstancesHealthStatusCommand({ ServiceId: id, Instances: ['task-1'] }))
  expect(after.Status).toEqual({ 'task-1': 'HEALTHY' })
})

test('lists come in pages, and filtered', async () => {
  const { id, namespaceId } = aws.addService('orders.shop.local')
  aws.addService('users.shop.local')
  aws.addNamespace('plain', { type: 'http' })
  for (const name of ['a', 'b', 'c']) aws.register('orders.shop.local', name, { ipv4: '10.0.0.1' })
  const first = await sdk.send(new ListInstancesCommand({ ServiceId: id, MaxResults: 2 }))
  const second = await sdk.send(new ListInstancesCommand({ ServiceId: id, NextToken: first.NextToken }))
  expect([first, second].map(({ Instances }) => Instances?.map(({ Id }) => Id))).toEqual([['a', 'b'], ['c']])
  expect(second.NextToken).toBeUndefined()
  const services = await sdk.send(
    new ListServicesCommand({ Filters: [{ Name: 'NAMESPACE_ID', Values: [namespaceId] }] }),
  )
  expect(services.Services?.map(({ Name }) => Name)).toEqual(['orders', 'users'])
  const http = await sdk.send(new ListNamespacesCommand({ Filters: [{ Name: 'TYPE', Values: ['HTTP'] }] }))
  expect(http.Namespaces).toMatchObject([{ Name: 'plain', Type: 'HTTP', ServiceCount: 0 }])
})

test('what is in use is not deleted; what is not, is', async () => {
  const { id, namespaceId } = aws.addService('orders.shop.local')
  aws.register('orders.shop.local', 'task-1', { ipv4: '10.0.0.1' })
  expect((await failureOf(sdk.send(new DeleteServiceCommand({ Id: id })))).name).toBe('ResourceInUse')
  expect((await failureOf(sdk.send(new DeleteNamespaceCommand({ Id: namespaceId })))).name).toBe(
    'ResourceInUse',
  )
  aws.deregister('orders.shop.local', 'task-1')
  await sdk.send(new DeleteServiceCommand({ Id: id }))
  const { OperationId } = await sdk.send(new DeleteNamespaceCommand({ Id: namespaceId }))
  expect((await finished(sdk, OperationId)).seen.at(-1)).toBe('SUCCESS')
  expect((await failureOf(sdk.send(new GetNamespaceCommand({ Id: namespaceId })))).name).toBe(
    'NamespaceNotFound',
  )
})

describe('errors are raised by the SDK as its own', () => {
  test('for what is not there', async () => {
    const { id } = aws.addService('orders.shop.local')
    const nowhere = { ServiceId: 'srv-none', InstanceId: 'x', Attributes: IPV4 }
    expect(await failureOf(sdk.send(new RegisterInstanceCommand(nowhere)))).toBeInstanceOf(ServiceNotFound)
    const gone = { ServiceId: id, InstanceId: 'gone' }
    expect(await failureOf(sdk.send(new DeregisterInstanceCommand(gone)))).toBeInstanceOf(InstanceNotFound)
    expect(await failureOf(sdk.send(new GetInstanceCommand(gone)))).toBeInstanceOf(InstanceNotFound)
    const operation = new GetOperationCommand({ OperationId: 'none' })
    expect(await failureOf(sdk.send(operation))).toBeInstanceOf(OperationNotFound)
  })

  test('for a namespace that is there already, with its id', async () => {
    const { id } = aws.addNamespace('plain', { type: 'http' })
    const error = await failureOf(sdk.send(new CreateHttpNamespaceCommand({ Name: 'plain' })))
    expect(error).toBeInstanceOf(NamespaceAlreadyExists)
    expect(error['NamespaceId']).toBe(id)
  })

  test('for custom health in a service without it', async () => {
    const { id } = aws.addService('orders.shop.local', { customHealth: false })
    aws.register('orders.shop.local', 'task-1', { ipv4: '10.0.0.1' })
    const update = { ServiceId: id, InstanceId: 'task-1', Status: 'UNHEALTHY' } as const
    const error = await failureOf(sdk.send(new UpdateInstanceCustomHealthStatusCommand(update)))
    expect(error.name).toBe('CustomHealthNotFound')
  })

  test.each([
    ['an instance id with a space', 'task 1', IPV4],
    ['an instance id of 65 characters', 'x'.repeat(65), IPV4],
    ['no address for an A record', 'task-1', {}],
    ['an address that is none', 'task-1', { AWS_INSTANCE_IPV4: '10.0.0.256' }],
    ['a port that is none', 'task-1', { ...IPV4, AWS_INSTANCE_PORT: '70000' }],
    ['a health that is none', 'task-1', { ...IPV4, AWS_INIT_HEALTH_STATUS: 'FINE' }],
    ['a value of 1,025 characters', 'task-1', { ...IPV4, note: 'x'.repeat(1025) }],
    ['a key of 256 characters', 'task-1', { ...IPV4, ['k'.repeat(256)]: 'x' }],
    ['a value beyond ASCII', 'task-1', { ...IPV4, team: 'Zürich' }],
    ['a reserved key', 'task-1', { ...IPV4, AWS_SOMETHING: 'x' }],
    [
      '31 custom attributes',
      'task-1',
      { ...IPV4, ...Object.fromEntries(Array.from({ length: 31 }, (_, index) => [`key${index}`, 'x'])) },
    ],
    [
      'more than 5,000 characters in all',
      'task-1',
      {
        ...IPV4,
        a: 'x'.repeat(1024),
        b: 'x'.repeat(1024),
        c: 'x'.repeat(1024),
        d: 'x'.repeat(1024),
        e: 'x'.repeat(1000),
      },
    ],
  ] as [string, string, Record<string, string>][])('InvalidInput: %s', async (_, InstanceId, Attributes) => {
    const { id } = aws.addService('orders.shop.local')
    const request = new RegisterInstanceCommand({ ServiceId: id, InstanceId, Attributes })
    expect((await failureOf(sdk.send(request))).name).toBe('InvalidInput')
  })

  test('30 attributes and 64 characters of id are within the limits', async () => {
    const { id } = aws.addService('orders.shop.local')
    const custom = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`key${index}`, 'x']))
    const seen = await registered(sdk, id, 'x'.repeat(64), { ...IPV4, ...custom })
    expect(seen.at(-1)).toBe('SUCCESS')
  })

  test('for an operation that is not offered', async () => {
    const response = await fetch(aws.cloudMap.endpoint, {
      method: 'POST',
      headers: { 'x-amz-target': 'Route53AutoNaming_v20170314.Nonsense' },
    })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ __type: 'UnknownOperationException' })
  })
})

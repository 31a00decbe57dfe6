import { Resolver } from 'node:dns/promises'
import {
  DiscoverInstancesCommand,
  DiscoverInstancesRevisionCommand,
  InvalidInput,
  NamespaceNotFound,
  ServiceNotFound,
  type DiscoverInstancesCommandInput,
  type ServiceDiscoveryClient,
} from '@aws-sdk/client-servicediscovery'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startLocalAws, type LocalAws } from '../../../../src/testing/local-aws/index.ts'
import { seededRandom } from '../../../../src/testing/fakes/seeded-random.ts'
import { failureOf } from '../../../support/failure-of.ts'
import { sdkOf } from '../../../support/sdk.ts'

const HOST = 'orders.shop.local'
const ORDERS = { NamespaceName: 'shop.local', ServiceName: 'orders' }

let aws: LocalAws
let sdk: ServiceDiscoveryClient

beforeEach(async () => {
  aws = await startLocalAws({ random: seededRandom(1) })
  sdk = sdkOf(aws)
})

afterEach(async () => {
  sdk.destroy()
  await aws.close()
})

/** Ids in the order in which they came. */
async function discovered(input: Partial<DiscoverInstancesCommandInput> = {}): Promise<string[]> {
  const { Instances = [] } = await sdk.send(new DiscoverInstancesCommand({ ...ORDERS, ...input }))
  return Instances.map(({ InstanceId }) => InstanceId ?? '')
}

function threeTasks(): void {
  aws.addService(HOST)
  aws.register(HOST, 'a1', { ipv4: '10.0.0.1', port: 80, zone: 'eu-west-1a', attributes: { stage: 'prod' } })
  aws.register(HOST, 'a2', { ipv4: '10.0.0.2', zone: 'eu-west-1a', attributes: { stage: 'test' } })
  aws.register(HOST, 'b1', {
    ipv6: 'fd00::3',
    zone: 'eu-west-1b',
    health: 'UNHEALTHY',
    attributes: { stage: 'prod' },
  })
}

test('what is registered by the convenience has the attributes that ECS gives', async () => {
  threeTasks()
  const { Instances } = await sdk.send(new DiscoverInstancesCommand(ORDERS))
  expect(Instances?.find(({ InstanceId }) => InstanceId === 'a1')?.Attributes).toEqual({
    AWS_INSTANCE_IPV4: '10.0.0.1',
    AWS_INSTANCE_PORT: '80',
    AVAILABILITY_ZONE: 'eu-west-1a',
    REGION: 'eu-west-1',
    stage: 'prod',
  })
})

test('health filters: healthy ones by default, and all when none is healthy only where asked', async () => {
  threeTasks()
  expect((await discovered()).toSorted()).toEqual(['a1', 'a2'])
  expect(await discovered({ HealthStatus: 'UNHEALTHY' })).toEqual(['b1'])
  expect((await discovered({ HealthStatus: 'ALL' })).toSorted()).toEqual(['a1', 'a2', 'b1'])
  expect((await discovered({ HealthStatus: 'HEALTHY_OR_ELSE_ALL' })).toSorted()).toEqual(['a1', 'a2'])
  aws.setHealth(HOST, 'a1', 'UNHEALTHY')
  aws.setHealth(HOST, 'a2', 'UNHEALTHY')
  expect(await discovered({ HealthStatus: 'HEALTHY' })).toEqual([])
  expect((await discovered({ HealthStatus: 'HEALTHY_OR_ELSE_ALL' })).toSorted()).toEqual(['a1', 'a2', 'b1'])
})

test('without a health check the filter is not looked at, and health is UNKNOWN', async () => {
  aws.addService(HOST, { customHealth: false })
  aws.register(HOST, 'a1', { ipv4: '10.0.0.1', health: 'UNHEALTHY' })
  const { Instances } = await sdk.send(new DiscoverInstancesCommand({ ...ORDERS, HealthStatus: 'UNHEALTHY' }))
  expect(Instances).toMatchObject([{ InstanceId: 'a1', HealthStatus: 'UNKNOWN' }])
})

test('QueryParameters must all match; OptionalParameters that match nothing are passed over', async () => {
  threeTasks()
  const HealthStatus = 'ALL'
  expect((await discovered({ HealthStatus, QueryParameters: { stage: 'prod' } })).toSorted()).toEqual([
    'a1',
    'b1',
  ])
  const both = { stage: 'prod', AVAILABILITY_ZONE: 'eu-west-1a' }
  expect(await discovered({ HealthStatus, QueryParameters: both })).toEqual(['a1'])
  expect(await discovered({ HealthStatus, QueryParameters: { stage: 'none' } })).toEqual([])
  const wish = { QueryParameters: { stage: 'prod' }, OptionalParameters: { AVAILABILITY_ZONE: 'eu-west-1b' } }
  expect(await discovered({ HealthStatus, ...wish })).toEqual(['b1'])
  const vain = { QueryParameters: { stage: 'prod' }, OptionalParameters: { AVAILABILITY_ZONE: 'eu-west-1c' } }
  expect((await discovered({ HealthStatus, ...vain })).toSorted()).toEqual(['a1', 'b1'])
})

test('instances come in random order, at most MaxResults (100) of them', async () => {
  aws.addService(HOST)
  for (let task = 0; task < 120; task++) aws.register(HOST, `task-${task}`, { ipv4: `10.0.1.${task}` })
  const first = await discovered({ MaxResults: 1000 })
  const second = await discovered({ MaxResults: 1000 })
  expect(first).toHaveLength(120)
  expect(first).not.toEqual(second)
  expect(first.toSorted()).toEqual(second.toSorted())
  expect(await discovered()).toHaveLength(100)
  expect(await discovered({ MaxResults: 3 })).toHaveLength(3)
  expect(await failureOf(discovered({ MaxResults: 1001 }))).toBeInstanceOf(InvalidInput)
  expect(await failureOf(discovered({ MaxResults: 0 }))).toBeInstanceOf(InvalidInput)
})

test('unknown namespaces, services and owners have different errors', async () => {
  aws.addService(HOST)
  expect(await failureOf(discovered({ NamespaceName: 'none.local' }))).toBeInstanceOf(NamespaceNotFound)
  expect(await failureOf(discovered({ ServiceName: 'none' }))).toBeInstanceOf(ServiceNotFound)
  expect(await failureOf(discovered({ OwnerAccount: '999999999999' }))).toBeInstanceOf(NamespaceNotFound)
  expect(await discovered({ OwnerAccount: '111122223333' })).toEqual([])
  const revision = new DiscoverInstancesRevisionCommand({ ...ORDERS, ServiceName: 'none' })
  expect(await failureOf(sdk.send(revision))).toBeInstanceOf(ServiceNotFound)
})

test('an http namespace is discovered by the API, and refused by DNS', async () => {
  aws.addNamespace('plain', { type: 'http' })
  aws.addService('orders.plain')
  aws.register('orders.plain', 'a1', { ipv4: '10.0.0.1' })
  expect(await discovered({ NamespaceName: 'plain' })).toEqual(['a1'])
  const resolver = new Resolver()
  resolver.setServers([aws.dns.server])
  expect((await failureOf(resolver.resolve4('orders.plain')))['code']).toBe('EREFUSED')
})

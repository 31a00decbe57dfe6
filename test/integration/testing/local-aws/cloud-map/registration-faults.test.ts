/** Faults that tasks meet which register themselves. */
import {
  DeregisterInstanceCommand,
  GetInstanceCommand,
  GetServiceCommand,
  RegisterInstanceCommand,
  ResourceLimitExceeded,
  UpdateInstanceCustomHealthStatusCommand,
  type ServiceDiscoveryClient,
} from '@aws-sdk/client-servicediscovery'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startLocalAws, type LocalAws } from '../../../../../src/testing/local-aws/index.ts'
import { manualClock } from '../../../../../src/testing/fakes/manual-clock.ts'
import { failureOf } from '../../../../support/failure-of.ts'
import { finished, registered, sdkOf } from '../../../../support/sdk.ts'

const HOST = 'orders.shop.local'
const INSTANCE = { InstanceId: 'task-1', Attributes: { AWS_INSTANCE_IPV4: '10.0.0.1' } }

let aws: LocalAws
let sdk: ServiceDiscoveryClient
let ServiceId: string
let arn: string

beforeEach(async () => {
  aws = await startLocalAws({ operationStepMs: 1 })
  const service = aws.addService(HOST)
  ServiceId = service.id
  arn = service.arn
  sdk = sdkOf(aws)
})

afterEach(async () => {
  sdk.destroy()
  await aws.close()
})

const register = () => sdk.send(new RegisterInstanceCommand({ ServiceId, ...INSTANCE }))

test('throttling of management operations reads ThrottlingException, as at AWS', async () => {
  aws.cloudMap.faults.answer = 'throttle'
  expect(await failureOf(register())).toMatchObject({ name: 'ThrottlingException', message: 'Rate exceeded' })
})

test('denied names the action and the service', async () => {
  aws.cloudMap.faults.answer = 'deny'
  expect((await failureOf(register())).message).toContain(
    `is not authorized to perform: servicediscovery:RegisterInstance on resource: ${arn} because`,
  )
})

test('a fault of one operation holds for as many requests as it says, and the others are as they are', async () => {
  aws.cloudMap.faults.operations = { RegisterInstance: { answer: 'full', times: 2 } }
  expect(await failureOf(register())).toBeInstanceOf(ResourceLimitExceeded)
  await sdk.send(new GetServiceCommand({ Id: ServiceId }))
  expect(await failureOf(register())).toBeInstanceOf(ResourceLimitExceeded)
  await register()
  aws.cloudMap.faults.operations = { RegisterInstance: { answer: 'full', times: 1 } }
  expect(await failureOf(register())).toBeInstanceOf(ResourceLimitExceeded)
  aws.cloudMap.faults.clear()
  expect(aws.cloudMap.faults.operations).toEqual({})
})

test('a lost answer: the request is carried out nonetheless', async () => {
  aws.cloudMap.faults.operations = { RegisterInstance: { answer: 'lose' } }
  expect((await failureOf(register()))['code']).toBe('ECONNRESET')
  await expect.poll(() => aws.instances(HOST).length).toBe(1)
})

test('operations fail with the code that was chosen', async () => {
  aws.cloudMap.faults.failOperations = 'ACCESS_DENIED'
  const { OperationId } = await register()
  const { operation } = await finished(sdk, OperationId)
  expect(operation).toMatchObject({ Status: 'FAIL', ErrorCode: 'ACCESS_DENIED' })
})

test('a new instance is not known everywhere yet', async () => {
  aws.cloudMap.faults.notYetMs = 60_000
  await registered(sdk, ServiceId, 'task-1', INSTANCE.Attributes)
  const input = { ServiceId, InstanceId: 'task-1' }
  for (const command of [
    new GetInstanceCommand(input),
    new DeregisterInstanceCommand(input),
    new UpdateInstanceCustomHealthStatusCommand({ ...input, Status: 'UNHEALTHY' }),
  ])
    expect((await failureOf(sdk.send(command as GetInstanceCommand))).name).toBe('InstanceNotFound')
  expect(aws.instances(HOST)).toHaveLength(1)
  aws.cloudMap.faults.clear()
  await sdk.send(new DeregisterInstanceCommand(input))
})

test('custom health shows after its delay', async () => {
  const clock = manualClock()
  await using slow = await startLocalAws({ clock })
  const { id } = slow.addService(HOST)
  slow.register(HOST, 'task-1', { ipv4: '10.0.0.1' })
  slow.cloudMap.faults.healthDelayMs = 50
  const client = sdkOf(slow)
  await client.send(
    new UpdateInstanceCustomHealthStatusCommand({ ServiceId: id, InstanceId: 'task-1', Status: 'UNHEALTHY' }),
  )
  client.destroy()
  await clock.advance(49)
  expect(slow.instances(HOST)).toMatchObject([{ health: 'HEALTHY' }])
  await clock.advance(1)
  expect(slow.instances(HOST)).toMatchObject([{ health: 'UNHEALTHY' }])
  slow.setHealth(HOST, 'task-1', 'HEALTHY')
  expect(slow.instances(HOST)).toMatchObject([{ health: 'HEALTHY' }])
})

test('a service that is deleted and made again keeps its id, and forgets its instances', async () => {
  aws.register(HOST, 'task-1', { ipv4: '10.0.0.1' })
  aws.deleteService(HOST)
  expect((await failureOf(register())).name).toBe('ServiceNotFound')
  expect(aws.addService(HOST, { id: ServiceId })).toMatchObject({ id: ServiceId, arn })
  expect(aws.instances(HOST)).toEqual([])
})

test('misspelt faults of operations are refused', () => {
  const { faults } = aws.cloudMap
  const set = (operations: object) => () => (faults.operations = operations as typeof faults.operations)
  expect(set({ GetService: { answr: 'deny' } })).toThrow('did you mean answer')
  expect(set({ GetService: { answer: 'no' } })).toThrow('faults.operations.GetService.answer: got "no"')
  expect(set({ GetService: { times: -1 } })).toThrow('faults.operations.GetService.times: got -1')
})

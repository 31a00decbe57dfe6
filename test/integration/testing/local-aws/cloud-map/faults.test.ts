import {
  DiscoverInstancesCommand,
  DiscoverInstancesRevisionCommand,
  ListNamespacesCommand,
  RegisterInstanceCommand,
  RequestLimitExceeded,
  ServiceDiscoveryClient,
} from '@aws-sdk/client-servicediscovery'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startLocalAws, type LocalAws } from '../../../../../src/testing/local-aws/index.ts'
import { manualClock } from '../../../../../src/testing/fakes/manual-clock.ts'
import { failureOf } from '../../../../support/failure-of.ts'
import { finished, sdkOf } from '../../../../support/sdk.ts'

const ORDERS = { NamespaceName: 'shop.local', ServiceName: 'orders' }

let aws: LocalAws
let sdk: ServiceDiscoveryClient

beforeEach(async () => {
  aws = await startLocalAws({ operationStepMs: 1 })
  aws.addService('orders.shop.local')
  sdk = sdkOf(aws)
})

afterEach(async () => {
  sdk.destroy()
  await aws.close()
})

const discover = (signal?: AbortSignal) =>
  sdk.send(new DiscoverInstancesCommand(ORDERS), signal === undefined ? {} : { abortSignal: signal })

test('throttled, denied and unavailable, each as AWS says it, and back to normal', async () => {
  aws.cloudMap.faults.answer = 'throttle'
  expect(await failureOf(discover())).toBeInstanceOf(RequestLimitExceeded)
  aws.cloudMap.faults.answer = 'deny'
  const denied = await failureOf(discover())
  expect(denied.name).toBe('AccessDeniedException')
  expect(denied.message).toContain('servicediscovery:DiscoverInstances')
  aws.cloudMap.faults.answer = 'unavailable'
  const down = await failureOf(discover())
  expect(down['$metadata']).toMatchObject({ httpStatusCode: 503 })
  aws.cloudMap.faults.answer = 'garbage'
  expect((await failureOf(discover())).name).toBe('SyntaxError')
  aws.cloudMap.faults.clear()
  expect((await discover()).Instances).toEqual([])
})

test('the SDK takes throttling and outages for what may be tried again', async () => {
  const retrying = new ServiceDiscoveryClient({
    ...aws.cloudMap,
    disableHostPrefix: true,
    maxAttempts: 2,
  })
  for (const answer of ['throttle', 'unavailable'] as const) {
    const before = aws.cloudMap.calls['DiscoverInstances'] ?? 0
    aws.cloudMap.faults.answer = answer
    await failureOf(retrying.send(new DiscoverInstancesCommand(ORDERS)))
    expect(aws.cloudMap.calls['DiscoverInstances']).toBe(before + 2)
  }
  aws.cloudMap.faults.answer = 'deny'
  const before = aws.cloudMap.calls['DiscoverInstances'] ?? 0
  await failureOf(retrying.send(new DiscoverInstancesCommand(ORDERS)))
  expect(aws.cloudMap.calls['DiscoverInstances']).toBe(before + 1)
  retrying.destroy()
})

test('a fault can be kept to some operations', async () => {
  aws.cloudMap.faults.answer = 'throttle'
  aws.cloudMap.faults.only = ['DiscoverInstancesRevision']
  expect((await discover()).Instances).toEqual([])
  const revision = sdk.send(new DiscoverInstancesRevisionCommand(ORDERS))
  expect(await failureOf(revision)).toBeInstanceOf(RequestLimitExceeded)
})

test('calls are counted by operation', async () => {
  await Promise.all([discover(), discover(), sdk.send(new ListNamespacesCommand({}))])
  expect(aws.cloudMap.calls).toEqual({ DiscoverInstances: 2, ListNamespaces: 1 })
})

test('a hanging request is taken and never answered', async () => {
  aws.cloudMap.faults.answer = 'hang'
  const abort = new AbortController()
  const hanging = failureOf(discover(abort.signal))
  await expect.poll(() => aws.cloudMap.calls['DiscoverInstances']).toBe(1)
  abort.abort()
  expect((await hanging).name).toBe('AbortError')
})

test('a delayed answer comes when its time is over, on the clock that was given', async () => {
  const clock = manualClock()
  const slow = await startLocalAws({ clock })
  const client = sdkOf(slow)
  try {
    slow.addService('orders.shop.local')
    slow.cloudMap.faults.delayMs = 300
    let answered = false
    const reply = client.send(new DiscoverInstancesCommand(ORDERS)).then(() => (answered = true))
    await expect.poll(() => clock.pendingTimers).toBe(1)
    await clock.advance(299)
    expect(answered).toBe(false)
    await clock.advance(1)
    await reply
  } finally {
    client.destroy()
    await slow.close()
  }
})

test('an operation that is set to fail ends in FAIL, without its effect', async () => {
  const { id } = aws.addService('users.shop.local')
  aws.cloudMap.faults.failOperations = true
  const { OperationId } = await sdk.send(
    new RegisterInstanceCommand({
      ServiceId: id,
      InstanceId: 'task-1',
      Attributes: { AWS_INSTANCE_IPV4: '10.0.0.1' },
    }),
  )
  const { operation } = await finished(sdk, OperationId)
  expect(operation).toMatchObject({ Status: 'FAIL', ErrorCode: 'INTERNAL_FAILURE' })
  const users = { NamespaceName: 'shop.local', ServiceName: 'users' }
  expect((await sdk.send(new DiscoverInstancesCommand(users))).Instances).toEqual([])
})

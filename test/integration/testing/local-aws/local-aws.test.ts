import { execFile } from 'node:child_process'
import { connect } from 'node:net'
import { once } from 'node:events'
import { promisify } from 'node:util'
import {
  DiscoverInstancesCommand,
  GetServiceCommand,
  RegisterInstanceCommand,
} from '@aws-sdk/client-servicediscovery'
import { expect, test } from 'vitest'
import { cloudMapResolver } from '../../../../src/discovery/cloud-map/resolver.ts'
import { dnsResolver } from '../../../../src/discovery/dns/resolver.ts'
import { parseServiceName } from '../../../../src/discovery/service-name.ts'
import { startLocalAws, type AwsError, type LocalAws } from '../../../../src/testing/local-aws/index.ts'
import { manualClock } from '../../../../src/testing/fakes/manual-clock.ts'
import { askUdp, portOf } from '../../../support/dns/ask.ts'
import { failureOf } from '../../../support/failure-of.ts'
import { sdkOf } from '../../../support/sdk.ts'

const HOST = 'orders.shop.local'
const SERVICE = parseServiceName(HOST, ['shop.local'])
const never = new AbortController().signal

function withTasks(aws: LocalAws): void {
  aws.addService(HOST, { ttlSeconds: 20 })
  aws.register(HOST, 'a', { ipv4: '127.0.1.1', port: 8080, zone: 'eu-west-1a' })
  aws.register(HOST, 'b', { ipv4: '127.0.1.2', port: 8080, zone: 'eu-west-1b' })
}

test('cloudMap is the option of the same name: the resolver finds what was registered', async () => {
  await using aws = await startLocalAws()
  withTasks(aws)
  const resolver = cloudMapResolver(aws.cloudMap)
  const { endpoints } = await resolver.resolve(SERVICE, never)
  const found = endpoints.map(({ address, port, zone, id }) => `${id} ${address}:${port} ${zone}`)
  expect(found.toSorted()).toEqual(['a 127.0.1.1:8080 eu-west-1a', 'b 127.0.1.2:8080 eu-west-1b'])
  expect(aws.cloudMap.calls).toEqual({ DiscoverInstances: 1 })
  await resolver.close?.()
})

test('dns.server is one for the dns option: one query finds what was registered', async () => {
  await using aws = await startLocalAws()
  withTasks(aws)
  const resolver = dnsResolver({ servers: [aws.dns.server] })
  const { endpoints } = await resolver.resolve(SERVICE, never)
  expect(endpoints.map(({ address }) => address).toSorted()).toEqual(['127.0.1.1', '127.0.1.2'])
  expect(aws.dns.queries).toBe(1)
  await resolver.close?.()
})

test('a service goes to the longest namespace that it lies in; else its first label is its name', async () => {
  await using aws = await startLocalAws()
  const { id } = aws.addNamespace('local')
  const inner = aws.addNamespace('shop.local')
  expect(aws.addService('orders.shop.local').namespaceId).toBe(inner.id)
  expect(aws.addService('pay.v1.till.local').namespaceId).toBe(id)
  const { namespaceId } = aws.addService('a.b.c.internal')
  expect(aws.addService('d.b.c.internal').namespaceId).toBe(namespaceId)
})

test('what cannot be done is an error that says what would help', async () => {
  await using aws = await startLocalAws()
  const unknown = () => aws.register(HOST, 'a', { ipv4: '127.0.1.1' })
  expect(unknown).toThrow('addService("orders.shop.local")')
  expect(() => aws.addService('orders')).toThrow('not the host name')
  aws.addService(HOST)
  expect(() => aws.addService(HOST)).toThrow(
    expect.objectContaining({ code: 'ServiceAlreadyExists' }) as AwsError,
  )
  expect(() => aws.register(HOST, 'a', { ipv4: 'nonsense' })).toThrow('AWS_INSTANCE_IPV4')
  expect(() => aws.deregister(HOST, 'a')).toThrow(
    expect.objectContaining({ code: 'InstanceNotFound' }) as AwsError,
  )
  for (let task = 1; task <= 1000; task++) aws.register(HOST, `task-${task}`, { ipv4: '127.0.1.1' })
  expect(() => aws.register(HOST, 'one-more', { ipv4: '127.0.1.1' })).toThrow('1000 instances')
  aws.register(HOST, 'task-1', { ipv4: '127.0.1.2' })
  aws.addNamespace('plain', { type: 'http' })
  expect(() => aws.addService('x.plain', { records: ['A'] })).toThrow('of type HTTP')
  expect(() => aws.addService('y.shop.local', { records: ['A', 'CNAME'] })).toThrow('CNAME stands alone')
})

test('close ends what hangs, and can be called twice', async () => {
  const aws = await startLocalAws()
  withTasks(aws)
  const sdk = sdkOf(aws)
  aws.cloudMap.faults.answer = 'hang'
  aws.metadata.faults.delayMs = 60_000
  aws.dns.faults.delayMs = 60_000
  const hanging = [
    failureOf(sdk.send(new DiscoverInstancesCommand({ NamespaceName: 'shop.local', ServiceName: 'orders' }))),
    failureOf(fetch(aws.metadata.uriV4)),
  ]
  const idle = connect(portOf(aws.dns.server), '127.0.0.1')
  await once(idle, 'connect')
  const ended = once(idle, 'close')
  await expect.poll(() => [aws.cloudMap.calls['DiscoverInstances'], aws.metadata.requests]).toEqual([1, 1])
  await aws.close()
  await aws.close()
  await Promise.all(hanging)
  await ended
  sdk.destroy()
})

test('close leaves no timer: of delayed answers, operations, and refusals', async () => {
  const clock = manualClock()
  const aws = await startLocalAws({ clock, metadataRefuseMs: 60_000 })
  const sdk = sdkOf(aws)
  const ServiceId = aws.addService(HOST).id
  await sdk.send(
    new RegisterInstanceCommand({
      ServiceId,
      InstanceId: 'a',
      Attributes: { AWS_INSTANCE_IPV4: '127.0.1.1' },
    }),
  )
  expect(clock.pendingTimers).toBe(2)
  await aws.metadata.refuseConnections(30_000)
  expect(clock.pendingTimers).toBe(2)
  await aws.metadata.acceptConnections()
  expect(clock.pendingTimers).toBe(1)
  for (const { faults } of [aws.cloudMap, aws.dns, aws.metadata]) faults.delayMs = 60_000
  const abort = new AbortController()
  const waiting = [
    failureOf(sdk.send(new GetServiceCommand({ Id: ServiceId }))),
    failureOf(fetch(aws.metadata.uriV4)),
    failureOf(askUdp(aws.dns.server, { name: HOST }, abort.signal)),
  ]
  await expect.poll(() => clock.pendingTimers).toBe(4)
  await aws.close()
  await expect.poll(() => clock.pendingTimers).toBe(0)
  abort.abort()
  await Promise.all(waiting)
  sdk.destroy()
})

test('a refusal that is under way when the server closes does not open it again', async () => {
  const clock = manualClock()
  const aws = await startLocalAws({ clock })
  await Promise.all([aws.metadata.refuseConnections(1000), aws.close()])
  expect(clock.pendingTimers).toBe(0)
  expect((await failureOf(fetch(aws.metadata.uriV4))).cause).toMatchObject({ code: 'ECONNREFUSED' })
})

test('a process ends by itself after close, with requests and operations still under way', async () => {
  const module = new URL('../../../../src/testing/local-aws/index.ts', import.meta.url)
  const program = `
    import { createSocket } from 'node:dgram'
    const { startLocalAws } = await import(${JSON.stringify(module.href)})
    const aws = await startLocalAws({ metadataRefuseMs: 60_000, operationStepMs: 60_000 })
    const { id } = aws.addService('orders.shop.local')
    await fetch(aws.cloudMap.endpoint, {
      method: 'POST',
      headers: { 'x-amz-target': 'Route53AutoNaming_v20170314.RegisterInstance' },
      body: JSON.stringify({ ServiceId: id, InstanceId: 'a', Attributes: { AWS_INSTANCE_IPV4: '127.0.1.1' } }),
    }).then((response) => response.text())
    aws.cloudMap.faults.answer = 'hang'
    const hanging = fetch(aws.cloudMap.endpoint, { method: 'POST' }).catch(() => console.log('cut off'))
    const counted = () => Object.keys(aws.cloudMap.calls).length === 2
    while (!counted()) await new Promise((resolve) => setImmediate(resolve))
    await aws.close()
    await hanging
    console.log('closed')
  `
  const run = promisify(execFile)
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', program], {
    timeout: 25_000,
  })
  expect(stdout).toBe('cut off\nclosed\n')
})

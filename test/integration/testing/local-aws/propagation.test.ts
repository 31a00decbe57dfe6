/** AWS shows a change in the API and in DNS at different moments. */
import { parseServiceName } from '../../../../src/discovery/service-name.ts'
import { cloudMapResolver, dnsResolver, type Resolver } from 'onehop'
import { manualClock, startLocalAws, type LocalAws, type ManualClock } from 'onehop/testing'
import { beforeEach, expect, test } from 'vitest'
import { resources } from '../../../support/resources.ts'

const HOST = 'orders.shop.local'
const ORDERS = parseServiceName(HOST, ['shop.local'])
const { keep } = resources()
let aws: LocalAws
let clock: ManualClock

beforeEach(async () => {
  clock = manualClock()
  aws = keep(await startLocalAws({ clock }))
  aws.addService(HOST)
  aws.register(HOST, 'task-1', { ipv4: '10.0.0.1' })
  aws.register(HOST, 'task-2', { ipv4: '10.0.0.2' })
  await clock.advance(600_000)
})

async function namedBy(resolver: Resolver): Promise<string> {
  const { endpoints } = await resolver.resolve(ORDERS, new AbortController().signal)
  await resolver.close?.()
  return endpoints
    .map(({ address }) => address.slice('10.0.0.'.length))
    .toSorted((one, other) => Number(one) - Number(other))
    .join(' ')
}

const api = (): Promise<string> => namedBy(cloudMapResolver(aws.cloudMap))
const dns = (): Promise<string> => namedBy(dnsResolver({ servers: [aws.dns.server] }))

test.each(['dns', 'api'] as const)('%s may be behind: it shows what was, change by change', async (late) => {
  const faults = late === 'dns' ? aws.dns.faults : aws.cloudMap.faults
  const [behind, ahead] = late === 'dns' ? [dns, api] : [api, dns]
  faults.lagMs = 30_000
  aws.register(HOST, 'task-3', { ipv4: '10.0.0.3' })
  await clock.advance(10_000)
  aws.deregister(HOST, 'task-1')
  await clock.advance(10_000)
  // Another address of the same instance.
  aws.register(HOST, 'task-2', { ipv4: '10.0.0.9' })
  expect([await behind(), await ahead()]).toEqual(['1 2', '3 9'])
  await clock.advance(10_000)
  expect(await behind()).toBe('1 2 3')
  await clock.advance(10_000)
  expect(await behind()).toBe('2 3')
  await clock.advance(10_000)
  expect(await behind()).toBe('3 9')
  faults.lagMs = 45_000
  expect(await behind()).toBe('1 2 3')
  faults.clear()
  expect(await behind()).toBe('3 9')
})

test('the revision is behind with the instances', async () => {
  const revision = async (): Promise<number | undefined> => {
    const resolver = cloudMapResolver(aws.cloudMap)
    const snapshot = await resolver.resolve(ORDERS, new AbortController().signal)
    await resolver.close?.()
    return snapshot.revision
  }
  const before = await revision()
  aws.cloudMap.faults.lagMs = 5_000
  aws.deregister(HOST, 'task-1')
  expect(await revision()).toBe(before)
  await clock.advance(5_000)
  expect(await revision()).toBe((before ?? 0) + 1)
})

test('health is behind as well, and may leave DNS alone', async () => {
  aws.dns.faults.lagMs = 5_000
  aws.setHealth(HOST, 'task-1', 'UNHEALTHY')
  expect([await api(), await dns()]).toEqual(['2', '1 2'])
  await clock.advance(5_000)
  aws.cloudMap.faults.ignoresHealth = true
  expect([await api(), await dns()]).toEqual(['1 2', '2'])
})

test.each([-1, 600_001, Number.NaN])('a lag of %s is refused', (lagMs) => {
  expect(() => {
    aws.dns.faults.lagMs = lagMs
  }).toThrow('faults.lagMs')
  expect(() => {
    aws.cloudMap.faults.lagMs = lagMs
  }).toThrow('faults.lagMs')
})

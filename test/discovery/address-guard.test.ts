import { createClient } from 'onehop'
import { describe, expect, test } from 'vitest'
import { InvalidOptionsError, ResolutionFailedError } from '../../src/core/errors.ts'
import { addressGuard, guarded } from '../../src/discovery/address-guard.ts'
import { taskEndpoint, type Snapshot } from '../../src/discovery/endpoint.ts'
import type { Resolver } from '../../src/discovery/resolver.ts'
import { parseServiceName } from '../../src/discovery/service-name.ts'
import { manualClock } from '../../src/testing/manual-clock.ts'
import { scriptedResolver, type ScriptedAnswer } from '../../src/testing/scripted-resolver.ts'
import { eventsOf } from './events.ts'

describe('refused whatever the options', () => {
  const guard = addressGuard({ allowLoopback: true, allowAddresses: ['0.0.0.0/0', '::/0'] })
  test.each([
    ['169.254.170.2', 'link-local'],
    ['169.254.169.254', 'link-local'],
    ['::ffff:169.254.170.2', 'link-local'],
    ['::ffff:a9fe:aa02', 'link-local'],
    ['0:0:0:0:0:FFFF:A9FE:AA02', 'link-local'],
    ['64:ff9b::a9fe:aa02', 'link-local'],
    ['64:ff9b::169.254.170.2', 'link-local'],
    ['fe80::1', 'link-local'],
    ['febf:ffff::1', 'link-local'],
    ['FE80::1', 'link-local'],
    ['fd00:ec2::254', "AWS's instance services"],
    ['fd00:ec2::23', "AWS's instance services"],
    ['0.0.0.0', 'unspecified'],
    ['0.1.2.3', 'unspecified'],
    ['::', 'unspecified'],
    ['0:0::0', 'unspecified'],
    ['::ffff:0.0.0.0', 'unspecified'],
    ['224.0.0.1', 'multicast'],
    ['239.255.255.255', 'multicast'],
    ['ff02::1', 'multicast'],
    ['255.255.255.255', 'broadcast'],
    ['::ffff:ffff:ffff', 'broadcast'],
    ['fe80::1%eth0', 'no IP address'],
    ['2600:1f18::5%eth0', 'no IP address'],
    ['orders.shop.local', 'no IP address'],
    ['2130706433', 'no IP address'],
    ['0x7f.1', 'no IP address'],
    ['127.1', 'no IP address'],
    ['0177.0.0.1', 'no IP address'],
    ['10.0.0.1:80', 'no IP address'],
    ['[::1]', 'no IP address'],
    ['', 'no IP address'],
  ])('%s: %s', (address, reason) => expect(guard.check(address)).toBe(reason))
})

const LOOPBACKS = ['127.0.0.1', '127.255.1.2', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1', '64:ff9b::7f00:1']

test.each(LOOPBACKS)('%s is refused unless loopback is allowed', (address) => {
  expect(addressGuard().check(address)).toContain('loopback')
  expect(addressGuard({ allowAddresses: ['127.0.0.0/8', '::/0'] }).check(address)).toContain('loopback')
  expect(addressGuard({ allowLoopback: true }).check(address)).toBeUndefined()
})

test.each([
  '10.0.1.5',
  '172.31.0.1',
  '100.64.0.1',
  '52.1.2.3',
  '1.0.0.0',
  '169.253.255.255',
  '169.255.0.0',
  '223.255.255.255',
  '2600:1f18::5',
  'fd12:3456::1',
  'fec0::1',
  '::ffff:10.0.1.5',
])('%s may be connected to', (address) => expect(addressGuard().check(address)).toBeUndefined())

describe('allowAddresses', () => {
  const guard = addressGuard({ allowAddresses: ['10.0.0.0/16', '10.9.9.9', '2600:1f18::/32'] })
  test.each(['10.0.0.0', '10.0.255.255', '10.9.9.9', '::ffff:10.0.1.5', '2600:1f18:ffff::1'])(
    '%s is inside',
    (address) => expect(guard.check(address)).toBeUndefined(),
  )
  test.each(['10.1.0.0', '10.9.9.8', '::ffff:10.1.0.0', '2600:1f19::1'])('%s is outside', (address) =>
    expect(guard.check(address)).toBe('outside allowAddresses'),
  )

  test.each([
    [['10.0.0.0/33'], 'allowAddresses[0]'],
    [['10.0.0.0/8', '::/129'], 'allowAddresses[1]'],
    [['10.0.0/8'], 'allowAddresses[0]'],
    [['shop.local'], 'allowAddresses[0]'],
    [['10.0.0.0/'], 'allowAddresses[0]'],
    [['10.0.0.0/-1'], 'allowAddresses[0]'],
    [['fe80::1%lo/64'], 'allowAddresses[0]'],
    [[8], 'allowAddresses[0]'],
    ['10.0.0.0/8', 'allowAddresses'],
    [[], 'allowAddresses'],
  ])('%j is refused', (allowAddresses, option) => {
    const make = (): unknown => addressGuard({ allowAddresses: allowAddresses as string[] })
    expect(make).toThrow(InvalidOptionsError)
    expect(make).toThrow(expect.objectContaining({ option }))
  })
})

describe('a guarded resolver', () => {
  const service = parseServiceName('orders.shop.local', ['shop.local'])
  const clock = manualClock()
  const resolve = (answer: ScriptedAnswer): Promise<Snapshot> =>
    guarded(scriptedResolver(clock, answer), addressGuard()).resolve(service, new AbortController().signal)

  test('leaves out what is refused, with an event each', async () => {
    const events = eventsOf('onehop:endpoint.refused')
    const snapshot = await resolve(['10.0.1.5:80', '169.254.170.2:80', '127.0.0.1:80'])
    expect(snapshot.endpoints.map(({ address }) => address)).toEqual(['10.0.1.5'])
    expect(snapshot.expiresAt).toBe(10_000)
    expect(events).toEqual([
      { host: service.host, address: '169.254.170.2', reason: 'link-local' },
      {
        host: service.host,
        address: '127.0.0.1',
        reason: expect.stringContaining('allowLoopback') as string,
      },
    ])
  })

  test('hands on the very snapshot when nothing is refused, an empty one too', async () => {
    const service2 = { ...service }
    for (const endpoints of [[taskEndpoint('10.0.1.5')], []]) {
      const snapshot: Snapshot = {
        service: service2,
        endpoints,
        complete: true,
        expiresAt: 1,
        source: 'x',
        revision: 1,
      }
      const resolver = guarded({ resolve: () => Promise.resolve(snapshot) }, addressGuard())
      expect(await resolver.resolve(service, new AbortController().signal)).toBe(snapshot)
    }
  })

  test('fails when nothing is left, and says why', async () => {
    const failed = resolve(['169.254.170.2:80', '127.0.0.1:80'])
    await expect(failed).rejects.toThrow(ResolutionFailedError)
    await expect(failed).rejects.toThrow(
      'orders.shop.local: discovery (scripted) named only addresses that are never connected to: 169.254.170.2 (link-local) and 1 more',
    )
  })

  test('lets the load balancer of the user pass', async () => {
    const balancer = { ...taskEndpoint('127.0.0.1'), tier: 1 as const }
    expect((await resolve([balancer])).endpoints).toEqual([balancer])
  })

  test('closes what it guards', async () => {
    let closed = 0
    const inner = { ...scriptedResolver(clock, []), close: () => void closed++ }
    await guarded(inner, addressGuard()).close?.()
    await guarded(scriptedResolver(clock, []), addressGuard()).close?.()
    expect(closed).toBe(1)
  })
})

describe('a resolver that is handed to createClient', () => {
  const registered: Resolver = {
    resolve: async (service) => ({
      service,
      endpoints: [taskEndpoint('169.254.170.2', { port: 80 })],
      complete: true,
      expiresAt: Number.POSITIVE_INFINITY,
      source: 'mine',
      revision: undefined,
    }),
  }

  test('names nothing that the guard refuses: what it says may be what somebody else registered', async () => {
    const client = createClient({ namespaces: ['shop.local'], discovery: registered })
    await expect(client.resolve('orders.shop.local')).rejects.toThrow('169.254.170.2 (link-local)')
    await client.close()
  })

  test('names what it likes if it is trusted, as the addresses that a user writes are', async () => {
    const client = createClient({
      namespaces: ['shop.local'],
      discovery: { ...registered, trusted: true },
    })
    expect((await client.resolve('orders.shop.local')).endpoints).toHaveLength(1)
    await client.close()
  })
})

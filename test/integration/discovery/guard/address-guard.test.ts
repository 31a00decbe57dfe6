import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { createClient } from 'onehop'
import { describe, expect, test } from 'vitest'
import { InvalidOptionsError, ResolutionFailedError } from '../../../../src/core/errors.ts'
import { addressGuard, guarded } from '../../../../src/discovery/guard/address-guard.ts'
import { taskEndpoint, type Snapshot } from '../../../../src/discovery/endpoint.ts'
import type { Resolver } from '../../../../src/discovery/resolver.ts'
import { parseServiceName } from '../../../../src/discovery/service-name.ts'
import { manualClock } from '../../../../src/testing/fakes/manual-clock.ts'
import { scriptedResolver, type ScriptedAnswer } from '../../../../src/testing/fakes/scripted-resolver.ts'
import { eventsOf } from '../../../support/events.ts'

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

const EMBEDDED: readonly (readonly [string, string])[] = [
  ['6to4', '2002:a9fe:aa02::1'],
  ['IPv4-compatible', '::169.254.170.2'],
  ['IPv4-compatible', '::a9fe:aa02'],
  ['IPv4-translated', '::ffff:0:a9fe:aa02'],
  ['local-use NAT64, /96', '64:ff9b:1::a9fe:aa02'],
  ['local-use NAT64, /96', '64:ff9b:1:ab:cd:ef:169.254.170.2'],
  ['local-use NAT64, /64', '64:ff9b:1:abcd:a9:feaa:200::'],
  ['local-use NAT64, /56', '64:ff9b:1:aba9:fe:aa02::'],
  ['local-use NAT64, /48', '64:ff9b:1:a9fe:aa:200::'],
  ['local-use NAT64, /48 with a suffix', '64:ff9b:1:a9fe:aa:200:1:2'],
]

test.each(EMBEDDED)('link-local within %s is refused: %s', (_, address) => {
  expect(addressGuard({ allowLoopback: true }).check(address)).toBe('link-local')
})

test.each([
  ['2002:7f00:1::', 'loopback'],
  ['::127.0.0.1', 'loopback'],
  ['64:ff9b:1::127.0.0.1', 'loopback'],
  ['64:ff9b:1:7f00:0:100::', 'loopback'],
  ['2002:e000:1::', 'multicast'],
  ['::255.255.255.255', 'broadcast'],
  ['::2', 'unspecified'],
  ['64:ff9b:1::224.0.0.1', 'multicast'],
])('%s is refused: %s', (address, reason) => expect(addressGuard().check(address)).toContain(reason))

test.each([
  '2002:a00:105::1',
  '::10.0.1.5',
  '64:ff9b::10.0.1.5',
  '64:ff9b:1::10.0.1.5',
  // An operator's prefix that looks like multicast where another prefix has the address.
  '64:ff9b:1:e123::10.0.1.5',
  '64:ff9b:1:abcd:a:1:500:0',
])('%s, the form of an address that may be connected to, may be too', (address) =>
  expect(addressGuard().check(address)).toBeUndefined(),
)

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

  const sound: Snapshot = {
    service,
    endpoints: [taskEndpoint('127.0.0.1')],
    complete: true,
    expiresAt: 1,
    source: 'mine',
    revision: undefined,
  }
  const task = (more: object): object => ({
    ...sound,
    endpoints: [{ ...taskEndpoint('169.254.170.2'), ...more }],
  })

  test.each<[string, unknown, string]>([
    ['nothing', undefined, 'undefined, not an object'],
    ['null', null, 'null, not an object'],
    ['no tier', task({ tier: undefined }), 'endpoints[0].tier is neither 0 (a task) nor 1'],
    ['tier "0"', task({ tier: '0' }), 'endpoints[0].tier is neither 0 (a task) nor 1'],
    [
      'tier 1',
      task({ tier: 1 }),
      'endpoints[0].tier is 1, and must be 0: the load balancer is the option "fallback"',
    ],
    [
      'an origin',
      task({ origin: 'http://x' }),
      "endpoints[0].origin must be undefined: tasks are called by the caller's",
    ],
    ['no address', task({ address: undefined }), 'endpoints[0].address must be a string'],
    ['a number as address', task({ address: 2_130_706_433 }), 'endpoints[0].address must be a string'],
    [
      'a host name as address',
      task({ address: 'localhost' }),
      'never connected to: localhost (no IP address)',
    ],
    [
      'no endpoint',
      { ...sound, endpoints: [undefined] },
      'endpoints[0] is undefined; make it with taskEndpoint',
    ],
    ['no service', { ...sound, service: undefined }, 'service is not what resolve() was given'],
    ['null as service', { ...sound, service: null }, 'service is not what resolve() was given'],
    ['a service without host', { ...sound, service: {} }, 'service is not what resolve() was given'],
    ['no source', { ...sound, source: undefined }, 'source must be a string'],
    ['a revision that is none', { ...sound, revision: '7' }, 'revision must be a number'],
    ['a warning that is none', { ...sound, warning: 7 }, 'warning must be a string'],
    ['a zone that is none', task({ zone: 7 }), 'endpoints[0].zone must be a string'],
    ['an id that is none', task({ id: {} }), 'endpoints[0].id must be a string'],
    [
      'attributes that are none',
      task({ attributes: { a: 1 } }),
      'endpoints[0].attributes must be an object of strings',
    ],
  ])('refuses %s whole, before anything reads it', async (_, snapshot, message) => {
    const resolver = guarded({ resolve: () => Promise.resolve(snapshot as Snapshot) }, addressGuard())
    const failed = resolver.resolve(service, new AbortController().signal)
    await expect(failed).rejects.toThrow(ResolutionFailedError)
    await expect(failed).rejects.toThrow(message)
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

  test.each<[string, object]>([
    ['no tier', { tier: undefined }],
    ['tier 1', { tier: 1 }],
    ['tier "0"', { tier: '0' }],
    ['tier 1 and a host name', { tier: 1, address: 'localhost' }],
    ['its IPv4-mapped form', { address: '::ffff:127.0.0.1' }],
  ])('sends no call to loopback that it names with %s', async (_, more) => {
    let connections = 0
    const server = createServer((socket) => {
      connections++
      socket.destroy()
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const endpoint = { ...taskEndpoint('127.0.0.1', { port }), ...more }
    const resolve: Resolver['resolve'] = async (service) => ({
      service,
      endpoints: [endpoint],
      complete: true,
      expiresAt: Number.POSITIVE_INFINITY,
      source: 'mine',
      revision: undefined,
    })
    const client = createClient({ namespaces: ['shop.local'], discovery: { resolve } })
    await expect(client.request('http://orders.shop.local/')).rejects.toMatchObject({
      code: 'ONEHOP_RESOLUTION_FAILED',
    })
    await client.close()
    await new Promise((closed) => server.close(closed))
    expect(connections).toBe(0)
  })
})

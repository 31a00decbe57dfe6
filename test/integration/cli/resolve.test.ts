import { startLocalAws, type LocalAws } from 'onehop/testing'
import { expect, test } from 'vitest'
import { busyWhenConnected, environmentOf, runCli } from '../../support/processes/cli.ts'

const HOST = 'orders.shop.local'

async function world(): Promise<LocalAws> {
  const aws = await startLocalAws()
  aws.addService(HOST, { ttlSeconds: 10 })
  aws.register(HOST, 'one', { ipv4: '10.0.11.42', port: 8080, zone: 'eu-west-1b' })
  aws.register(HOST, 'two', { ipv4: '10.0.12.7', port: 8080, zone: 'eu-west-1a' })
  return aws
}

interface ResolveJson {
  readonly dns: object
  readonly api: object
  readonly endpoints: readonly Record<string, unknown>[]
}

test('shows the endpoints of both sources, with TTL and revision', async () => {
  await using aws = await world()
  const { code, stdout, stderr } = await runCli(['resolve', HOST], environmentOf(aws))
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout.replaceAll(/\d+\.\d ms/g, 'N ms').replace(/revision \d+/, 'revision N'))
    .toMatchInlineSnapshot(`
    "orders.shop.local  service orders in namespace shop.local

    ENDPOINT         ZONE        WEIGHT  HEALTH   SOURCE   ID
    10.0.11.42:8080  eu-west-1b  1       HEALTHY  dns api  one
    10.0.12.7:8080   eu-west-1a  1       HEALTHY  dns api  two

    DNS  2 by A records, TTL 10 s, in N ms
    API  2 instances, 2 of them healthy, revision N, in N ms
    "
  `)
})

test('as JSON for programs', async () => {
  await using aws = await world()
  const { code, stdout } = await runCli(['resolve', '--json', HOST], environmentOf(aws))
  const { dns, api, endpoints } = JSON.parse(stdout) as ResolveJson
  expect(code).toBe(0)
  expect(dns).toMatchObject({ state: 'answered', records: 'A', ttlMs: 10_000, endpoints: 2 })
  expect(api).toMatchObject({ state: 'answered', revision: expect.any(Number) as number, endpoints: 2 })
  expect(endpoints).toMatchObject([
    { address: '10.0.11.42', port: 8080, zone: 'eu-west-1b', health: 'HEALTHY', sources: ['dns', 'api'] },
    { address: '10.0.12.7', port: 8080, zone: 'eu-west-1a', health: 'HEALTHY', id: 'two' },
  ])
})

test('marks what DNS still names, and what it does not name yet', async () => {
  await using aws = await world()
  aws.addRecords(HOST, { addresses: ['10.0.12.7', '10.0.13.9'], ttlSeconds: 60 })
  const { code, stdout } = await runCli(['resolve', HOST], environmentOf(aws))
  expect(code).toBe(1)
  expect(stdout).toContain('! 10.0.13.9  stale: not registered any more, and DNS names it for up to 60 s')
  expect(stdout).toContain('! 10.0.11.42:8080  not in DNS yet: resolvers keep the old answer for up to 60 s')
})

test('an unhealthy task is not a finding', async () => {
  await using aws = await world()
  aws.setHealth(HOST, 'two', 'UNHEALTHY')
  const { code, stdout } = await runCli(['resolve', HOST], environmentOf(aws))
  expect(code).toBe(0)
  expect(stdout).toContain('* 10.0.12.7:8080  unhealthy: DNS and clients leave it out')
})

test('neither are tasks beyond the eight that DNS names', async () => {
  await using aws = await world()
  for (let index = 3; index <= 10; index++)
    aws.register(HOST, `task-${index}`, { ipv4: `10.0.12.${index + 100}`, port: 8080 })
  const { code, stdout } = await runCli(['resolve', HOST], environmentOf(aws))
  expect(code).toBe(0)
  expect(stdout).toContain('8 by A records, a sample of a larger set')
  // One line for all of them: a fleet may have hundreds.
  expect(stdout).toMatch(/^\* [\d.:]+, [\d.:]+ {2}not in this answer: DNS names 8 healthy tasks at random$/m)
})

test('SRV records have ports', async () => {
  await using aws = await world()
  aws.addService('billing.shop.local', { records: ['SRV'] })
  aws.register('billing.shop.local', 'one', { ipv4: '10.0.11.50', port: 9090 })
  const { code, stdout } = await runCli(['resolve', 'billing.shop.local'], environmentOf(aws))
  expect([code, stdout]).toEqual([0, expect.stringContaining('1 by SRV records')])
  expect(stdout).toContain('10.0.11.50:9090')
})

test('one source is enough; the other says why it failed', async () => {
  await using aws = await world()
  aws.cloudMap.faults.answer = 'deny'
  const denied = await runCli(['resolve', HOST], environmentOf(aws))
  expect(denied.code).toBe(0)
  expect(denied.stdout).toContain('the role of this task needs servicediscovery:DiscoverInstances')
  aws.dns.faults.answer = 'servfail'
  const neither = await runCli(['resolve', HOST], environmentOf(aws))
  expect(neither.code).toBe(1)
  expect(neither.stdout).toMatch(/DNS {2}failed: .*SERVFAIL/)
})

test('a name that does not exist: for how long resolvers remember that', async () => {
  await using aws = await startLocalAws()
  aws.addNamespace('shop.local', { soaTtlSeconds: 900 })
  const { code, stdout } = await runCli(['resolve', HOST], environmentOf(aws))
  expect(code).toBe(1)
  expect(stdout).toContain('no such name (NXDOMAIN), remembered by resolvers for 900 s')
  expect(stdout).toContain('Cloud Map knows no service "orders" in namespace "shop.local"')
})

test('asks only the source that was chosen', async () => {
  await using aws = await world()
  const { stdout } = await runCli(['resolve', '--discovery', 'dns', HOST], environmentOf(aws))
  expect(stdout).toContain('API  not asked (--discovery dns)')
  expect(aws.cloudMap.calls).toEqual({})
})

test('a server that keeps silent costs the timeout, and no more', async () => {
  await using aws = await world()
  aws.dns.faults.answer = 'drop'
  aws.cloudMap.faults.answer = 'hang'
  const { code, stdout } = await runCli(['resolve', '--timeout', '300', HOST], environmentOf(aws))
  expect(code).toBe(1)
  expect(stdout).toContain('DNS gave no answer in 300 ms')
  expect(stdout).toContain('the Cloud Map API gave no answer in 300 ms')
})

test('a process that is busy while it asks does not take that for silence', async () => {
  await using aws = await world()
  const env = environmentOf(aws, busyWhenConnected(2_500))
  const { stdout } = await runCli(['resolve', '--timeout', '2000', HOST], env)
  expect(stdout).toMatch(/API {2}2 instances/)
})

test.each([`http://${HOST}/things?a=1`, `https://${HOST}:8443`, `${HOST}:8080`])(
  'of %s the host counts',
  async (url) => {
    await using aws = await world()
    const { code, stdout } = await runCli(['resolve', url], environmentOf(aws))
    expect([code, stdout]).toEqual([
      0,
      expect.stringContaining('orders.shop.local  service orders in namespace shop.local'),
    ])
  },
)

test('what is not a host is named as HOST', async () => {
  const { code, stderr } = await runCli(['resolve', 'ftp://orders.shop.local/x'])
  expect(code).toBe(2)
  expect(stderr).toMatch(/^onehop resolve: .*HOST: got "ftp:/)
})

test('aws.env of onehop/testing is all that another process needs, and messages name options', async () => {
  await using aws = await world()
  const all = await runCli(['resolve', HOST], aws.env)
  expect(all.stdout).toMatch(/DNS {2}\d by A records[^]*API {2}\d instances/)
  const { AWS_REGION: _region, ...others } = aws.env
  const { stdout } = await runCli(['resolve', HOST], others)
  expect(stdout).toContain('set AWS_REGION or --region, or give --discovery dns')
})

/**
 * What is made of an answer of the Cloud Map API, whatever brings it: msw answers in place of a server. What is sent,
 * failures and time limits are tested with real servers in cloud-map.test.ts.
 */
import { syncBuiltinESMExports } from 'node:module'
import { http, HttpResponse } from 'msw'
import { setupServer } from 'msw/node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CloudMapOptions } from '../../../../src/discovery/cloud-map/options.ts'
import { cloudMapResolver } from '../../../../src/discovery/cloud-map/resolver.ts'
import type { Snapshot } from '../../../../src/discovery/endpoint.ts'
import { parseServiceName } from '../../../../src/discovery/service-name.ts'
import { manualClock } from '../../../../src/testing/fakes/manual-clock.ts'
import type { Instance } from '../../../support/cloud-map-server.ts'
import { eventsOf } from '../../../support/events.ts'

const SERVICE = parseServiceName('orders.shop.local', ['shop.local'])
const START_MS = 5000
const REVISION = 42
/** No such host: a request that msw does not see fails. */
const ENDPOINT = 'http://cloud-map.invalid'

const server = setupServer()

beforeAll(() => {
  server.listen({ onUnhandledRequest: 'error' })
  // msw replaces what `require('node:http')` has; modules that import it by name get that by this alone.
  syncBuiltinESMExports()
})
afterAll(() => {
  server.close()
  syncBuiltinESMExports()
})

function resolved(list: readonly Instance[], options: CloudMapOptions = {}, chance = 0.5): Promise<Snapshot> {
  const answer = { Instances: list, InstancesRevision: REVISION }
  server.resetHandlers(
    http.post(`${ENDPOINT}/`, () =>
      HttpResponse.json(answer, { headers: { 'content-type': 'application/x-amz-json-1.1' } }),
    ),
  )
  const resolver = cloudMapResolver({
    region: 'eu-west-1',
    credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' },
    endpoint: ENDPOINT,
    clock: manualClock(START_MS),
    random: { next: () => chance },
    ...options,
  })
  return resolver.resolve(SERVICE, new AbortController().signal)
}

function task(id: string, attributes: Record<string, string>): Instance {
  return { InstanceId: id, Attributes: attributes }
}

describe('an answer of the Cloud Map API', () => {
  test('instances become endpoints, with port, zone, weight, id and all attributes', async () => {
    const full = {
      AWS_INSTANCE_IPV4: '10.0.1.5',
      AWS_INSTANCE_IPV6: '2600:1f18::5',
      AWS_INSTANCE_PORT: '8080',
      AVAILABILITY_ZONE: 'eu-west-1a',
      ECS_SERVICE_NAME: 'orders',
      WEIGHT: '2.5',
    }
    const snapshot = await resolved([
      task('t1', full),
      task('t2', { AWS_INSTANCE_IPV6: '2600:1f18::6' }),
      task('t3', { AWS_INSTANCE_IPV4: '10.0.1.7', WEIGHT: 'heavy' }),
    ])
    expect(snapshot).toEqual({
      service: SERVICE,
      // Not called, but DNS may name it.
      excluded: ['2600:1f18::5'],
      complete: true,
      expiresAt: START_MS + 5000,
      source: 'cloud-map',
      revision: REVISION,
      endpoints: [
        {
          address: '10.0.1.5',
          port: 8080,
          zone: 'eu-west-1a',
          weight: 2.5,
          id: 't1',
          attributes: full,
          tier: 0,
          origin: undefined,
        },
        {
          address: '2600:1f18::6',
          port: undefined,
          zone: undefined,
          weight: 1,
          id: 't2',
          attributes: { AWS_INSTANCE_IPV6: '2600:1f18::6' },
          tier: 0,
          origin: undefined,
        },
        {
          address: '10.0.1.7',
          port: undefined,
          zone: undefined,
          weight: 1,
          id: 't3',
          attributes: { AWS_INSTANCE_IPV4: '10.0.1.7', WEIGHT: 'heavy' },
          tier: 0,
          origin: undefined,
        },
      ],
    })
  })

  test('of two addresses, the one of the wished family; of one, that one', async () => {
    const list = [
      task('t1', { AWS_INSTANCE_IPV4: '10.0.1.5', AWS_INSTANCE_IPV6: '2600:1f18::5' }),
      task('t2', { AWS_INSTANCE_IPV4: '10.0.1.6' }),
      task('t3', { AWS_INSTANCE_IPV4: 'nonsense', AWS_INSTANCE_IPV6: '2600:1f18::7' }),
    ]
    const addresses = async (family?: 'ipv4' | 'ipv6'): Promise<readonly string[]> => {
      const { endpoints } = await resolved(list, family && { family })
      return endpoints.map(({ address }) => address)
    }
    expect(await addresses()).toEqual(['10.0.1.5', '10.0.1.6', '2600:1f18::7'])
    expect(await addresses('ipv4')).toEqual(['10.0.1.5', '10.0.1.6', '2600:1f18::7'])
    expect(await addresses('ipv6')).toEqual(['2600:1f18::5', '10.0.1.6', '2600:1f18::7'])
  })

  test.each(['0x50', '1e3', ' 80', '80 ', '', '0', '65536', '-1', '8080a'])(
    'a port that is written "%s" is none',
    async (port) => {
      const place = { AWS_INSTANCE_IPV4: '10.0.1.5', AWS_INSTANCE_PORT: port }
      expect((await resolved([task('t1', place)])).endpoints).toEqual([])
    },
  )

  test('instances of no use are left out, with an event each', async () => {
    const events = eventsOf('onehop:endpoint.refused')
    const snapshot = await resolved([
      task('t1', { AWS_INSTANCE_CNAME: 'db.example' }),
      task('t2', { AWS_INSTANCE_IPV4: '10.0.1.5', AWS_INSTANCE_PORT: '70000' }),
      task('t3', { AWS_INSTANCE_IPV4: '10.0.1.6', WEIGHT: '0' }),
      task('t4', { AWS_INSTANCE_IPV4: 'localhost' }),
      { InstanceId: 't5' },
      { InstanceId: 't7', Attributes: null as never },
      task('t6', { AWS_INSTANCE_IPV4: '10.0.1.7' }),
    ])
    expect(snapshot.endpoints.map(({ id }) => id)).toEqual(['t6'])
    const { host } = SERVICE
    const noAddress = 'has no usable AWS_INSTANCE_IPV4 or AWS_INSTANCE_IPV6'
    expect(events).toEqual([
      { host, address: 't1', reason: `instance t1 ${noAddress}` },
      { host, address: '10.0.1.5', reason: 'instance t2 has AWS_INSTANCE_PORT "70000"' },
      { host, address: '10.0.1.6', reason: 'instance t3 has WEIGHT 0' },
      { host, address: 'localhost', reason: `instance t4 ${noAddress}` },
      { host, address: 't5', reason: `instance t5 ${noAddress}` },
      { host, address: 't7', reason: `instance t7 ${noAddress}` },
    ])
  })

  test('one address and port registered twice is one endpoint', async () => {
    const place = { AWS_INSTANCE_IPV4: '10.0.1.5', AWS_INSTANCE_PORT: '80' }
    const list = [task('t1', place), task('t2', place), task('t3', { ...place, AWS_INSTANCE_PORT: '81' })]
    expect((await resolved(list)).endpoints.map(({ id }) => id)).toEqual(['t1', 't3'])
    const reversed = [task('t2', place), task('t1', place)]
    expect((await resolved(reversed)).endpoints.map(({ id }) => id)).toEqual(['t1'])
  })

  test('a full page may be a part of the set', async () => {
    const list = Array.from({ length: 1000 }, (_, index) =>
      task(`t${index}`, { AWS_INSTANCE_IPV4: `10.0.${Math.floor(index / 250)}.${index % 250}` }),
    )
    expect(await resolved(list)).toMatchObject({ complete: false })
    expect(await resolved(list.slice(1))).toMatchObject({ complete: true })
  })

  test.each([
    [0, 4500],
    [0.5, 5000],
    [1, 5500],
  ])('is fresh for 5 s, 10 %% more or less (%d: %d ms)', async (chance, ms) => {
    expect((await resolved([], {}, chance)).expiresAt).toBe(START_MS + ms)
  })

  test('is fresh for revisionMs', async () => {
    const snapshot = await resolved([], { revisionMs: 200 })
    expect(snapshot.expiresAt).toBe(START_MS + 200)
  })
})

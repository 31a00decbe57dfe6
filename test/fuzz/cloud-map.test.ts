import { isIPv4, isIPv6 } from 'node:net'
import type { HttpInstanceSummary } from '@aws-sdk/client-servicediscovery'
import fc, { type Arbitrary } from 'fast-check'
import { expect, test } from 'vitest'
import { endpointsOf } from '../../src/discovery/cloud-map/endpoint.ts'
import type { Endpoint } from '../../src/discovery/endpoint.ts'
import { NAME } from './dns-corpus.ts'
import { fuzzAsync } from './fuzz.ts'
import { throughGuard } from './sound.ts'

type Family = 'ipv4' | 'ipv6'

const read = (instances: readonly HttpInstanceSummary[], family: Family): readonly Endpoint[] =>
  endpointsOf(NAME, instances, family)

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('', ' ', 'null', 'undefined', 'NaN', '__proto__', '\0', '\n'),
  fc.constant('x'.repeat(5000)),
)

/** Half of them as they should be, so that the other half meets all of the code. */
const mostly = (usual: Arbitrary<string>, odd: Arbitrary<string>): Arbitrary<string> => fc.oneof(usual, odd)

const oddAddress = fc.oneof(
  fc.ipV4Extended(),
  fc.ipV4().map((ip) => `::ffff:${ip}`),
  fc.ipV6().map((ip) => `${ip}%eth0`),
  fc.ipV4().map((ip) => ` ${ip}`),
  fc.ipV4().map((ip) => `${ip}/8`),
  fc.ipV6().map((ip) => `[${ip}]`),
  fc.constantFrom('169.254.170.2', '127.0.0.1', '::1', '::', '0.0.0.0', '::ffff:169.254.170.2'),
  fc.constantFrom(
    '64:ff9b::a9fe:aa02',
    'fe80::1',
    'fe80::1%lo',
    '0x7f.1',
    '2130706433',
    '127.1',
    '010.0.0.1',
  ),
  text,
)

const decimal = /^\d+$/
const oddPort = fc.oneof(
  fc.constantFrom(
    '80abc',
    '1e3',
    ' 80',
    '80 ',
    '0x50',
    '+80',
    '-80',
    '80.0',
    '8_0',
    '٨٠',
    '0',
    '65536',
    '0080',
  ),
  fc.double().map(String),
  text,
)

const port = mostly(fc.nat(70_000).map(String), oddPort)

const oddWeight = fc.oneof(
  fc.double().map(String),
  fc.constantFrom('NaN', 'Infinity', '-Infinity', '-1', '1e308', '1e309', '-0', '0', '5e-324', '0x10', '٣'),
  text,
)

const weight = mostly(fc.nat(1000).map(String), oddWeight)

const known: Readonly<Record<string, Arbitrary<string>>> = {
  AWS_INSTANCE_IPV4: mostly(fc.ipV4(), oddAddress),
  AWS_INSTANCE_IPV6: mostly(fc.ipV6(), oddAddress),
  AWS_INSTANCE_PORT: port,
  WEIGHT: weight,
  AVAILABILITY_ZONE: text,
  REGION: text,
  AWS_INIT_HEALTH_STATUS: text,
}

/** As `JSON.parse` makes it, which the SDK does: `__proto__` is a key like any other. */
const others = fc
  .dictionary(
    fc.oneof(text, fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty')),
    text,
    {
      maxKeys: 4,
    },
  )
  .map((record) => JSON.parse(JSON.stringify(record)) as Record<string, string>)

const attributes = fc
  .tuple(fc.record(known, { requiredKeys: [] }), others)
  .map(([ours, theirs]) => Object.assign(theirs, ours))

const instance: Arbitrary<HttpInstanceSummary> = fc.oneof(
  { weight: 9, arbitrary: fc.record({ InstanceId: text, Attributes: attributes }) },
  { weight: 1, arbitrary: fc.record({ InstanceId: text }, { requiredKeys: [] }) },
)

/** Those that were registered properly are never lost to what else is in the answer. */
const GOOD: HttpInstanceSummary = {
  InstanceId: 'good',
  Attributes: { AWS_INSTANCE_IPV4: '10.9.9.9', AWS_INSTANCE_IPV6: '2600:1f18::9', AWS_INSTANCE_PORT: '8080' },
}

test('what comes of arbitrary instances is sound', async () => {
  let passed = 0
  await fuzzAsync(
    30_000,
    fc.asyncProperty(
      fc.array(instance, { minLength: 1, maxLength: 4 }),
      fc.constantFrom<Family>('ipv4', 'ipv6'),
      async (instances, family) => {
        const endpoints = read([...instances, GOOD], family)
        for (const endpoint of endpoints) {
          expect(isIPv4(endpoint.address) || isIPv6(endpoint.address)).toBe(true)
          const portText = endpoint.attributes?.['AWS_INSTANCE_PORT']
          if (portText === undefined) continue
          expect(decimal.test(portText), `port ${portText}`).toBe(true)
          expect(endpoint.port).toBe(Number(portText))
        }
        const snapshot = await throughGuard(endpoints, 'cloud-map')
        expect(snapshot?.endpoints.some(({ port: own }) => own === 8080)).toBe(true)
        passed += snapshot?.endpoints.length ?? 0
        expect(Object.keys(Object.prototype)).toEqual([])
      },
    ),
  )
  // Not the good ones alone.
  expect(passed).toBeGreaterThan(36_000)
})

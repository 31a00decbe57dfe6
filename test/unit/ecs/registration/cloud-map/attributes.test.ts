import { expect, test } from 'vitest'
import { attributesOf } from '../../../../../src/ecs/registration/cloud-map/attributes.ts'
import type { RecordType } from '../../../../../src/ecs/registration/cloud-map/service.ts'
import type { ServiceSettings } from '../../../../../src/ecs/registration/options/options.ts'

const SETTINGS: ServiceSettings = {
  service: 'srv-1',
  listener: 8080,
  id: undefined,
  attributes: {},
  weight: undefined,
  family: undefined,
}
const TASK = {
  ...{ id: 't', zone: undefined, region: undefined, cluster: undefined, family: undefined, port: undefined },
}
const V4 = '10.0.0.1'
const V6 = '2a05::1'

interface Case {
  readonly records: readonly RecordType[] | undefined
  readonly has: '4' | '6' | '46'
  readonly family?: ServiceSettings['family']
  /** Addresses that are registered, or the reason why not. */
  readonly expected: string
}

test.each<Case>([
  { records: ['A'], has: '4', expected: '4' },
  { records: ['A'], has: '46', expected: '4' },
  { records: ['A'], has: '6', expected: 'A records: an IPv4 address is needed, and this task has none' },
  { records: ['AAAA'], has: '46', expected: '6' },
  {
    records: ['AAAA'],
    has: '4',
    expected: 'AAAA records: an IPv6 address is needed, and this task has none',
  },
  { records: ['A', 'AAAA'], has: '46', expected: '46' },
  { records: ['A', 'AAAA'], has: '4', expected: 'AAAA records' },
  { records: ['SRV'], has: '46', expected: '4' },
  { records: ['SRV'], has: '6', expected: '6' },
  { records: ['A', 'SRV'], has: '46', expected: '4' },
  { records: [], has: '46', expected: '4' },
  { records: [], has: '6', expected: '6' },
  { records: undefined, has: '46', expected: '46' },
  { records: undefined, has: '6', expected: '6' },
  { records: ['CNAME'], has: '4', expected: 'CNAME' },
  { records: [], has: '46', family: 'dual', expected: '46' },
  { records: [], has: '46', family: 'ipv6', expected: '6' },
  { records: [], has: '4', family: 'dual', expected: 'family is "dual", and this task has no ipv6' },
  { records: ['A'], has: '46', family: 'ipv6', expected: 'IPv4 address is needed, and family is "ipv6"' },
  { records: undefined, has: '46', family: 'ipv4', expected: '4' },
])('records $records, addresses $has, family $family: $expected', ({ records, has, family, expected }) => {
  const place = {
    ...TASK,
    ipv4: has.includes('4') ? V4 : undefined,
    ipv6: has.includes('6') ? V6 : undefined,
  }
  const facts = { id: 'srv-1', records, ttlMs: undefined, customHealth: false }
  const make = () => attributesOf({ ...SETTINGS, family }, place, 8080, facts)
  if (!/^[46]+$/.test(expected)) return expect(make).toThrow(expected)
  expect(make()).toEqual({
    AWS_INSTANCE_PORT: '8080',
    ...(expected.includes('4') && { AWS_INSTANCE_IPV4: V4 }),
    ...(expected.includes('6') && { AWS_INSTANCE_IPV6: V6 }),
  })
})

const FACTS = { id: 'srv-1', records: [], ttlMs: undefined, customHealth: false }

test('zone, region, cluster and family of the task; never ECS_SERVICE_NAME, by which ECS marks its own', () => {
  const place = { ...TASK, ipv4: V4, ipv6: undefined, zone: 'a', region: 'r', cluster: 'c', family: 'f' }
  expect(attributesOf({ ...SETTINGS, weight: 2.5, attributes: { X: '1' } }, place, 1, FACTS)).toEqual({
    AWS_INSTANCE_IPV4: V4,
    AWS_INSTANCE_PORT: '1',
    AVAILABILITY_ZONE: 'a',
    REGION: 'r',
    ECS_CLUSTER_NAME: 'c',
    ECS_TASK_DEFINITION_FAMILY: 'f',
    WEIGHT: '2.5',
    X: '1',
  })
})

test('limits count what the task adds', () => {
  const place = { ...TASK, ipv4: V4, ipv6: undefined, zone: 'a' }
  const many = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`K${index}`, 'x']))
  expect(() => attributesOf({ ...SETTINGS, attributes: many }, place, 1, FACTS)).toThrow('31 attributes')
  const long = Object.fromEntries(Array.from({ length: 5 }, (_, index) => [`K${index}`, 'x'.repeat(1_000)]))
  expect(() => attributesOf({ ...SETTINGS, attributes: long }, place, 1, FACTS)).toThrow(
    '5,000'.replace(',', ''),
  )
})
